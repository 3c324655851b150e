#!/usr/bin/env bash
# Install the daemon on this EC2 instance, or upgrade it, with what its central server gives out: docs/install.md explains it.
#
# Usage: bash setup.sh --server-url URL --logical-agent-id NAME --token-file FILE [OPTION...]    the first time
#        bash setup.sh [OPTION...]                                                             later
#        bash setup.sh --server-url URL --help                                                 all options
#
# Fetches URL/install/spot-agent.tar.gz and runs the setup.sh in it with the same options; nothing of it stays but what that installs.
# Needs root, curl and tar. SSL_CERT_FILE and HTTPS_PROXY: as curl reads them.
set -euo pipefail

bound_seconds=120

fail() { printf 'setup: %s\n' "$*" >&2; exit "${code:-1}"; }

find_server() { # $server_url from the options, else from the settings of the installation that is here
  local root=""
  server_url=""
  while [ $# -gt 0 ]; do
    case "$1" in
      --server-url) server_url="${2:-}" ;;
      --root) root="${2:-}" ;;
    esac
    shift
  done
  [ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "root is needed: sudo bash setup.sh ..."
  if [ -z "$server_url" ] && [ -r "$root/etc/spot-agent/agent.env" ]; then
    server_url="$(sed -nE "s/^SPOT_SERVER_URL=[\"']?([^\"']*)[\"']?$/\1/p" "$root/etc/spot-agent/agent.env" | tail -1)"
  fi
  server_url="${server_url%/}"
  [ -n "$server_url" ] || code=2 fail "--server-url is needed the first time"
}

fetch() { # the installation, into $scratch
  local program why
  for program in curl tar gzip; do
    command -v "$program" >/dev/null || fail "$program is needed, and was not found"
  done
  why="$(curl --fail --silent --show-error --max-time "$bound_seconds" --output "$scratch/archive" "$server_url/install/spot-agent.tar.gz" 2>&1)" ||
    fail "the server $server_url does not give out the installation: $why"
  tar -xzf "$scratch/archive" -C "$scratch" 2>/dev/null || rm -rf "$scratch/spot-agent"
  [ -f "$scratch/spot-agent/scripts/setup.sh" ] ||
    fail "what $server_url/install/spot-agent.tar.gz gave is not the installation"
}

main() {
  find_server "$@"
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  fetch
  bash "$scratch/spot-agent/scripts/setup.sh" "$@"
}

# One line and the last: a script that arrives in part does nothing.
main "$@"
