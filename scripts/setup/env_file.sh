# shellcheck shell=bash disable=SC2034,SC2154  # the settings of an installation: what is wanted, and what the env file says.

wanted=()

want() { # want NAME VALUE : a setting for the env file
  [[ "$1" =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || usage "--set needs NAME=VALUE, not '$1'"
  case "$1" in
    ENROLMENT_TOKEN | ENROLMENT_TOKEN_FILE) usage "a token is never on a command line: --token-file FILE" ;;
    STATE_DIRECTORY | RUNTIME_DIRECTORY) usage "$1 is systemd's to set, and would not be obeyed" ;;
  esac
  [[ "$2" != *$'\n'* ]] || usage "the value of $1 has more than one line"
  wanted+=("$1=$2")
}

setting() { # setting NAME : its value in $settings, as the daemon reads it
  local value
  value="$(sed -nE "s/^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*(.*[^[:space:]])[[:space:]]*$/\2/p" <<<"$settings" | tail -1)"
  case "$value" in \'*\' | \"*\") value="${value:1:${#value}-2}" ;; esac
  printf '%s' "$value"
}

put() { # put NAME VALUE : replace it in $settings; comments and everything else stay
  local value="$2"
  settings="$(grep -vE "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=" <<<"$settings" || true)"
  [ -n "$value" ] || return 0
  case "$value" in \'*\' | \"*\") value="\"$value\"" ;; esac # the daemon takes one pair of quotes away
  settings="${settings:+$settings$'\n'}$1=$value"
}

read_settings() {
  local each
  settings="# Settings of Spot Optimizer's daemon: docs/daemon.md. scripts/setup.sh changes what it is told to, and nothing else."
  if [ -e "$env_file" ]; then settings="$(cat "$env_file")" || fail "$env_file cannot be read"; fi
  former_settings="$settings"
  for each in "${wanted[@]}"; do put "${each%%=*}" "${each#*=}"; done
  [ -n "$(setting SPOT_SERVER_URL)" ] || usage "--server-url is needed the first time"
  [ -n "$(setting LOGICAL_AGENT_ID)" ] || usage "--logical-agent-id is needed the first time"
  workload_unit="$(setting WORKLOAD_UNIT)"
  if [ ! -e "$kept_token" ]; then put ENROLMENT_TOKEN_FILE ""; fi
}
