"""What the receiver's daemon and what SSH starts must both know: one small file that is there while the receiver is open."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from spot_agent.journal import write_whole

NAME = "session.json"


@dataclass(frozen=True, slots=True)
class ReceiverSession:
    """`ends_seconds` is since boot: the file lies in /run, which a boot empties. `pid` is the SSH server's, 0 before it runs."""

    move_id: str
    public_key: str
    host: str
    port: int
    ends_seconds: float
    targets: tuple[str, ...]
    state_directory: str
    rsync: str
    pid: int = 0


def read_session(folder: Path) -> ReceiverSession | None:
    """None when there is none, or none that can be believed: the receiver is then closed."""
    try:
        body = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return ReceiverSession(**{**body, "targets": tuple(body["targets"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_session(folder: Path, session: ReceiverSession) -> None:
    """Save it."""
    write_whole(folder / NAME, json.dumps(asdict(session)), 0o600)


def remove_session(folder: Path) -> None:
    """From now on whatever SSH starts refuses everything."""
    (folder / NAME).unlink(missing_ok=True)
