"""Imports for good: the garbage collector keeps away from them, then and later."""

from __future__ import annotations

import gc

from spot_server.imports import imported_for_good


def test_nothing_is_collected_during_the_imports_and_they_are_not_looked_at_again() -> None:
    frozen_before = gc.get_freeze_count()
    try:
        with imported_for_good():
            was_collecting = gc.isenabled()

        found = (was_collecting, gc.isenabled(), gc.get_freeze_count() > frozen_before)
    finally:
        gc.unfreeze()

    assert found == (False, True, True)
