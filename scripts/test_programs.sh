#!/usr/bin/env bash
# What the tests with real programs need, from Debian's packages: rsync and an SSH server (the rsync carry), curl (the daemon's installation),
# iproute2 and mount (hosts made of network namespaces).
# The tests start private servers on loopback addresses and between such hosts; the machine's own SSH server is neither started nor enabled by this.
# Usage: scripts/test_programs.sh install   install what is missing, if that is allowed
set -euo pipefail

fail() { echo "test programs: $*" >&2; exit 1; }

has_program() { PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$1" >/dev/null; }

quietly() { # quietly COMMAND... : show its output only if it fails
  local output
  output="$(DEBIAN_FRONTEND=noninteractive "$@" </dev/null 2>&1)" || { echo "$output" >&2; fail "failed: $*"; }
}

list_missing() {
  has_program curl || echo curl
  has_program rsync || echo rsync
  has_program ssh || echo openssh-client
  has_program sshd || echo openssh-server
  has_program ip || echo iproute2
  has_program mount || echo mount
}

keep_services_down() { # packages ask this program before they start a service; 101 means no
  [ -e /usr/sbin/policy-rc.d ] && return 0
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

install_missing() {
  local packages had_server=false
  packages="$(list_missing | tr '\n' ' ')"
  [ -n "$packages" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "missing here: $packages. Install it, then run this again. On Debian or Ubuntu: sudo apt-get install --no-install-recommends $packages"
  fi
  echo "test programs: installing $packages" >&2
  has_program sshd && had_server=true
  keep_services_down
  quietly apt-get -qq update
  # shellcheck disable=SC2086  # several packages, several words
  quietly apt-get -qq install -y --no-install-recommends $packages
  if ! $had_server && command -v systemctl >/dev/null; then
    systemctl disable ssh.service ssh.socket >/dev/null 2>&1 || true # nobody asked for a server that listens after the next boot
  fi
}

case "${1:-}" in
  install) install_missing ;;
  *) sed -n '2,5p' "$0" >&2; exit 2 ;;
esac
