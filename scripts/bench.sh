#!/usr/bin/env bash
# Measure the server under the load of 1,000 daemons on SQLite and MariaDB, each page alone, and what one daemon costs its instance.
# Usage: scripts/bench.sh [--quick] [--seconds N] [--agents N] [--database sqlite|mariadb|both|none] [--json FILE]    (--help lists all)
#        scripts/bench.sh decisions [--agents N] [--pools N] [--database sqlite|mariadb|both]    scoring risk and deciding for a large fleet
#        scripts/bench.sh prices [--rows N] [--pools N] [--agents N] [--json FILE]    reading, consolidating and deleting 20 million prices
# Everything stays on 127.0.0.1 and ends by itself after about ten minutes. docs/performance.md says what each figure means.
# Env:   SPOT_TEST_MARIADB_URL      use this server (its user may create databases) instead of starting a private one
set -euo pipefail
cd "$(dirname "$0")/.."

scratch="$(mktemp -d "${TMPDIR:-/tmp}/spot-bench.XXXXXX")"
arguments=()
module=bench
mariadb_options=()
case "${1:-}" in
  decisions | prices)
    module=bench.$1
    mariadb_options=(--innodb-buffer-pool-size=1G --innodb-log-file-size=512M) # small for a server of such a fleet
    shift
    ;;
esac

finish() {
  scripts/mariadb.sh stop "$scratch/mariadb" || true
  rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

wants_mariadb() {
  case " $* " in *" --database sqlite "* | *" --database=sqlite "* | *" --database none "* | *" --database=none "* | *" --help "* | *" -h "*) return 1 ;; esac
  [ -z "${SPOT_TEST_MARIADB_URL:-}" ]
}

start_mariadb() {
  scripts/mariadb.sh install && SPOT_TEST_MARIADB_URL="$(scripts/mariadb.sh start "$scratch/mariadb" "${mariadb_options[@]}")" || return 1
  export SPOT_TEST_MARIADB_URL
  arguments+=(--mariadb-pid "$(cat "$scratch/mariadb/pid")")
}

# shellcheck disable=SC2016  # the words are for the inner shell
clean_up_if_killed() { # whoever is killed runs no trap; this ends the database server and removes the files all the same
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; scripts/mariadb.sh stop "$2/mariadb"; rm -rf "$2"' - $$ "$scratch" \
    </dev/null >/dev/null 2>&1 &
}

scripts/setup_env.sh
if wants_mariadb "$@"; then
  start_mariadb || echo "bench: no MariaDB; measuring on SQLite only" >&2
fi
clean_up_if_killed
ulimit -n "$(ulimit -Hn)" # two connections for each daemon, at both ends
TMPDIR="$scratch" PYTHONPATH="$PWD/scripts:$PWD/central-server/tests" .venv/bin/python -m "$module" "$@" "${arguments[@]}" &
bench=$!
trap 'kill "$bench" 2>/dev/null; wait "$bench"; exit 130' INT TERM
wait "$bench"
