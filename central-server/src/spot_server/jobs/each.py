"""One thing after the other, so that one that fails does not keep the others from their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from spot_server.errors import DatabaseUnavailable, ProductError

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(items: Iterable[Item], act: Callable[[Item], Result]) -> list[Result]:
    """Return what `act` returned for each item; what it raised for some comes at the end, as one ExceptionGroup.

    A database that is away, and anything that is not one of our own errors, ends the round at once.
    """
    results = []
    failures: list[Exception] = []
    for item in items:
        try:
            results.append(act(item))
        except DatabaseUnavailable:
            raise
        except ProductError as failure:
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of them failed", failures)
    return results
