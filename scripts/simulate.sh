#!/usr/bin/env bash
# Fault schedules on a virtual clock: the product's own server and daemons, a region in memory, every invariant checked over that world.
# Usage: scripts/simulate.sh [--runs N] [--seed S] [--processes P] [--at-most-seconds T] [--fair] [--as-drawn] [--plant NAME | --json FILE]   (--help lists all)
#        scripts/simulate.sh --json FILE ... keeps what was counted; the same command goes on after an interruption
#        scripts/simulate.sh --add FILE...   adds up such files
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup_env.sh
export PYTHONHASHSEED=0   # the order of sets is part of a run
exec .venv/bin/python -m spot_simulator.virtual "$@"
