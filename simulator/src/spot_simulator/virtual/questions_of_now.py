"""Questions to the database that name the present time: when they are answered otherwise. To ask them of a later one is cheap."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from spot_simulator.virtual.database import stored
from spot_simulator.virtual.table_watch import Question


class QuestionsOfNow:
    """Those of some questions in which one of the `texts` stands: the present time, or one at a fixed distance from it, as it is bound."""

    def __init__(self, raw: sqlite3.Connection, questions: Iterable[Question], texts: Collection[str]) -> None:
        """`raw` is where they are asked."""
        self._raw, self._texts = raw, texts
        self._questions = [question for question in dict.fromkeys(questions) if any(_is_text_of(one, texts) for one in question[1])]

    def besides(self, column: str) -> QuestionsOfNow:
        """Return those of them that do not name this column."""
        return QuestionsOfNow(self._raw, [question for question in self._questions if column not in question[0]], self._texts)

    def find_other_answer(self, ticks: int, period_seconds: float) -> int:
        """Return the first tick at which one is answered otherwise than now; `ticks` (at least 1) if none is before that."""
        alike, other = 0, ticks
        if ticks <= 1 or self.are_answered_alike_in((ticks - 1) * period_seconds):
            return ticks
        while other - alike > 1:
            middle = (alike + other) // 2
            if self.are_answered_alike_in(middle * period_seconds):
                alike = middle
            else:
                other = middle
        return other

    def are_answered_alike_in(self, seconds: float) -> bool:
        """Tell whether all are answered in so many seconds as they are now, on the same rows."""
        for statement, parameters in self._questions:
            then = tuple(_later(one, seconds) if _is_text_of(one, self._texts) else one for one in parameters)
            if self._raw.execute(statement, parameters).fetchall() != self._raw.execute(statement, then).fetchall():
                return False
        return True


def _is_text_of(parameter: object, texts: Collection[str]) -> bool:
    return isinstance(parameter, str) and parameter in texts


def _later(moment: object, seconds: float) -> str:
    return stored(datetime.fromisoformat(str(moment)) + timedelta(seconds=seconds))
