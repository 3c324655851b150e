"""What the hooks of a simulated instance call where a real one would call systemctl and curl.

``python -m spot_simulator.instance_ctl start|stop|status SERVICE`` asks the instance's init (``INSTANCE_CTL_URL``);
``health`` is the serving check, ``standby`` the standby check. Each prints one line and exits 0 (yes, done) or 1;
``health`` exits 3 when the workload's process is not there at all, so that nobody waits for it.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

CONTROL_TIMEOUT_SECONDS = 30.0
HEALTH_TIMEOUT_SECONDS = 2.0
WORKLOAD = "workload"
WANTED_STATE = {"start": "running", "stop": "stopped", "status": "running"}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the question was answered with yes, and the one line that says why."""

    is_yes: bool
    line: str
    is_final: bool = False
    """No, and waiting is no use."""

    @property
    def exit_code(self) -> int:
        """0 for yes, 3 for a no that will not change by itself (as systemctl has it for a unit that is not active), else 1."""
        if self.is_yes:
            return 0
        return 3 if self.is_final else 1


def control(env: Mapping[str, str], verb: str, service: str) -> Answer:
    """Start, stop or look at a service; yes if it is afterwards in the state that the verb asks for."""
    url = env.get("INSTANCE_CTL_URL")
    if not url:
        return Answer(is_yes=False, line="INSTANCE_CTL_URL is not set: this does not run on a simulated instance")
    method = "GET" if verb == "status" else "POST"
    try:
        status, body = _call(method, f"{url.rstrip('/')}/services/{service}/{verb}", CONTROL_TIMEOUT_SECONDS)
    except (OSError, HTTPException, ValueError) as error:
        return Answer(is_yes=False, line=f"{service}: could not {verb}: {error}")
    state, detail = str(body.get("state", "unknown")), str(body.get("detail") or f"HTTP {status}")
    if status == 200 and state == WANTED_STATE[verb]:
        return Answer(is_yes=True, line=f"{service}: {state}")
    return Answer(is_yes=False, line=f"{service}: {state} after {verb}: {detail}")


def check_health(env: Mapping[str, str]) -> Answer:
    """Yes if this instance's workload accepts writes now."""
    url = _health_url(env)
    try:
        status, _ = _call("GET", url, HEALTH_TIMEOUT_SECONDS)
    except (OSError, HTTPException, ValueError) as error:
        is_down = "stopped" in control(env, "status", WORKLOAD).line
        return Answer(is_yes=False, line=f"workload: not serving: {url}: {error}", is_final=is_down)
    if status != 200:
        return Answer(is_yes=False, line=f"workload: not serving: {url} answered {status}")
    return Answer(is_yes=True, line="workload: serving")


def check_standby(env: Mapping[str, str]) -> Answer:
    """Yes if the workload could start here (enabled, data present) and does not serve; an unclear answer is no."""
    root = Path(env["INSTANCE_ROOT"])
    try:
        enabled = enabled_services(json.loads((root / "etc" / "services.json").read_text()))
    except (OSError, ValueError) as error:
        return Answer(is_yes=False, line=f"standby: the list of services cannot be read: {error}")
    if WORKLOAD not in enabled:
        return Answer(is_yes=False, line="standby: the workload is not enabled on this disk")
    if not (root / "srv" / "workload").is_dir():
        return Answer(is_yes=False, line="standby: the workload's data folder is missing")
    try:
        status, _ = _call("GET", _health_url(env), HEALTH_TIMEOUT_SECONDS)
    except ConnectionRefusedError:
        return Answer(is_yes=True, line="standby: ready, and not serving")
    except (OSError, HTTPException, ValueError) as error:
        return Answer(is_yes=False, line=f"standby: cannot tell whether the workload serves: {error}")
    return Answer(is_yes=False, line=f"standby: the workload serves here (it answered {status})")


def enabled_services(document: object) -> frozenset[str]:
    """Return the names in ``{"services": [{"name": ..., "enabled": ...}]}`` (enabled unless it says false), or raise ``ValueError``."""
    entries = document.get("services") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError('services.json must be {"services": [{"name": ...}, ...]}')
    return frozenset(str(entry.get("name")) for entry in entries if entry.get("enabled", True))


def _health_url(env: Mapping[str, str]) -> str:
    return f"http://{env['INSTANCE_IP']}:{env.get('WORKLOAD_PORT', '8080')}/health"


def _call(method: str, url: str, timeout_seconds: float) -> tuple[int, dict[str, object]]:
    """Return the status and the JSON object of the answer (empty if it is none)."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_seconds)
    try:
        connection.request(method, parts.path, headers={"Content-Length": "0"} if method == "POST" else {})
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    try:
        body = json.loads(content)
    except ValueError:
        body = {}
    return response.status, body if isinstance(body, dict) else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="instance_ctl", description="Control and check the services of a simulated instance.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in WANTED_STATE:
        verbs.add_parser(verb, help=f"{verb} a service").add_argument("service")
    verbs.add_parser("health", help="the serving check: does the workload accept writes?")
    verbs.add_parser("standby", help="the standby check: could the workload start here, and does it not serve?")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb, print its line, and return the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.verb == "health":
        answer = check_health(os.environ)
    elif arguments.verb == "standby":
        answer = check_standby(os.environ)
    else:
        answer = control(os.environ, arguments.verb, arguments.service)
    sys.stdout.write(answer.line + "\n")
    return answer.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
