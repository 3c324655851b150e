"""Processes are killed at random while workloads are moved: whatever dies, at most one instance serves, and nothing happens twice."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from server_support.databases import MARIADB_VARIABLE, empty_mariadb
from system.seeds import SEED_VARIABLE, seed_of_this_run
from system.storm import Storm

KILLS_OF_EACH = int(os.environ.get("SPOT_TEST_KILLS", "12"))
MEAN_GAP_SECONDS = 2.0
BOUND_SECONDS = 900.0  # reached only on a machine that does much else

pytestmark = [pytest.mark.server, pytest.mark.storm]


def say(line: str) -> None:
    """Print at once: the seed is what a person needs to look again."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of this run's own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/spot.db"
        return
    if MARIADB_VARIABLE not in os.environ:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MARIADB_VARIABLE} is not set; CI runs every test")
        pytest.skip(f"{MARIADB_VARIABLE} is not set")
    with empty_mariadb(f"spot_kills_{os.getpid()}") as url:
        yield url


def test_whatever_is_killed_the_books_agree_and_nothing_happens_twice(database_url: str, tmp_path: Path) -> None:
    seed = seed_of_this_run(make_url(database_url).get_backend_name().replace("mysql", "mariadb"))
    say(f"seed {seed} (again: {SEED_VARIABLE}={seed}); everything is kept in {tmp_path}")
    storm = Storm.prepare(tmp_path, database_url, seed, say)

    try:
        storm.put_up()
        assassin = storm.rage(least_kills_of_each=KILLS_OF_EACH, mean_gap_seconds=MEAN_GAP_SECONDS, bound_seconds=BOUND_SECONDS)
        left = storm.settle()
        wrongs = storm.wrongs()
    finally:
        storm.world.processes.stop_all()

    assert not left + wrongs, "\n".join([f"seed {seed}:", *left, *wrongs])
    assert min(assassin.kills.values()) >= KILLS_OF_EACH
