"""A database whose process dies in the middle: before a commit, or after it and before anybody hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from server_support.story import PowerCut
from spot_server.db.runner import Database, Transaction

T = TypeVar("T")


class DyingDatabase(Database):
    """Dies once, in the n-th transaction that writes and counts."""

    dies_in = 0
    dies_after_commit = False
    count = 0

    def write(self, use_case: Callable[[Transaction], T]) -> T:
        is_last = False

        def act(tx: Transaction) -> T:
            nonlocal is_last
            result = use_case(tx)
            counts = self.does_count(tx, result)
            self.count += counts
            is_last = counts and self.count == self.dies_in
            if is_last and not self.dies_after_commit:
                raise PowerCut
            return result

        result = super().write(act)
        if is_last:
            raise PowerCut
        return result

    def does_count(self, tx: Transaction, result: object) -> bool:
        """Whether a transaction that came to this result is one to die in."""
        return True
