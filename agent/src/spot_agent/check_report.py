"""How `spot-agent check` tells what it found: to a person line by line, to a program as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence

from spot_agent.rules.checks import Line, counted, is_fit

NAME_COLUMNS = 34
ADVICE_COLUMNS = 120


def human_line(line: Line) -> str:
    """One line, and the advice below it."""
    first = f"{line.verdict.value:<5} {line.name:<{NAME_COLUMNS}} {line.found}"
    indent = " " * (len("FAIL ") + 1 + NAME_COLUMNS + 1)
    advice = textwrap.wrap(line.advice, ADVICE_COLUMNS, initial_indent=indent, subsequent_indent=indent)
    return "\n".join([first, *advice])


def human_summary(lines: Iterable[Line]) -> str:
    """The last line."""
    told = list(lines)
    numbers = counted(told)
    verdict = "everything that is needed works" if is_fit(told) else "not everything that is needed works"
    return f"{verdict}: {numbers['ok']} ok, {numbers['warn']} to look at, {numbers['FAIL']} failed, {numbers['skip']} skipped"


def as_json(lines: Sequence[Line]) -> str:
    """The same for a program."""
    listed = [{"name": line.name, "verdict": line.verdict.value, "found": line.found, "advice": line.advice} for line in lines]
    return json.dumps({"is_fit": is_fit(lines), "counts": counted(lines), "lines": listed}, indent=2)
