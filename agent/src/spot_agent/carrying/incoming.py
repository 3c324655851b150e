"""What comes in stands beside its place until all of it is there, and is then put in place in one go.

So a copy that was cut short is never what a workload starts on: until the commit the image's own state is in place. Files that are
the same are shared with it (rsync's --link-dest), and take no room twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spot_agent.journal import write_whole


@dataclass(frozen=True, slots=True)
class Place:
    """One configured path on the new side, and its two neighbours on the same file system."""

    target: Path

    @property
    def staging(self) -> Path:
        """Where the copy grows."""
        return self.target.with_name(f".{self.target.name}.spot-incoming")

    @property
    def previous(self) -> Path:
        """What was in place before."""
        return self.target.with_name(f".{self.target.name}.spot-previous")

    def problem(self) -> str | None:
        """Say why nothing could be put in place here."""
        if not self.target.parent.is_dir():
            return f"{self.target.parent} does not exist"
        if self.target.is_symlink() or (self.target.exists() and not self.target.is_dir()):
            return f"{self.target} is not a directory"
        return f"{self.target} is a mount point; name the directories in it" if self.target.is_mount() else None


class Incoming:
    """The commit and what follows it. Every method may be repeated, and cut short anywhere."""

    def __init__(self, targets: Sequence[Path], state_directory: Path) -> None:
        self.places = tuple(Place(target) for target in targets)
        self._state_directory = state_directory
        self._mark = state_directory / "incoming.json"

    def discard(self) -> None:
        """Begin anew: what an earlier move left beside the places counts for nothing, unless it was committed."""
        with self._locked():
            if self._mark.exists():
                self._put_in_place()
            remove_trees([neighbour for place in self.places for neighbour in (place.staging, place.previous)])

    def prepare(self, index: int) -> Place:
        """Return a place whose staging directory is there."""
        place = self.places[index]
        place.staging.mkdir(mode=0o700, exist_ok=True)
        return place

    def accept(self) -> None:
        """Everything has come: from the moment that this is noted on the disk the copy is what counts. OSError leaves it as it was."""
        with self._locked():
            missing = [place.staging for place in self.places if not place.staging.is_dir()]
            if missing:
                raise FileNotFoundError(f"{missing[0]} is not there")
            os.sync()
            write_whole(self._mark, json.dumps({"targets": [str(place.target) for place in self.places]}), 0o600)
            self._put_in_place()

    def finish(self) -> bool:
        """Go on with a commit that was cut short. Whether there was one."""
        with self._locked():
            is_cut_short = self._mark.exists()
            if is_cut_short:
                self._put_in_place()
            return is_cut_short

    def leftovers(self) -> list[Path]:
        """What is not needed any more, once no move is under way."""
        found = [neighbour for place in self.places for neighbour in (place.staging, place.previous)]
        return [] if self._mark.exists() else [path for path in found if path.exists()]

    def _put_in_place(self) -> None:
        for place in self.places:
            if not place.staging.exists():
                continue
            if place.target.exists():
                if place.previous.exists():
                    remove_trees([place.previous])
                place.target.rename(place.previous)
            place.staging.rename(place.target)
        for folder in {place.target.parent for place in self.places}:
            _sync_folder(folder)
        self._mark.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The daemon and what SSH starts are different processes."""
        self._state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._state_directory / "incoming.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def remove_trees(paths: Sequence[Path]) -> None:
    """Remove directories with all that is in them; those that are gone are fine. OSError when one stays."""
    removed = subprocess.run(["rm", "-rf", "--", *map(str, paths)], check=False, capture_output=True, text=True)
    if removed.returncode != 0:
        raise OSError(removed.stderr.strip() or f"rm ended with {removed.returncode}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
