"""The journal: what the daemon must know after a crash, in one small file that is replaced whole."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from spot_agent.clock import Clock
from spot_agent.errors import JournalUnwritable
from spot_agent.journal_contents import JournalContents, from_json, to_json

Change = Callable[[JournalContents], JournalContents]


class Journal(Protocol):
    """One frozen value that all threads read and change one at a time."""

    def read(self) -> JournalContents:
        """The present contents; never blocks on the disk."""

    def change(self, change: Change) -> JournalContents:
        """Apply a pure change and save it before returning.

        JournalUnwritable when it could not be saved: the change then holds in memory, and is saved with the next one.
        """


class MemoryJournal:
    """A journal without a disk: the base of the real one, and all that a simulation needs."""

    def __init__(self, contents: JournalContents | None = None) -> None:
        self._lock = threading.RLock()
        self._contents = contents or JournalContents()
        self._is_dirty = False

    def read(self) -> JournalContents:
        """Return the present contents."""
        return self._contents

    def change(self, change: Change) -> JournalContents:
        """Apply and save; an unchanged journal is not written again."""
        with self._lock:
            changed = change(self._contents)
            if changed != self._contents or self._is_dirty:
                self._contents = changed
                self._is_dirty = True
                self._save(changed)
                self._is_dirty = False
            return changed

    def _save(self, contents: JournalContents) -> None:
        """Nothing to do in memory."""


class FileJournal(MemoryJournal):
    """Mode 0600, written to a temporary file, synced, renamed: a reader sees the old one or the new one."""

    def __init__(self, path: Path, clock: Clock) -> None:
        contents, self.problem = read_journal(path)
        super().__init__(contents)
        self._path = path
        self._clock = clock

    def _save(self, contents: JournalContents) -> None:
        text = json.dumps(to_json(contents, self._clock.now()), separators=(",", ":"))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(self._path, text, 0o600)
        except OSError as error:
            raise JournalUnwritable(f"{self._path}: {error.strerror or error}") from error


def read_journal(path: Path) -> tuple[JournalContents | None, str | None]:
    """(contents, None), (None, None) when there is none, (None, problem) when it cannot be believed."""
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8"))), None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, error.strerror or str(error)
    except ValueError as error:
        return None, f"damaged: {error}"


def write_whole(path: Path, text: str, mode: int) -> None:
    """Replace `path` so that it is never seen half written, also after a power cut."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as stream:
            stream.write(text)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
