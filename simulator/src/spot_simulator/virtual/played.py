"""What a campaign plays, by name: its parts were played by the same code, whatever happened to documents and tests meanwhile."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

PLAYED = ("agent/src", "central-server/src", "simulator/src", "requirements")
"""All that has a say in what a seed leads to: the product, the world it is played in, and the versions of what both stand on."""


class NotNamed(Exception):
    """What is played cannot be named. Its text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Played:
    """`identity` names what was played; `commit` is one that has it, for people to look at."""

    identity: str
    commit: str


def find_played(root: Path) -> Played:
    """Name what the working tree at `root` plays, by the trees that git keeps of it.

    NotNamed where git knows of no such trees, or the working tree has changes in them that no commit has.
    """
    changes = _git(root, "status", "--porcelain", "--", *PLAYED)
    if changes:
        first, *others = [line[3:] for line in changes.splitlines()]
        more = f" and {len(others)} more" if others else ""
        raise NotNamed(f"what is played has changes that no commit has ({first}{more}): commit them first")
    trees = _git(root, "ls-tree", "HEAD", "--", *PLAYED)
    named = {line.partition("\t")[2] for line in trees.splitlines()}
    missing = [folder for folder in PLAYED if folder not in named]
    if missing:
        raise NotNamed(f"what is played cannot be named: {root} has no {', '.join(missing)} in git")
    return Played(hashlib.sha256(trees.encode()).hexdigest()[:16], _git(root, "rev-parse", "HEAD").strip())


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except OSError as error:
        raise NotNamed(f"what is played cannot be named: git: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip().splitlines() or [f"git ended with {error.returncode}"]
        raise NotNamed(f"what is played cannot be named: {why[0]}") from error
    return done.stdout
