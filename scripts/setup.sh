#!/usr/bin/env bash
# Install the daemon on this EC2 instance, or upgrade it: safe to run any number of times. docs/install.md explains it.
#
# Usage: scripts/setup.sh --server-url URL --logical-agent-id NAME --token-file FILE [OPTION...]    the first time
#        scripts/setup.sh [OPTION...]                      later: upgrade; settings, journal and token stay as they are
#
#   --server-url URL          the central server
#   --logical-agent-id NAME   the agent that this instance serves; the same after every move
#   --token-file FILE         the enrolment token; - reads it from standard input. Taken away once it has done its work
#   --workload-unit NAME      the workload's systemd service, such as web.service: gets the start guard, and is started,
#                             stopped and asked by systemctl unless START_COMMAND, STOP_COMMAND, SERVING_CHECK_COMMAND are set
#   --set NAME=VALUE          any setting of docs/daemon.md; an empty VALUE takes it back to its default
#   --python PROGRAM          a Python of 3.10 or newer (default: the newest that is found)
#   --wait-seconds N          how long to wait for the registration (default 120)
#   --no-start                install everything and start nothing: for an image that is being made
#   --root DIR                install below DIR and start nothing: for tests
#   --dry-run                 look at everything, say what would be changed, and change nothing
#
# Exit: 0 done; 1 failed, and what was there works as before; 2 usage; 3 installed, but not at work yet: the last lines say why,
# and what is left to do. pip is configured as always: PIP_INDEX_URL, /etc/pip.conf, ...
set -euo pipefail
umask 022

# shellcheck disable=SC2317  # most functions are called by `change`

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/setup/places.sh
. "$here/scripts/setup/places.sh"
# shellcheck source=scripts/setup/env_file.sh
. "$here/scripts/setup/env_file.sh"
# shellcheck source=scripts/setup/look.sh
. "$here/scripts/setup/look.sh"

root="" python="" token_file="" wait_seconds=120 is_dry=false may_start=true is_changed=false problem=""
not_running="the daemon is not running" # spot-agent status says so

# ── What is wanted ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

read_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --help | -h) show_help; exit 0 ;;
      --dry-run) is_dry=true; shift; continue ;;
      --no-start) may_start=false; shift; continue ;;
      --server-url | --logical-agent-id | --token-file | --workload-unit | --set | --python | --wait-seconds | --root) ;;
      *) usage "unknown option '$1'" ;;
    esac
    [ -n "${2:-}" ] || usage "$1 needs a value"
    case "$1" in
      --server-url) want SPOT_SERVER_URL "$2" ;;
      --logical-agent-id) want LOGICAL_AGENT_ID "$2" ;;
      --workload-unit) want WORKLOAD_UNIT "$2" ;;
      --set) [[ "$2" == *=* ]] || usage "--set needs NAME=VALUE, not '$2'"; want "${2%%=*}" "${2#*=}" ;;
      --token-file) token_file="$2" ;;
      --python) python="$2" ;;
      --wait-seconds) [[ "$2" =~ ^[0-9]+$ ]] || usage "--wait-seconds needs a number, not '$2'"; wait_seconds="$2" ;;
      --root) root="${2%/}"; [ -n "${SPOT_SYSTEMCTL:-}" ] || may_start=false ;;
    esac
    shift 2
  done
}

# ── Changing, in an order in which every step leaves something that works ──────────────────────────────────────────────────────

write_file() { # write_file PATH MODE TEXT : whole or not at all; nothing where it is so already
  if [ -f "$1" ] && [ "$(cat "$1")" = "$3" ] && [ "$(stat -c %a "$1")" = "$2" ]; then return 0; fi
  change "write $1 (mode $2)" replace_file "$@"
  if $is_dry && [ "$2" != 600 ]; then printf '      %s\n' "${3//$'\n'/$'\n'      }"; fi
}

replace_file() {
  mkdir -p "$(dirname "$1")"
  (umask 077 && printf '%s\n' "$3" >"$1.new")
  chmod "$2" "$1.new"
  mv -f "$1.new" "$1"
}

kept_scripts=(scripts/uninstall.sh scripts/setup/places.sh) # in each release: whoever installed without a clone has no other

name_release() { # $release, by what goes into it
  local digest
  digest="$({ cd "$here" && find agent/src agent/pyproject.toml requirements/agent.txt "${kept_scripts[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum; "$python" -V; } | sha256sum)"
  release="$program_dir/releases/${digest:0:16}"
  former="$(readlink "$program_dir/current" || true)"
}

quietly() { # quietly COMMAND... : its output is shown only if it fails
  "$@" >"$scratch/output" 2>&1 </dev/null || { tail -5 "$scratch/output" >&2; fail "$release could not be made, see above; nothing else was changed"; }
}

make_release() { # the daemon in a virtual environment of its own, beside the one that runs; .complete is its last file
  local pip=("$release/bin/python" -m pip --disable-pip-version-check --no-input)
  rm -rf "$release"
  mkdir -p "$(dirname "$release")"
  quietly "$python" -m venv "$release"
  quietly "${pip[@]}" install --require-hashes -r "$here/requirements/agent.txt"
  quietly "${pip[@]}" install --require-hashes -r "$here/requirements/agent-build.txt" --target "$scratch/tools"
  cp -R "$here/agent" "$scratch/agent" # building leaves nothing in the clone
  PYTHONPATH="$scratch/tools" quietly "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$scratch" "$scratch/agent"
  quietly "${pip[@]}" install --no-deps "$scratch"/spot_agent-*.whl
  (cd "$here" && cp --parents "${kept_scripts[@]}" "$release")
  touch "$release/.complete"
}

point_current() { # point_current NAME : one rename, so that the program is the old one or the new one, never none
  ln -sfn "$1" "$program_dir/current.new"
  mv -fT "$program_dir/current.new" "$program_dir/current"
}

run_agent() { # run_agent PROGRAM ENV_FILE ARGUMENT... : as systemd would
  STATE_DIRECTORY="$state_dir" RUNTIME_DIRECTORY="$runtime_dir" "$1" "$3" --env-file "$2" "${@:4}"
}

check_settings() { # by the release itself, before it is the one that runs
  local told
  [ -e "$release/.complete" ] || return 0
  (umask 077 && printf '%s\n' "$settings" >"$scratch/agent.env")
  told="$(run_agent "$release/bin/spot-agent" "$scratch/agent.env" status 2>&1 >/dev/null)" || true
  told="${told##*$'\n'}"
  [ -z "$told" ] || fail "${told#spot-agent: }"
}

install_program() {
  name_release
  if [ ! -e "$release/.complete" ]; then change "make $release (a virtual environment with $("$python" -V))" make_release; fi
  check_settings
  if [ -n "$token" ]; then write_file "$kept_token" 600 "$token"; fi
  if [ -n "$token" ] || { [ "$journal" = none ] && [ -e "$kept_token" ]; }; then put ENROLMENT_TOKEN_FILE "$kept_token"; fi
  write_file "$env_file" 600 "$settings"
  if $is_dry && [ "${#wanted[@]}" != 0 ]; then printf '      %s\n' "${wanted[@]}"; fi
  if [ "$former" != "releases/${release##*/}" ]; then
    change "point $program_dir/current to ${release##*/}" point_current "releases/${release##*/}"
  fi
  write_file "$command_file" 755 "$(cat "$here/agent/src/spot_agent/installed/spot-agent")"
  write_file "$unit_file" 644 "$(cat "$here/agent/src/spot_agent/installed/spot-agent.service")"
}

what_daemon_runs_on() { { readlink "$program_dir/current" && cat "$env_file" "$unit_file"; } 2>/dev/null | sha256sum; }
note_start() { what_daemon_runs_on >"$started_file"; }
is_started() { [ "$(cat "$started_file" 2>/dev/null)" = "$(what_daemon_runs_on)" ] && ctl is-active --quiet spot-agent.service; }

start_daemon() { # also after a run that wrote something and died, and after a person who edited the settings
  ctl is-enabled --quiet spot-agent.service 2>/dev/null || change "enable spot-agent.service" ctl enable --quiet spot-agent.service
  if $is_changed || ! is_started; then
    change "start spot-agent.service anew (the workload is left alone)" restart_daemon
  fi
}

restart_daemon() {
  rm -f "$runtime_dir/status.json" # what the daemon before it saw
  ctl daemon-reload
  ctl restart spot-agent.service || true # how it went shows in the status
  note_start
}

await_registration() { # 0 once the server has answered a heartbeat; else $problem says what keeps it
  local began="$SECONDS" bound told
  until told="$(run_agent "$program" "$env_file" status 2>&1)"; do
    problem="$(sed -nE 's/^problem +//p;s/^spot-agent: //p' <<<"$told" | tail -1)"
    bound="$wait_seconds"
    case "$problem" in
      registration_refused* | no_enrolment_token* | "another controller"*) return 1 ;;
      "$not_running") bound=$((wait_seconds < 30 ? wait_seconds : 30)) ;;
    esac
    [ $((SECONDS - began)) -lt "$bound" ] || return 1
    sleep 1
  done
}

roll_back() { # an upgrade that does not come up must not cost this instance its daemon
  if [ -z "$former" ] || [ "$former" = "releases/${release##*/}" ] || [ "$problem" != "$not_running" ]; then return 0; fi
  say "The new release does not come up, so the former one is put back:" >&2
  change "point $program_dir/current back to ${former##*/}" point_current "$former"
  change "write $env_file as it was" replace_file "$env_file" 600 "$former_settings"
  change "start spot-agent.service anew" restart_daemon
  await_registration || fail "the new release does not come up (journalctl -u spot-agent says why), and the former one neither: $problem"
  fail "the new release does not come up (journalctl -u spot-agent says why); the former one runs again"
}

guard_workload() { # last: a workload is never made to wait for a daemon that is not there to let it start
  local other guard="$systemd_dir/$workload_unit.d/$guard_name"
  is_changed=false
  for other in "$systemd_dir"/*.service.d/"$guard_name"; do
    if ! $may_start && is_kept_guard "$other"; then continue; fi # nobody has been told yet that this instance may serve
    if [ -e "$other" ] && [ "$other" != "$guard" ]; then change "remove $other" rm -f "$other"; fi
  done
  if ! $may_start && is_kept_guard "$guard"; then return 0; fi
  if [ -n "$workload_unit" ]; then write_file "$guard" 644 "$(cat "$here/agent/src/spot_agent/installed/start-guard.conf")"; fi
  if ! $is_dry && has_systemd; then ctl daemon-reload; fi # even where nothing changed: a run may have died before it
}

drop_token() { # the line goes first, so that no line names a missing file
  put ENROLMENT_TOKEN_FILE ""
  put ENROLMENT_TOKEN ""
  write_file "$env_file" 600 "$settings"
  if ! $is_dry && [ -e "$started_file" ]; then note_start; fi # nothing that the daemon needs to be told
  if [ -e "$kept_token" ] || [ -e "$kept_token.new" ]; then
    change "remove $kept_token: it has done its work" rm -f "$kept_token" "$kept_token.new"
  fi
}

drop_former_releases() {
  local old
  for old in "$program_dir"/releases/*; do
    if [ -e "$old" ] && [ "$old" != "$release" ]; then change "remove $old" rm -rf "$old"; fi
  done
}

finish() { # registered: the rest, and what the check says
  guard_workload
  drop_token
  if [ "$1" = restarted ]; then drop_former_releases; fi
  $is_dry && return 0
  say "spot-agent is installed, and the server hears it. What works (spot-agent check):"
  run_agent "$program" "$env_file" check || say "Mend what says FAIL; $command_file check shows it again."
}

go_live() { # with systemd
  start_daemon
  if $is_dry; then
    say "then, when the server has answered:"
    finish restarted
  elif await_registration; then
    finish restarted
  else
    roll_back
    say "setup: installed and started, but not at work: $problem" >&2
    say "The daemon goes on trying, and the workload is as it was. Mend it, then run this again: it ends what is left to do." >&2
    exit 3
  fi
}

leave_to_person() { # without systemd
  if $is_dry; then say "there is no systemd here: the rest would be yours to do"; return 0; fi
  wait_seconds=0
  if await_registration; then
    if $is_changed; then say "There is no systemd here: start the daemon anew yourself, it still runs what was installed before."; fi
    finish "$($is_changed || echo restarted)"
    return 0
  fi
  cat >&2 <<TEXT
setup: everything is installed, but there is no systemd here, so these are yours to do:
  1. start the daemon: now, at every boot before the workload, and again when it fails:
       $command_file run
  2. let the workload start only while $runtime_dir/serve is there; that directory must be empty after a boot
  3. once \`$command_file status\` is healthy, run this again: it takes the enrolment token away
TEXT
  exit 3
}

main() {
  read_options "$@"
  require_root
  place "$root"
  stay_alone
  look_around
  scratch="$(mktemp -d)"
  trap 'rm -rf "$scratch"' EXIT
  install_program
  if ! $may_start; then
    guard_workload
    if has_systemd; then change "enable spot-agent.service" ctl enable --quiet spot-agent.service; fi
    $is_dry || say "installed; nothing was started"
  elif has_systemd; then
    go_live
  else
    leave_to_person
  fi
  if $is_dry; then say "nothing was changed"; fi
}

main "$@"
