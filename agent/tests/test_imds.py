"""The metadata client against a metadata service that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent_fakes.http_imds import FakeImdsServer
from agent_fakes.virtual import VirtualClock
from spot_agent.clock import SystemClock
from spot_agent.imds import TOKEN_REFRESH_SECONDS, CountedImds, ImdsV2
from spot_agent.live import Live
from spot_agent.ports import Absent, Found, Unknown

pytestmark = pytest.mark.server
LIFE_CYCLE = "meta-data/instance-life-cycle"
ACTION = "meta-data/spot/instance-action"


@pytest.fixture
def service() -> Iterator[FakeImdsServer]:
    fake = FakeImdsServer()
    with fake:
        yield fake


def _client(service: FakeImdsServer, clock: VirtualClock | None = None) -> ImdsV2:
    return ImdsV2(service.url, clock or VirtualClock(), read_timeout_seconds=0.3)


def test_a_value_is_found_and_a_404_is_absent(service: FakeImdsServer) -> None:
    client = _client(service)

    assert client.read(LIFE_CYCLE) == Found("spot")
    assert client.read(ACTION) == Absent()
    assert service.tokens_given == 1


def test_a_token_is_renewed_well_before_it_expires(service: FakeImdsServer) -> None:
    clock = VirtualClock()
    client = _client(service, clock)
    client.read(LIFE_CYCLE)

    clock.advance(TOKEN_REFRESH_SECONDS)
    client.read(LIFE_CYCLE)

    assert service.tokens_given == 2


def test_a_401_is_answered_with_one_new_token_and_one_more_try(service: FakeImdsServer) -> None:
    client = _client(service)
    client.read(LIFE_CYCLE)
    service.token_number = 2

    assert client.read(LIFE_CYCLE) == Found("spot")
    assert service.tokens_given == 2


@pytest.mark.parametrize("fault", ["hang", "error", "off", "truncated"])
def test_no_fault_is_ever_read_as_none(service: FakeImdsServer, fault: str) -> None:
    client = _client(service)
    service.texts[ACTION] = '{"action": "terminate", "time": "2026-01-01T00:02:00Z"}'
    assert isinstance(client.read(ACTION), Found)

    service.fault = fault

    assert isinstance(client.read(ACTION), Unknown)


def test_a_fault_before_the_first_token_is_unknown_too(service: FakeImdsServer) -> None:
    service.fault = "off"

    assert isinstance(_client(service).read(ACTION), Unknown)


def test_a_service_that_is_not_there_is_unknown_and_counted() -> None:
    live = Live(VirtualClock())
    client = CountedImds(ImdsV2("http://127.0.0.1:9", SystemClock()), live)

    assert isinstance(client.read(ACTION), Unknown)
    assert live.read().metadata_failures == 1


def test_a_proxy_of_the_environment_is_not_asked(service: FakeImdsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert _client(service).read(LIFE_CYCLE) == Found("spot")
