"""Processes are killed at random while workloads are moved: whatever dies, at most one instance serves, and nothing happens twice."""

import os
import secrets
import sys
from pathlib import Path

import pytest

from system.storm import Storm

KILLS_OF_EACH = int(os.environ.get("SPOT_TEST_KILLS", "50"))
MEAN_GAP_SECONDS = 2.5
BOUND_SECONDS = 240.0


def say(line: str) -> None:
    """Print, also for a test that passes under -s: the seed is what a person needs to look again."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def weather(directory: Path, database_url: str, seed: str) -> None:
    """Put up a world, storm it, let it settle, and read the books."""
    say(f"seed {seed} (again: SPOT_TEST_SEED={seed}); everything is kept in {directory}")
    storm = Storm.prepare(directory, database_url, seed, say)
    try:
        storm.put_up()
        assassin = storm.rage(least_kills_of_each=KILLS_OF_EACH, mean_gap_seconds=MEAN_GAP_SECONDS, bound_seconds=BOUND_SECONDS)
        left = storm.settle()
        wrongs = storm.wrongs()
    finally:
        storm.world.processes.stop_all()

    assert (left, wrongs) == ([], []), f"seed {seed}"
    assert min(assassin.kills.values()) >= KILLS_OF_EACH


@pytest.mark.server
@pytest.mark.timeout(480)
def test_whatever_is_killed_the_books_agree_and_nothing_happens_twice(tmp_path: Path) -> None:
    seed = os.environ.get("SPOT_TEST_SEED") or str(secrets.randbelow(10**6))

    weather(tmp_path, f"sqlite:///{tmp_path}/spot.db", seed)
