"""Randomness of a run: whatever asks the operating system for bytes gets them from the run's seed, so that the run repeats."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


class _Source:
    """Where bytes come from now."""

    def __init__(self) -> None:
        self.generator = random.Random()

    def take(self, count: int) -> bytes:
        return self.generator.randbytes(count)


_source = _Source()


@contextmanager
def seeded_entropy(seed: object) -> Iterator[None]:
    """Let `uuid`, `secrets` and `random` draw from `seed` inside the block. Ids and tokens of a simulation are no secrets."""
    _source.generator = random.Random(f"entropy-{seed}")
    state = random.getstate()
    random.seed(f"random-{seed}")
    try:
        with mock.patch.object(os, "urandom", _source.take), mock.patch.object(random, "_urandom", _source.take):
            yield
    finally:
        random.setstate(state)


@contextmanager
def rehearsed_entropy() -> Iterator[None]:
    """Let what is drawn inside the block be missing nowhere else: a run draws the same whether or not something was rehearsed in it."""
    generator, _source.generator = _source.generator, _rehearsed
    try:
        yield
    finally:
        _source.generator = generator


_rehearsed = random.Random(0)
