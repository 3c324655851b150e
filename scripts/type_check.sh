#!/usr/bin/env bash
# mypy --strict, part by part: each part has test modules of its own names, and the daemon must also run on Python 3.10.
# Usage: scripts/type_check.sh [PART...]     (default: every part)
set -uo pipefail
cd "$(dirname "$0")/.." || exit
[ $# -gt 0 ] || set -- agent central-server simulator scripts database
failed=0
for part in "$@"; do
  [ -n "$(find "$part" -name '*.py' -not -path '*/node_modules/*' -print -quit 2>/dev/null)" ] || continue
  options=()
  [ "$part" = agent ] && options=(--python-version 3.10)
  output="$(.venv/bin/mypy "${options[@]}" "$part" 2>&1)" || { failed=1; printf '%s: %s\n' "$part" "$output"; }
done
exit $failed
