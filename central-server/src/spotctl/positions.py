"""The file in which a reader of events keeps how far it got."""

from __future__ import annotations

from pathlib import Path

from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode


def read_position(path: Path) -> int | None:
    """Return the number in the file, or None if there is no file yet."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"--resume: {path} cannot be read: {error}", ExitCode.USAGE) from error
    if not text.isascii() or not text.isdigit():
        raise CommandFailed(f"--resume: {path} holds {text[:40]!r}; expected the number of an event", ExitCode.USAGE)
    return int(text)


def write_position(path: Path, number: int) -> None:
    """Replace the file as a whole: a death in the middle leaves the number before."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(f"{number}\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise CommandFailed(f"--resume: {path} cannot be written: {error.strerror}", ExitCode.USAGE) from error
