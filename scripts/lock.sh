#!/usr/bin/env bash
# Re-lock every requirements file. Output: requirements/*.txt with hashes and no index address.
# The daemon supports Python 3.10 and newer; the server, the simulator and the tools need 3.11.
set -euo pipefail
cd "$(dirname "$0")/../requirements"
lock() { # lock NAME PYTHON_VERSION
  uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
    --custom-compile-command scripts/lock.sh --python-version "$2" "$1.in" --output-file "$1.txt"
}
lock server 3.11
lock agent 3.10
lock agent-build 3.10
lock simulator 3.11
lock dev 3.11
