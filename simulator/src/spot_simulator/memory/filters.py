"""``Filters=[{"Name": ..., "Values": [...]}]``: all filters must hold, each for one of its values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from spot_simulator.memory.books import MemoryBooks
from spot_simulator.memory.parameters import NotInMemory

Record = TypeVar("Record")
Facts = Mapping[str, Callable[[Record], str | None]]
"""What a filter looks at, by its name."""

_TAG = "tag:"
_WILDCARDS = ("*", "?")


def by_name(filters: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return {name: values}. Wildcards are refused: the region in memory has none."""
    found = {one["Name"]: list(one["Values"]) for one in filters}
    for name, values in found.items():
        if any(wildcard in value for value in values for wildcard in _WILDCARDS):
            raise NotInMemory(f"the region in memory has no wildcards in filters: {name} {values}")
    return found


def passing(
    records: Iterable[Record],
    filters: Mapping[str, Sequence[str]],
    facts: Facts[Record],
    books: MemoryBooks,
    id_of: Callable[[Record], str],
) -> list[Record]:
    """Return the records that pass all filters; ``tag:<key>`` and ``tag-key`` work on all, others are named in ``facts``."""
    left = list(records)
    for name, values in filters.items():
        if name.startswith(_TAG):
            key = name.removeprefix(_TAG)
            left = [record for record in left if books.carries(id_of(record), key, values)]
        elif name == "tag-key":
            left = [record for record in left if any(books.carries(id_of(record), key, None) for key in values)]
        elif name in facts:
            fact = facts[name]
            left = [record for record in left if fact(record) in values]
        else:
            raise NotInMemory(f"the region in memory does not know the filter {name}; it has {_TAG}<key>, tag-key, {', '.join(facts)}")
    return left
