"""Ids that depend on the seed and on nothing else, in either form of the region."""

import hashlib


def seeded_hex(seed: int, kind: str, number: int, characters: int) -> str:
    """Return the ``number``-th name of a kind."""
    return hashlib.sha256(f"{seed}|{kind}|{number}".encode()).hexdigest()[:characters]
