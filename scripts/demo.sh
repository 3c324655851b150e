#!/usr/bin/env bash
# Workloads kept on spot, on this machine: a simulated AWS region with real daemons, real workload processes, a real server.
# Usage: scripts/demo.sh [--once] [--database-url URL] [--time-scale X] [--seed N] [--prices FILE] ...   (--help lists all)
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup_env.sh
exec .venv/bin/python -m spot_simulator.demo "$@"
