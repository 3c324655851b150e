"""What `spot-agent check` looks at on the machine itself: programs, systemd's units, directories, modes of files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from spot_agent.rules.machine_checks import Folder
from spot_agent.rules.workload_checks import Unit

SYSTEMCTL_BOUND_SECONDS = 5.0
_PROPERTIES = ("LoadState", "After", "TriggeredBy")


class Surroundings:
    """Looks, and changes nothing that stays."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)

    def program(self, word: str) -> str | None:
        """Where the program of a hook is, found as the hook's start finds it; None when it cannot be run."""
        return shutil.which(word, path=self._environment.get("PATH"))

    def mode(self, path: Path) -> int | None:
        """The permission bits of a file; None when it is not there."""
        try:
            return path.stat().st_mode & 0o7777
        except OSError:
            return None

    def folder(self, path: Path) -> Folder:
        """Write a small file there, through to the disk, and take it away again."""
        if not path.is_dir():
            return Folder(str(path), exists=False, problem=None, free_bytes=0)
        try:
            with tempfile.NamedTemporaryFile(dir=path, prefix=".check-") as file:
                file.write(b"spot-agent check")
                file.flush()
                os.fsync(file.fileno())
            free_bytes = shutil.disk_usage(path).free
        except OSError as error:
            return Folder(str(path), exists=True, problem=error.strerror or str(error), free_bytes=0)
        return Folder(str(path), exists=True, problem=None, free_bytes=free_bytes)

    def unit(self, name: str) -> Unit:
        """A unit as systemd has loaded it, drop-ins included."""
        if self.program("systemctl") is None:
            return Unit(name, problem="there is no systemctl here")
        shown = self._systemctl("show", *(f"--property={name}" for name in _PROPERTIES), "--", name)
        if isinstance(shown, OSError):
            return Unit(name, problem=f"systemctl: {shown.strerror}")
        properties = dict(line.partition("=")[::2] for line in shown.splitlines())
        if properties.get("LoadState") != "loaded":
            return Unit(name, problem=f"systemd has not loaded it ({properties.get('LoadState') or 'no answer'})")
        text = self._systemctl("cat", "--", name)
        words = {key: tuple(properties.get(key, "").split()) for key in _PROPERTIES}
        return Unit(name, text if isinstance(text, str) else "", words["After"], words["TriggeredBy"])

    def _systemctl(self, *arguments: str) -> str | OSError:
        command = ["systemctl", "--no-pager", *arguments]
        try:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SYSTEMCTL_BOUND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return TimeoutError(0, "no answer in time")
        except OSError as error:
            return error
        return done.stdout
