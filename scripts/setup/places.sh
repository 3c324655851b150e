# shellcheck shell=bash disable=SC2034,SC2154  # read by scripts/setup.sh and scripts/uninstall.sh: where things are, and how changes are made.

place() { # place ROOT : every path of an installation below ROOT ("" on a real machine)
  program_dir="$1/opt/spot-agent"
  program="$program_dir/current/bin/spot-agent"
  started_file="$program_dir/started" # digest of what the daemon was last started with
  command_file="$1/usr/local/bin/spot-agent"
  config_dir="$1/etc/spot-agent"
  env_file="$config_dir/agent.env"
  kept_token="$config_dir/enrolment-token"
  systemd_dir="$1/etc/systemd/system"
  unit_file="$systemd_dir/spot-agent.service"
  guard_name=spot-optimizer.conf
  guard_mark="# Kept by uninstall.sh:" # in a start guard that must stay although no journal is left to say why
  state_dir="$1/var/lib/spot-agent"
  runtime_dir="$1/run/spot-optimizer"
}

say() { printf '%s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit "${code:-1}"; }
usage() { code=2 fail "$*. --help shows the options"; }
show_help() { sed -n '2,/^set -e/{/^set -e/d;s/^# \{0,1\}//;p}' "$0"; }

change() { # change WHAT COMMAND... : say it, and do it unless this is a dry run
  local what="$1"
  shift
  is_changed=true
  if $is_dry; then say "  would $what"; else say "  $what"; "$@"; fi
}

require_root() {
  if [ -n "$root" ] && [ ! -d "$root" ]; then fail "--root: $root is not a directory"; fi
  if [ -n "$root" ]; then root="$(cd "$root" && pwd)"; elif [ "$(id -u)" != 0 ]; then fail "root is needed: sudo $0 ..."; fi
}

stay_alone() { # not by a file of the clone: there may be several clones, and installations fetched from the server
  exec 9<"${root:-/}"
  flock -n 9 || fail "another setup.sh or uninstall.sh is running"
}

# SPOT_SYSTEMCTL: a test's own systemctl, or "none"; with it --root is treated as a machine that runs.
has_systemd() {
  if [ -n "${SPOT_SYSTEMCTL:-}" ]; then [ "$SPOT_SYSTEMCTL" != none ]; return; fi
  [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}
ctl() { "${SPOT_SYSTEMCTL:-systemctl}" "$@"; }

is_kept_guard() { grep -qs "^$guard_mark" "$1"; }
