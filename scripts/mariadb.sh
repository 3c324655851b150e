#!/usr/bin/env bash
# A private MariaDB server for tests, the demo and measurements: own data directory, socket and port, no init system.
# Usage: scripts/mariadb.sh install              install it from Debian's packages if it is missing and that is allowed
#        scripts/mariadb.sh start DIR [OPTION…]  start it on DIR (made if missing), print its URL; OPTIONs go to mariadbd
#                                               (an empty database "spot" is there; the URL names none)
#        scripts/mariadb.sh stop DIR             end it; its data stays
# Env:   SPOT_MARIADB_PORT (default: any free one)
set -euo pipefail

packages="mariadb-server-core mariadb-client-core"  # without the service that mariadb-server would start by itself
start_bound_seconds=60
stop_bound_seconds=30

fail() { echo "mariadb: $*" >&2; exit 1; }

find_program() { # find_program NAME... : print the first that exists
  local name
  for name in "$@"; do
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$name" && return 0
  done
  return 1
}

install_server() {
  find_program mariadbd mysqld >/dev/null && find_program mariadb-install-db mysql_install_db >/dev/null && return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "no MariaDB server here. Install it, then run this again. On Debian or Ubuntu: sudo apt-get install --no-install-recommends $packages"
  fi
  echo "mariadb: installing $packages" >&2
  quietly apt-get -qq update
  # shellcheck disable=SC2086  # two packages, two words
  quietly apt-get -qq install -y --no-install-recommends $packages
}

quietly() { # quietly COMMAND... : show its output only if it fails
  local output
  output="$(DEBIAN_FRONTEND=noninteractive "$@" </dev/null 2>&1)" || { echo "$output" >&2; fail "failed: $*"; }
}

is_ours() { # is_ours DIR PID : true while PID is the server of DIR (a zombie is not)
  [ -n "$2" ] && [ -r "/proc/$2/cmdline" ] && tr '\0' '\n' <"/proc/$2/cmdline" | grep -qxF -- "--datadir=$1/data"
}

read_pid() { cat "$1/pid" 2>/dev/null || true; }

choose_user() { # choose_user DIR : print the user to run as; the server refuses to be root unless it is told
  local user=mysql
  [ "$(id -u)" = 0 ] || { id -un; return; }
  getent passwd $user >/dev/null || useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin $user
  chown -R $user "$1"
  # A directory below a private home cannot be reached by anybody but its owner.
  if runuser -u $user -- test -w "$1"; then echo $user; else chown -R root "$1"; echo root; fi
}

free_port() {
  python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'
}

make_data() { # make_data DIR USER
  local program
  program="$(find_program mariadb-install-db mysql_install_db)" || fail "mariadb-install-db is missing"
  # Made under another name first: a start that was interrupted leaves no half-made data behind.
  rm -rf "$1/data.new"
  "$program" --no-defaults --user="$2" --datadir="$1/data.new" --auth-root-authentication-method=normal \
    --skip-test-db --skip-name-resolve >"$1/install.log" 2>&1 || { cat "$1/install.log" >&2; fail "could not make $1/data"; }
  mv "$1/data.new" "$1/data"
}

start_server() { # start_server DIR [OPTION...]
  local dir program user port pid
  mkdir -p "$1"
  dir="$(cd "$1" && pwd -P)"
  shift
  if is_ours "$dir" "$(read_pid "$dir")"; then cat "$dir/url"; return; fi
  program="$(find_program mariadbd mysqld)" || fail "no mariadbd; run scripts/mariadb.sh install"
  user="$(choose_user "$dir")"
  [ -d "$dir/data" ] || make_data "$dir" "$user"
  printf "%s\n" "CREATE USER IF NOT EXISTS spot@'%' IDENTIFIED BY 'spot';" "GRANT ALL ON *.* TO spot@'%';" \
    "CREATE DATABASE IF NOT EXISTS spot CHARACTER SET utf8mb4;" >"$dir/init.sql"
  chmod 644 "$dir/init.sql"
  port="${SPOT_MARIADB_PORT:-$(free_port)}"
  # Durable as in production (every commit reaches the disk), small otherwise. The isolation level stays MariaDB's: the server sets its own.
  setsid "$program" --no-defaults --user="$user" --datadir="$dir/data" --socket="$dir/mariadb.sock" --pid-file="$dir/mariadbd.pid" \
    --bind-address=127.0.0.1 --port="$port" --init-file="$dir/init.sql" --skip-name-resolve --character-set-server=utf8mb4 \
    --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=64M --innodb-log-file-size=48M --performance-schema=OFF \
    --max-connections=300 "$@" </dev/null >"$dir/mariadb.log" 2>&1 &
  pid=$!
  echo "$pid" >"$dir/pid"
  wait_ready "$dir" "$pid"
  echo "mysql+pymysql://spot:spot@127.0.0.1:$port/?charset=utf8mb4" >"$dir/url"
  cat "$dir/url"
}

wait_ready() { # wait_ready DIR PID
  local end=$((SECONDS + start_bound_seconds))
  until grep -q "ready for connections" "$1/mariadb.log" 2>/dev/null; do
    if [ $SECONDS -ge $end ] || ! kill -0 "$2" 2>/dev/null; then
      tail -20 "$1/mariadb.log" >&2
      stop_server "$1"
      fail "the server did not start; its log is $1/mariadb.log"
    fi
    sleep 0.1
  done
}

stop_server() { # stop_server DIR
  local dir pid end
  [ -d "$1" ] || return 0
  dir="$(cd "$1" && pwd -P)"
  pid="$(read_pid "$dir")"
  end=$((SECONDS + stop_bound_seconds))
  is_ours "$dir" "$pid" && kill "$pid"
  while is_ours "$dir" "$pid"; do
    if [ $SECONDS -ge $end ]; then kill -9 "$pid"; end=$((SECONDS + 5)); fi
    sleep 0.1
  done
  rm -f "$dir/pid" "$dir/url"
}

case "${1:-}" in
  install) install_server ;;
  start) [ -n "${2:-}" ] || fail "start needs a directory"; shift; start_server "$@" ;;
  stop) [ -n "${2:-}" ] || fail "stop needs a directory"; stop_server "$2" ;;
  *) sed -n '2,7p' "$0" >&2; exit 2 ;;
esac
