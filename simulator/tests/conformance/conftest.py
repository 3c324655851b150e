"""The region under test, in both of its forms."""

from collections.abc import Iterator

import pytest

from conformance.http_region import HttpRegion
from conformance.memory_region import MemoryRegionPort
from conformance.port import RegionPort
from conformance.world import World


@pytest.fixture(scope="session")
def region_of_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpRegion]:
    with HttpRegion(tmp_path_factory.mktemp("region") / "state") as running:
        yield running


@pytest.fixture
def shared_region(region_of_processes: HttpRegion) -> Iterator[RegionPort]:
    """Give the one region of processes, and end what a test leaves in it: what serves and counts there takes the time of the others."""
    yield region_of_processes
    region_of_processes.lose_all()


@pytest.fixture(params=[pytest.param("processes", marks=pytest.mark.server), "memory"])
def region(request: pytest.FixtureRequest) -> RegionPort:
    """Give the one region of processes, which all tests share, or a region in memory of the test's own."""
    if request.param == "memory":
        return MemoryRegionPort()
    running: RegionPort = request.getfixturevalue("shared_region")
    return running


@pytest.fixture
def world(region: RegionPort) -> World:
    return World(region)
