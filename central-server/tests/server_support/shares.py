"""Which stories are told on MariaDB too, where there is no time for all of them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable

import pytest

SHARE_VARIABLE = "SPOT_TEST_STORIES_ON_MARIADB"
"""`half`: of the stories that SQLite tells as well, MariaDB tells every second one. A story asks the database its questions one by one:
what differs between databases (locks, isolation, queries, types) has tests of its own, and these all run."""


def stories_left_out(items: Iterable[pytest.Item]) -> set[pytest.Item]:
    """Return the stories that MariaDB is spared; which they are depends on their names alone. Empty unless the half was asked for."""
    if os.environ.get(SHARE_VARIABLE) != "half":
        return set()
    by_id = {item.nodeid: item for item in items}
    return {item for name, item in by_id.items() if _is_story_on_mariadb(item) and _twin(name) in by_id and zlib.crc32(name.encode()) % 2}


def _is_story_on_mariadb(item: pytest.Item) -> bool:
    return item.get_closest_marker("mariadb") is not None and hasattr(getattr(item, "module", None), "Story")


def _twin(nodeid: str) -> str:
    return nodeid.replace("[mariadb", "[sqlite").replace("-mariadb", "-sqlite")
