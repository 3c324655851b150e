"""What `spot-agent status` shows: the journal, and a small file that the running daemon keeps fresh."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spot_agent import __version__
from spot_agent.clock import Clock
from spot_agent.journal import Journal, read_journal, write_whole
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import JsonObject
from spot_agent.settings import Settings
from spot_agent.timestamps import optional_from_wire, to_wire

STALE_AFTER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that a person asks first. Never a token."""

    running: bool
    healthy: bool
    problem: str | None
    instance_id: str | None
    logical_agent_id: str
    agent_id: str | None
    role: str | None
    epoch: int
    released: bool
    serving: bool | None
    may_serve: bool
    mode: str
    last_heartbeat_at: str | None
    heartbeat_age_seconds: float | None
    unsent_reports: int
    unanswered_commands: int
    metadata_failures: int
    scheduled_events: int
    daemon_version: str


def status_path(settings: Settings) -> Path:
    """In the runtime directory: it says nothing after a boot."""
    return settings.runtime_directory / "status.json"


def status_body(live: Live, journal: Journal, clock: Clock) -> JsonObject:
    """What the running daemon lets others know of it."""
    facts, contents = live.read(), journal.read()
    return {
        "pid": os.getpid(),
        "written_at": to_wire(clock.now()),
        "instance_id": contents.instance_id or None,
        "serving": facts.serving,
        "mode": facts.mode.value,
        "last_heartbeat_at": to_wire(facts.last_heartbeat_at) if facts.last_heartbeat_at else None,
        "problem": facts.halted or facts.registration_problem,
        "metadata_failures": facts.metadata_failures,
        "scheduled_events": len(facts.scheduled_events or ()),
        "daemon_version": __version__,
    }


def save_status(settings: Settings, body: JsonObject, log: Log) -> None:
    """Replace the status file; a disk that refuses is said and no more."""
    path = status_path(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(body), 0o644)
    except OSError as error:
        log.warning("status_not_written", error=str(error))


def read_status(settings: Settings, now: datetime) -> Status:
    """From the files alone: it works while the daemon is down, and changes nothing."""
    seen = _read_object(status_path(settings))
    contents, journal_problem = read_journal(settings.state_directory / "journal.json")
    heartbeat_at = optional_from_wire(seen.get("last_heartbeat_at"))
    age_seconds = (now - heartbeat_at).total_seconds() if heartbeat_at else None
    running = _is_running(seen.get("pid"))
    problem = _problem(seen, journal_problem, age_seconds, running=running)
    commands = contents.commands if contents else ()
    return Status(
        running=running,
        healthy=problem is None,
        problem=problem,
        instance_id=contents.instance_id if contents else seen.get("instance_id"),
        logical_agent_id=(contents.logical_agent_id if contents else "") or settings.logical_agent_id,
        agent_id=contents.agent_id if contents else None,
        role=contents.role.value if contents and contents.role else None,
        epoch=contents.epoch if contents else 0,
        released=bool(contents and contents.released),
        serving=seen.get("serving"),
        may_serve=bool(contents and contents.may_serve),
        mode=str(seen.get("mode", "unknown")),
        last_heartbeat_at=seen.get("last_heartbeat_at"),
        heartbeat_age_seconds=round(age_seconds, 1) if age_seconds is not None else None,
        unsent_reports=len(contents.unsent) if contents else 0,
        unanswered_commands=sum(1 for record in commands if not record.is_acknowledged),
        metadata_failures=int(seen.get("metadata_failures", 0)),
        scheduled_events=int(seen.get("scheduled_events", 0)),
        daemon_version=str(seen.get("daemon_version", __version__)),
    )


def human_lines(status: Status) -> list[str]:
    """For a terminal."""
    serving = {True: "yes", False: "no", None: "not known"}[status.serving]
    age = "never" if status.heartbeat_age_seconds is None else f"{status.heartbeat_age_seconds:.0f} s ago"
    lines = [
        f"agent      {status.logical_agent_id} ({status.agent_id or 'not registered'})",
        f"instance   {status.instance_id or 'not known'} ({status.mode})",
        f"role       {status.role or 'none yet'}, epoch {status.epoch}",
        f"serving    {serving} (may serve: {'yes' if status.may_serve else 'no'})",
        f"heartbeat  {age}",
        f"kept       {status.unsent_reports} reports, {status.unanswered_commands} commands without acknowledgement",
        f"daemon     {'running' if status.running else 'not running'}, version {status.daemon_version}",
    ]
    if status.scheduled_events:
        lines.append(f"scheduled  {status.scheduled_events} maintenance events")
    if status.problem:
        lines.append(f"problem    {status.problem}")
    return lines


def as_json(status: Status) -> str:
    """For programs."""
    return json.dumps(asdict(status), indent=2)


def _problem(seen: dict[str, Any], journal: str | None, age_seconds: float | None, *, running: bool) -> str | None:
    if not running:
        return "the daemon is not running"
    if seen.get("problem"):
        return str(seen["problem"])
    if journal is not None:
        return f"the journal cannot be read: {journal}"
    if age_seconds is None:
        return "no heartbeat was answered since the daemon started"
    if age_seconds > STALE_AFTER_SECONDS:
        return f"the last answered heartbeat is {age_seconds:.0f} s old"
    return None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _is_running(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
