#!/usr/bin/env bash
# Everything that is checked, in the order of what fails fastest. One summary line per stage.
# Usage: scripts/test.sh            all of it: lint, types, shell scripts, every test on SQLite and MariaDB, fault schedules for five minutes, the demo on both
#        scripts/test.sh --quick    lint, types, and the short tests that start no process and touch no database (under 30 s)
# Env:   CI=true                    a missing MariaDB, rsync or sshd is a failure (otherwise its tests are skipped and it is said)
#        SPOT_TEST_STORIES_ON_MARIADB=all  every story is told on MariaDB as well as on SQLite (otherwise every second one)
#        SPOT_TEST_MARIADB_URL      use this server (its user may create databases) instead of starting a private one
set -euo pipefail
cd "$(dirname "$0")/.."

is_quick=false
case "${1:-}" in
  "") ;;
  --quick) is_quick=true ;;
  -h | --help) sed -n '2,7p' "scripts/test.sh" | cut -c 3-; exit 0 ;;
  *) sed -n '2,7p' "scripts/test.sh" | cut -c 3- >&2; exit 2 ;;
esac

bin=.venv/bin
export PYTHONDONTWRITEBYTECODE=  # the tests start a thousand processes: none of them has to compile everything again
scratch="$(mktemp -d "${TMPDIR:-/tmp}/spot-test.XXXXXX")"
summary=()
failures=0
declare -A beside_pids=() # by the name of the stage

finish() {
  local name
  for name in "${!beside_pids[@]}"; do
    if kill -- "-${beside_pids[$name]}"; then wait "${beside_pids[$name]}" || true; fi
  done
  for name in mariadb mariadb-that-gives-way; do
    [ ! -d "${test_files:-}/$name" ] || { scripts/mariadb.sh stop "$test_files/$name" && rm -rf "${test_files:?}/$name"; } || true
  done
  rm -rf "$scratch"
  [ -d "${test_files:-}" ] || return 0
  if [ "$failures" = 0 ]; then rm -rf "$test_files"; else find "$test_files" -type d -empty -delete; fi
  [ ! -d "$test_files" ] || echo "the files of failed tests are kept in $test_files"
}
trap finish EXIT
trap 'exit 130' INT TERM

note() { summary+=("$(printf '%-4s  %-42s %7s' "$1" "$2" "${3:-}")"); }

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

beside() { # beside NAME COMMAND... : begin a stage beside those that follow; its output comes with join_beside NAME
  local name="$1" started
  shift
  started="$(date +%s%N)"
  set -m # a process group of its own, so that all of it can be ended
  (
    trap - EXIT INT TERM
    "$@" && result=ok || result=FAIL
    echo "$result $(seconds_since "$started")" >"$scratch/$name.result"
  ) >"$scratch/$name.out" 2>&1 &
  beside_pids[$name]=$!
  set +m
}

join_beside() { # join_beside NAME : wait for a stage that was begun beside others, if it was, and print it
  local name="$1" result seconds
  [ -n "${beside_pids[$name]:-}" ] || return 0
  wait "${beside_pids[$name]}" || true
  unset "beside_pids[$name]"
  read -r result seconds <"$scratch/$name.result" || result=FAIL
  printf '\n── %s, at the same time\n' "$name"
  cat "$scratch/$name.out"
  [ "$result" = ok ] || failures=$((failures + 1))
  note "$result" "$name, at the same time" "$seconds"
}

# The tests write many small databases, and a disk would make them wait for it: memory will do, where there is some.
memory=/dev/shm
if [ -w "$memory" ] && [ "$(df --output=avail -k "$memory" | tail -1)" -gt 2000000 ]; then
  test_files="$(mktemp -d "$memory/spot-test.XXXXXX")"
else
  test_files="$(mktemp -d "${TMPDIR:-/tmp}/spot-test-files.XXXXXX")"
fi

run_pytest() {
  local files
  files="$(mktemp -d "$test_files/XXXXXX")"
  "$bin/python" -m pytest -c pyproject.toml --rootdir . -q -p no:cacheprovider --basetemp="$files/tests" -o tmp_path_retention_policy=failed "$@"
}

start_mariadb() {
  [ -z "${SPOT_TEST_MARIADB_URL:-}" ] || { echo "using the server of SPOT_TEST_MARIADB_URL"; return 0; }
  scripts/mariadb.sh install && mariadb_url="$(scripts/mariadb.sh start "$test_files/mariadb")" || return 1
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

prepare_openssh() { # for the tests of the rsync carry
  if [ "${CI:-}" = true ]; then
    stage "rsync, OpenSSH, curl, iproute2" scripts/test_programs.sh install
  else
    printf '\n── rsync, OpenSSH, curl, iproute2\n'
    if scripts/test_programs.sh install; then note ok "rsync, OpenSSH, curl, iproute2"; else note skip "rsync, OpenSSH, curl, iproute2 (some of it is missing: what needs it was not tested)"; fi
  fi
}

check_shell_scripts() { # what is not here is installed where that is allowed; CI may skip nothing
  if ! $is_quick && { [ "${CI:-}" = true ] || [ "$(id -u)" = 0 ]; }; then scripts/shell_check.sh install || true; fi
  if [ "${CI:-}" = true ] || command -v shellcheck >/dev/null; then
    stage "shell scripts" scripts/shell_check.sh
  else
    note skip "shell scripts (shellcheck is not here)"
  fi
}

with_database() { # with_database URL NAME : the URL of one database of a server
  "$bin/python" -c 'import sys; from sqlalchemy import make_url
print(make_url(sys.argv[1]).set(database=sys.argv[2]).render_as_string(hide_password=False))' "$1" "$2"
}

give_way() { # in a shell of its own, as `beside` makes: what follows has nothing to do in time, and leaves the machine to what has
  renice -n 19 -p "$BASHPID" >/dev/null
}

use_mariadb_that_gives_way() { # the other one answers those that have times to keep
  local url dir="$test_files/mariadb-that-gives-way"
  url="$(scripts/mariadb.sh start "$dir")" || return 1
  renice -n 19 -p "$(cat "$dir/pid")" >/dev/null # what it starts for each connection inherits that
  export SPOT_TEST_MARIADB_URL="$url"
}

run_what_gives_way() { # one after the other, so that something always fills what the tests with times to keep leave idle
  local failed=0
  [ -z "${mariadb_url:-}" ] || use_mariadb_that_gives_way || failed=1
  give_way
  SPOT_TEST_STORIES_ON_MARIADB="$stories_on_mariadb" run_pytest -n 2 -m "not server" --durations=12 || failed=1
  printf '\n── installations\n'
  run_pytest -m "server and not storm" scripts/tests --durations=4 || failed=1 # --ignore would not leave it out of `testpaths`
  printf '\n── fault schedules on a virtual clock\n'
  scripts/simulate.sh --runs 40 --seed 1 --futures 10 --at-most-seconds "$most_schedule_seconds" || failed=1
  return $failed
}

run_everything() { # what has times to keep, never two such beside each other, and beside it all what gives way
  local rest="tests without processes, installations, schedules"
  beside "$rest" run_what_gives_way
  stage "tests with real processes" run_pytest -n 2 --dist worksteal -m "server and not storm" --deselect=scripts/tests --durations=12
  stage "storms" run_pytest -m "server and storm" --durations=6
  run_demos
  join_beside "$rest"
}

stories_on_mariadb="${SPOT_TEST_STORIES_ON_MARIADB:-half}" # they cost more than any others without processes
most_schedule_seconds=300 # a slow machine plays fewer of them, and says how many
quick_tests="not server and not mariadb and not data and not database and not long"

run_first_half() { # of --quick: two processes that each import what their own tests need are done sooner than two that import everything
  scripts/type_check.sh && run_pytest -m "$quick_tests" agent/tests scripts/tests
}

run_demos() {
  stage "demo on SQLite" scripts/demo.sh --once --database-url "sqlite:///$scratch/demo.db"
  if [ -n "${mariadb_url:-}" ]; then
    stage "demo on MariaDB" scripts/demo.sh --once --database-url "$(with_database "$mariadb_url" spot)"
  fi
}

stage "environment" scripts/setup_env.sh
[ "$failures" = 0 ] || exit 1
if $is_quick; then export SPOT_HYPOTHESIS_PROFILE=quick; beside "types; daemon and scripts" run_first_half; fi
stage "ruff" "$bin/ruff" check --config pyproject.toml --quiet .
stage "format" "$bin/ruff" format --config pyproject.toml --check --quiet .
$is_quick || stage "types" scripts/type_check.sh
stage "imports" "$bin/lint-imports" --no-logo
stage "sizes" "$bin/python" scripts/check_sizes.py
check_shell_scripts
$is_quick || stage "monitoring" scripts/monitoring_check.sh
if $is_quick; then
  stage "tests of server and simulator" run_pytest -m "$quick_tests" central-server/tests simulator/tests
  join_beside "types; daemon and scripts"
else
  prepare_mariadb
  prepare_openssh
  run_everything
fi

printf '\n'
printf '%s\n' "${summary[@]}"
[ "$failures" = 0 ] || { echo "$failures of ${#summary[@]} stages failed"; exit 1; }
echo "all is well"
