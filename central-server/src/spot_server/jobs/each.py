"""One thing after the other, so that one that fails does not keep the others from their turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from spot_server.errors import DatabaseUnavailable
from spot_server.jobs.lease import LeaseLost

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(items: Iterable[Item], act: Callable[[Item], Result]) -> list[Result]:
    """Return what `act` returned for each item; what it raised for some comes at the end, as one ExceptionGroup.

    A database that is away, or a lease that is lost, ends the round at once. Anything else is one item's own trouble, also what nobody
    foresaw: one agent on which a rule stumbles must not leave those after it without their sweep.
    """
    results = []
    failures: list[Exception] = []
    for item in items:
        try:
            results.append(act(item))
        except (DatabaseUnavailable, LeaseLost):
            raise
        except Exception as failure:  # noqa: BLE001 - it is raised, and logged, when all have had their turn
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of them failed", failures)
    return results
