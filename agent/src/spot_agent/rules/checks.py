"""What `spot-agent check` says: a line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Verdict(str, Enum):
    """How it is with one thing."""

    OK = "ok"
    """It works."""

    WARN = "warn"
    """The daemon gets along with it, and a person should still know."""

    FAIL = "FAIL"
    """Something that is needed does not work."""

    SKIP = "skip"
    """It was not looked at; `found` says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing: its name, how it is with it, what was seen, and what a person can do about it (nothing: "")."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Line:
    """It works."""
    return Line(name, Verdict.OK, found)


def warn(name: str, found: str, advice: str) -> Line:
    """It works, with a remark."""
    return Line(name, Verdict.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Line:
    """It is needed and does not work."""
    return Line(name, Verdict.FAIL, found, advice)


def skip(name: str, found: str) -> Line:
    """It was not looked at, or not needed."""
    return Line(name, Verdict.SKIP, found)


def is_fit(lines: Iterable[Line]) -> bool:
    """Whether all that is needed works: what was skipped or remarked upon does not count against it."""
    return all(line.verdict is not Verdict.FAIL for line in lines)


def counted(lines: Iterable[Line]) -> dict[str, int]:
    """How many lines have each verdict; every verdict is there."""
    verdicts = [line.verdict for line in lines]
    return {verdict.value: verdicts.count(verdict) for verdict in Verdict}
