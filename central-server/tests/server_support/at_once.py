"""Running things at the same moment, to see that one wins and the others are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from spot_server.errors import ProductError


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run all of them at the same moment in threads and return what each returned or raised."""
    barrier = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = acts[index]()
        except ProductError as refused:
            results[index] = refused

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return results
