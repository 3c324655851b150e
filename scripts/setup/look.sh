# shellcheck shell=bash disable=SC2034,SC2154  # looking at everything, before scripts/setup.sh changes anything.

how_to_install() { # how_to_install PACKAGE : the distribution's words for it
  # shellcheck disable=SC1091
  case "$(. /etc/os-release 2>/dev/null && echo "${ID:-}") $1" in
    debian\ venv | ubuntu\ venv) echo "apt-get install python3-venv" ;;
    amzn* | fedora* | rhel*) echo "dnf install python3.11" ;;
    *) echo "install Python 3.10 or newer with its venv module, and name it with --python" ;;
  esac
}

find_python() {
  local candidate version too_old="" without_venv=""
  for candidate in ${python:-python3.14 python3.13 python3.12 python3.11 python3.10 python3}; do
    version="$("$candidate" -c 'import platform; print(platform.python_version())' 2>/dev/null)" || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then too_old="$version"; continue; fi
    if ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then without_venv="$candidate"; continue; fi
    python="$(command -v "$candidate")"
    return 0
  done
  [ -z "$without_venv" ] || fail "$without_venv lacks its venv module: $(how_to_install venv)"
  [ -z "$too_old" ] || fail "Python 3.10 or newer is needed, and this is $too_old: $(how_to_install python)"
  fail "${python:-python3} was not found: $(how_to_install python)"
}

read_token() { # $token from --token-file, checked for what can be seen; never shown
  token=""
  if [ "$token_file" = - ]; then
    if [ -t 0 ]; then read -rsp "Enrolment token: " token; echo; else IFS= read -r token || true; fi
  elif [ -n "$token_file" ]; then
    if [ ! -r "$token_file" ] || [ -d "$token_file" ]; then fail "the token file $token_file cannot be read"; fi
    IFS= read -r token <"$token_file" || true
  else
    return 0
  fi
  token="${token//[[:space:]]/}"
  [[ "$token" =~ ^so_enrol_[A-Za-z0-9_-]{8,}$ ]] || fail "what --token-file holds is no enrolment token (so_enrol_…)"
}

as_daemon() { # as_daemon COMMAND... : through the proxies, and with the certificates, that the daemon will use
  local name value environment=()
  for name in HTTPS_PROXY HTTP_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR; do
    value="$(setting "$name")"
    [ -z "$value" ] || environment+=("$name=$value")
  done
  env "${environment[@]}" "$@"
}

look_around() {
  find_python
  read_settings
  read_token
  journal="$("$python" "$here/scripts/setup/preflight.py" journal "$state_dir/journal.json")"
  [ "$journal" != released ] || fail "this instance was released by its server; to begin anew: uninstall.sh --drop-state, or remove $state_dir"
  if [ "$journal$token" = none ] && [ ! -e "$kept_token" ] && $may_start; then usage "--token-file is needed until this instance is registered"; fi
  if [ -n "$workload_unit" ]; then
    [[ "$workload_unit" =~ ^[A-Za-z0-9:_.@-]+\.service$ ]] || usage "--workload-unit needs a systemd service such as web.service, not '$workload_unit'"
    if has_systemd && ! ctl cat -- "$workload_unit" >/dev/null 2>&1; then fail "systemd knows no $workload_unit: install the workload first"; fi
  fi
  $may_start || return 0
  problem="$(as_daemon "$python" "$here/scripts/setup/preflight.py" network "$(setting IMDS_ENDPOINT)" "$(setting SPOT_SERVER_URL)" 2>&1)" ||
    fail "$problem"
}
