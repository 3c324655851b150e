#!/usr/bin/env bash
# Workloads kept on spot, on this machine: a simulated AWS region with real daemons, real workload processes, a real server.
# Usage: scripts/demo.sh [options]     without --once it stays up after its scripted day, until Ctrl-C
#        --once                play the day, check the three books, exit 0 only if every check held
#        --database-url URL    for example mysql+pymysql://user:password@127.0.0.1/spot (default: SQLite)
#        --time-scale X        what every delay of the region is multiplied by (default 0.05)
#        --seed N              of the delays and prices (default 1)
#        --prices FILE         recorded spot prices instead of the generator, CSV or CSV.gz
#        --port N              of the server (default: a free one)
#        --state-dir FOLDER    where everything is kept (default: a temporary folder, removed after a good day)
set -euo pipefail
cd "$(dirname "$0")/.."
for argument in "$@"; do
  case "$argument" in
    -h | --help) grep '^# ' "scripts/demo.sh" | cut -c 3-; exit 0 ;;
  esac
done
scripts/setup_env.sh
exec .venv/bin/python -m spot_simulator.demo "$@"
