#!/usr/bin/env bash
# Every shell script, looked at by shellcheck; its remarks count as its errors do.
# Usage: scripts/shell_check.sh            look
#        scripts/shell_check.sh install    get shellcheck, and systemd-analyze for a test, from Debian's packages, if that is allowed
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = install ]; then
  command -v shellcheck >/dev/null && command -v systemd-analyze >/dev/null && exit 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "shell_check: shellcheck or systemd-analyze is not here. On Debian or Ubuntu: sudo apt-get install shellcheck systemd" >&2
    exit 1
  fi
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT
  if ! { apt-get -qq update && apt-get -qq install -y --no-install-recommends shellcheck systemd; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    exit 1
  fi
  exit 0
fi

mapfile -t scripts < <(git -c safe.directory='*' ls-files --cached --others --exclude-standard '*.sh' .ci/run agent/src/spot_agent/installed/spot-agent)
exec shellcheck --external-sources "${scripts[@]}"
