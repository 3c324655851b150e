"""The region under test. A second form of it joins the suite by a second parameter here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.http_region import HttpRegion
from conformance.port import RegionPort
from conformance.world import World


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegionPort]:
    state_dir: Path = tmp_path_factory.mktemp("region") / "state"
    with HttpRegion(state_dir) as running:
        yield running


@pytest.fixture
def world(region: RegionPort) -> World:
    return World(region)
