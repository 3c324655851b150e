"""The start guard: a file that only the daemon writes, and without which the workload's units do not start."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Guard(Protocol):
    """Permission to serve, as the workload's service manager sees it. OSError when it cannot be changed."""

    def grant(self) -> None:
        """From now on the workload may start."""

    def revoke(self) -> None:
        """From now on the workload may not start; a running one is not stopped by this."""

    def is_granted(self) -> bool:
        """Whether the workload may start."""


class FileGuard:
    """`<runtime directory>/serve`; /run is empty at every boot, so that a clone never has it."""

    def __init__(self, runtime_directory: Path) -> None:
        self._path = runtime_directory / "serve"

    def grant(self) -> None:
        """Write the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o644)

    def revoke(self) -> None:
        """Remove the file, if it is there."""
        self._path.unlink(missing_ok=True)

    def is_granted(self) -> bool:
        """Look for the file."""
        return self._path.exists()
