#!/usr/bin/env bash
# Everything that is checked, in the order of what fails fastest. One summary line per stage.
# Usage: scripts/test.sh            all of it: lint, types, every test on SQLite and MariaDB, the demo on both
#        scripts/test.sh --quick    lint, types, and the tests that start no process and touch no database (under 30 s)
# Env:   CI=true                    a missing MariaDB is a failure (otherwise its tests are skipped and it is said)
#        SPOT_TEST_MARIADB_URL      use this server (its user may create databases) instead of starting a private one
set -euo pipefail
cd "$(dirname "$0")/.."

is_quick=false
case "${1:-}" in
  "") ;;
  --quick) is_quick=true ;;
  *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac

bin=.venv/bin
scratch="$(mktemp -d "${TMPDIR:-/tmp}/spot-test.XXXXXX")"
summary=()
failures=0

finish() {
  scripts/mariadb.sh stop "$scratch/mariadb" || true
  rm -rf "$scratch" "${test_files:-$scratch}"
}
trap finish EXIT
trap 'exit 130' INT TERM

note() { summary+=("$(printf '%-4s  %-38s %7s' "$1" "$2" "${3:-}")"); }

seconds_since() { # seconds_since NANOSECONDS : with one digit
  local tenths=$((($(date +%s%N) - $1) / 100000000))
  echo "$((tenths / 10)).$((tenths % 10)) s"
}

stage() { # stage NAME COMMAND... : run it, remember how it went, go on
  local name="$1" started result=ok
  shift
  started="$(date +%s%N)"
  printf '\n── %s\n' "$name"
  "$@" || { result=FAIL; failures=$((failures + 1)); }
  note $result "$name" "$(seconds_since "$started")"
}

# The tests write many small databases, and a disk would make them wait for it: memory will do, where there is some.
memory=/dev/shm
if [ -w "$memory" ] && [ "$(df --output=avail -k "$memory" | tail -1)" -gt 2000000 ]; then
  test_files="$(mktemp -d "$memory/spot-test.XXXXXX")"
else
  test_files="$scratch/files"
fi

run_pytest() { "$bin/python" -m pytest -c pyproject.toml --rootdir . -q -p no:cacheprovider --basetemp="$test_files/$RANDOM" "$@"; }

start_mariadb() {
  [ -z "${SPOT_TEST_MARIADB_URL:-}" ] || { echo "using the server of SPOT_TEST_MARIADB_URL"; return 0; }
  scripts/mariadb.sh install && mariadb_url="$(scripts/mariadb.sh start "$scratch/mariadb")" || return 1
  export SPOT_TEST_MARIADB_URL="$mariadb_url"
  echo "a private server answers at $mariadb_url"
}

prepare_mariadb() {
  if [ "${CI:-}" = true ]; then
    stage "MariaDB" start_mariadb
  else
    printf '\n── MariaDB\n'
    if start_mariadb; then note ok "MariaDB"; else note skip "MariaDB (nothing was tested on it)"; fi
  fi
}

with_database() { # with_database URL NAME : the URL of one database of a server
  "$bin/python" -c 'import sys; from sqlalchemy import make_url
print(make_url(sys.argv[1]).set(database=sys.argv[2]).render_as_string(hide_password=False))' "$1" "$2"
}

run_demos() {
  [ -x scripts/demo.sh ] || { note skip "demo (there is no scripts/demo.sh yet)"; return 0; }
  stage "demo on SQLite" scripts/demo.sh --once --database-url "sqlite:///$scratch/demo.db"
  [ -n "${mariadb_url:-}" ] || return 0
  stage "demo on MariaDB" scripts/demo.sh --once --database-url "$(with_database "$mariadb_url" spot)"
}

stage "environment" scripts/setup_env.sh
[ "$failures" = 0 ] || exit 1
stage "ruff" "$bin/ruff" check --config pyproject.toml --quiet .
stage "format" "$bin/ruff" format --config pyproject.toml --check --quiet .
stage "types" scripts/type_check.sh
stage "imports" "$bin/lint-imports" --no-logo
stage "sizes" "$bin/python" scripts/check_sizes.py
if $is_quick; then
  export SPOT_HYPOTHESIS_PROFILE=quick
  stage "tests without a server" run_pytest -n 2 -m "not server and not mariadb and not data and not database"
else
  prepare_mariadb
  stage "tests that start no process" run_pytest -n 2 -m "not server"
  # One at a time: each starts a fleet of its own, and two of them would measure each other.
  stage "tests with real processes" run_pytest -m server --durations=8
  run_demos
fi

printf '\n'
printf '%s\n' "${summary[@]}"
[ "$failures" = 0 ] || { echo "$failures of ${#summary[@]} stages failed"; exit 1; }
echo "all is well"
