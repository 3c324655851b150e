#!/usr/bin/env bash
# Take the daemon off this instance. The workload is never touched: it runs on as it does.
#
# Usage: scripts/uninstall.sh [--drop-state] [--root DIR] [--dry-run]
#
#   --drop-state   take the journal and the settings away too: a later installation begins anew, as another agent
#   --root DIR     uninstall what setup.sh --root DIR installed
#   --dry-run      say what would be changed, and change nothing
#
# Exit: 0 done, also when there was nothing to do; 1 failed, and may be repeated; 2 usage.
set -euo pipefail

# shellcheck disable=SC2317  # some functions are called by `change`

here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/setup/places.sh
. "$here/scripts/setup/places.sh"

root="" is_dry=false drops_state=false is_changed=false
stop_bound_seconds=20

read_options() {
  while [ $# -gt 0 ]; do
    case "$1" in
      --help | -h) show_help; exit 0 ;;
      --dry-run) is_dry=true ;;
      --drop-state) drops_state=true ;;
      --root) [ -n "${2:-}" ] || usage "--root needs a value"; root="${2%/}"; shift ;;
      *) usage "unknown option '$1'" ;;
    esac
    shift
  done
}

ask_status() { # ask_status NAME : a value of `spot-agent status --json`, "" if it cannot tell
  STATE_DIRECTORY="$state_dir" RUNTIME_DIRECTORY="$runtime_dir" "$program" status --env-file "$env_file" --json 2>/dev/null |
    sed -nE "s/^ *\"$1\": (null|\"([^\"]*)\"|([^,]*)),?$/\2\3/p" || true
}

look_around() {
  agent="$(ask_status logical_agent_id)"
  role="$(ask_status role)"
  may_serve="$(ask_status may_serve)"
  is_released="$(ask_status released)"
  instance_id="$(ask_status instance_id)"
}

stop_daemon() {
  if has_systemd; then
    if [ -e "$unit_file" ]; then change "stop and disable spot-agent.service (the workload is left alone)" stop_unit; fi
    return 0
  fi
  local pid
  pid="$(sed -nE 's/.*"pid": ([0-9]+).*/\1/p' "$runtime_dir/status.json" 2>/dev/null || true)"
  if [ -n "$pid" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "spot-agent run"; then
    change "end the daemon, process $pid (the workload is left alone)" end_process "$pid"
  fi
}

stop_unit() { ctl disable --now --quiet spot-agent.service || fail "systemd could not stop it; nothing was removed"; }

end_process() {
  local ends=$((SECONDS + stop_bound_seconds))
  kill -TERM "$1" 2>/dev/null || return 0
  while kill -0 "$1" 2>/dev/null; do
    [ "$SECONDS" -lt "$ends" ] || fail "the daemon (process $1) does not end; nothing was removed"
    sleep 0.2
  done
}

remove() { # remove PATH... : what is there
  local path
  for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then change "remove $path" rm -rf "$path"; fi
  done
}

# An instance that must not serve keeps the guard: without it, its workload would start at the next boot, beside the primary.
# With --drop-state the journal goes, so a guard that is kept carries a mark, by which a later run keeps it too.
may_drop_guard() { # may_drop_guard GUARD
  if [ ! -e "$state_dir/journal.json" ]; then
    if is_kept_guard "$1"; then return 1; fi
    return 0
  fi
  [ "$may_serve" = true ] || [ "$is_released" = true ]
}

mark_guard() { # mark_guard GUARD : whole or not at all
  { cat "$1" && printf '%s\n' "$guard_mark this instance (${role:-no role known}) may not serve. Without this file its workload would start at the next boot."; } >"$1.new"
  chmod 644 "$1.new"
  mv -f "$1.new" "$1"
}

remove_guards() {
  local guard
  kept_guards=()
  for guard in "$systemd_dir"/*.service.d/"$guard_name"; do
    [ -e "$guard" ] || continue
    if may_drop_guard "$guard"; then
      remove "$guard"
      if ! $is_dry; then rmdir "$(dirname "$guard")" 2>/dev/null || true; fi
    else
      is_kept_guard "$guard" || change "mark $guard as one that must stay" mark_guard "$guard"
      kept_guards+=("$guard")
    fi
  done
}

tell_what_is_left() {
  local guard
  for guard in "${kept_guards[@]}"; do
    say "left: $guard, because this instance (${role:-no role known}) may not serve, and without it its workload would at the next boot"
    say "  If it may after all, install the daemon again, or remove that file yourself."
  done
  if [ -d "$state_dir" ] || [ -e "$env_file" ]; then
    if ! $drops_state; then say "left: $state_dir (journal) and $env_file (settings), so that setup.sh goes on where this ended; --drop-state takes them away."; fi
  fi
  if [ -z "$agent" ]; then return 0; fi
  say "left: images and snapshots that were made for $agent; nobody cleans them up any more. To see them:"
  say "  aws ec2 describe-images --owners self --filters Name=tag:spot-optimizer:logical-agent-id,Values=$agent"
  say "  aws ec2 describe-snapshots --owner-ids self --filters Name=tag:spot-optimizer:logical-agent-id,Values=$agent"
  if [ "$is_released" != true ]; then
    say "left: the server still knows ${instance_id:-this instance} as ${role:-an instance} of $agent and will call it offline. Delete the agent there if it shall forget it."
  fi
}

main() {
  read_options "$@"
  require_root
  place "$root"
  stay_alone
  look_around
  stop_daemon
  remove_guards
  remove "$unit_file"
  if $is_changed && ! $is_dry && has_systemd; then ctl daemon-reload; fi
  remove "$command_file" "$program_dir" "$runtime_dir" "$kept_token" "$kept_token.new"
  if $drops_state; then remove "$state_dir" "$config_dir"; fi
  if ! $is_changed; then say "there was nothing to remove"; fi
  tell_what_is_left
  if $is_dry; then say "nothing was changed"; fi
}

main "$@"
