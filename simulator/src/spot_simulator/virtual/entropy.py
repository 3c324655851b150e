"""Randomness of a run: whatever asks the operating system for bytes gets them from the run's seed, so that the run repeats."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def seeded_entropy(seed: object) -> Iterator[None]:
    """Let `uuid`, `secrets` and `random` draw from `seed` inside the block. Ids and tokens of a simulation are no secrets."""
    generator = random.Random(f"entropy-{seed}")
    state = random.getstate()
    random.seed(f"random-{seed}")
    try:
        with mock.patch.object(os, "urandom", generator.randbytes), mock.patch.object(random, "_urandom", generator.randbytes):
            yield
    finally:
        random.setstate(state)
