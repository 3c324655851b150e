"""Imports without the garbage collector, which would look again and again at thousands of objects that stay for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Collect nothing in the block, and never again look at what exists at its end.

    A quarter of the start of a web process was collecting while it imported, and most of its end collecting what it had imported.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
