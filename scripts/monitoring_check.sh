#!/usr/bin/env bash
# What Prometheus says of monitoring/: its configuration, the alert rules, and what the rules say of made-up series.
# Usage: scripts/monitoring_check.sh    where the machine has no promtool, one is fetched and kept in .venv/promtool
set -euo pipefail
cd "$(dirname "$0")/.."
folder=.venv/promtool

fail() { echo "monitoring: $*" >&2; exit 1; }

fetch_promtool() { # out of Debian's package, which is not installed: that would start a Prometheus
  command -v apt-get >/dev/null || fail "promtool is not here; it comes with Prometheus"
  mkdir -p "$folder/download"
  (
    cd "$folder/download"
    # Packages are fetched by another user where root asks for them; the folder may be closed to that one.
    options=(-qq -o APT::Sandbox::User=root)
    apt-get "${options[@]}" download prometheus 2>/dev/null || { apt-get "${options[@]}" update && apt-get "${options[@]}" download prometheus; }
    dpkg --fsys-tarfile prometheus_*.deb | tar --extract --file - --strip-components 3 --directory .. ./usr/bin/promtool
  ) || fail "promtool could not be fetched from Debian's package prometheus"
  rm -r "$folder/download"
}

promtool="$(command -v promtool || true)"
if [ -z "$promtool" ]; then
  [ -x "$folder/promtool" ] || fetch_promtool
  promtool="$(realpath "$folder/promtool")"
fi
cd monitoring
"$promtool" check config prometheus.yml
"$promtool" test rules alerts_test.yml
