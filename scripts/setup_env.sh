#!/usr/bin/env bash
# Create (or refresh) .venv with everything the demo and the tests need. Safe to run any number of times.
# Usage: scripts/setup_env.sh          Env: SPOT_PYTHON (default python3, 3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."
python="${SPOT_PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "setup: Python 3.11 or newer is needed; '$python' is not that. Set SPOT_PYTHON to one." >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  echo "setup: the venv module is missing. On Debian: apt-get install python3-venv" >&2
  exit 1
fi

wanted="$(cat requirements/dev.txt ./*/pyproject.toml | sha256sum | cut -d' ' -f1) $("$python" -V)"
if [ -f .venv/.installed ] && [ "$(cat .venv/.installed)" = "$wanted" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi

# Two callers at once (a demo and a test run) must not write into one half-made environment.
exec 9>.venv.lock
flock 9
if [ -f .venv/.installed ] && [ "$(cat .venv/.installed)" = "$wanted" ]; then exit 0; fi

echo "setup: installing locked dependencies into .venv (about a minute the first time)"
if ! .venv/bin/python -c '' 2>/dev/null; then rm -rf .venv; "$python" -m venv .venv; fi
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
pip install --require-hashes -r requirements/dev.txt
pip install --no-deps --no-build-isolation -e central-server -e agent -e simulator
echo "$wanted" > .venv/.installed
