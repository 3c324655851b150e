"""The simulated region as the player of game days: the real adapter in front of a real region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from conformance.http_region import HttpRegion
from server_support.processes import free_port
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.playing import ExperimentState, Market, PlayOrder
from spot_server.aws.simulated_region import SimulatedRegion
from spot_server.words import GameDayKind

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpRegion]:
    with HttpRegion(tmp_path_factory.mktemp("region")) as running:
        status, image = running.control("POST", "/base-image", {"name": "base", "env_file": "", "services": []})
        assert status == 201, image
        yield running


@pytest.fixture
def order(region: HttpRegion) -> PlayOrder:
    """A notice for a new spot instance."""
    images = region.control("GET", "/state")[1]["images"]
    launched = region.ec2.run_instances(
        ImageId=images[0]["image_id"], InstanceType="m5.large", MinCount=1, MaxCount=1, InstanceMarketOptions={"MarketType": "spot"}
    )
    instance_id = launched["Instances"][0]["InstanceId"]
    return PlayOrder("game-1", GameDayKind.NOTICE, "us-east-1", instance_id, datetime.now(UTC))  # noqa: TID251 - the region's clock is real


def instance(region: HttpRegion, order: PlayOrder) -> dict[str, Any]:
    state = region.control("GET", "/state")[1]
    return next(made for made in state["instances"] if made["instance_id"] == order.instance_id)


def calls_of(region: HttpRegion, kind: str) -> int:
    return sum(event["kind"] == kind for event in region.control("GET", "/log?after=0")[1]["events"])


def test_a_notice_is_given_once_however_often_it_is_asked_for(region: HttpRegion, order: PlayOrder) -> None:
    player, before = SimulatedRegion(region.url), calls_of(region, "notice")

    player.play(order)
    first = instance(region, order)["notice"]
    player.play(order)

    assert (calls_of(region, "notice") - before, instance(region, order)["notice"]) == (1, first)
    assert first["action"] == "terminate"
    assert player.look(order).state is ExperimentState.ENDED


def test_a_recommendation_is_given_once_in_each_game_day(region: HttpRegion, order: PlayOrder) -> None:
    player = SimulatedRegion(region.url)
    recommended = replace(order, kind=GameDayKind.RECOMMENDATION)

    player.play(recommended)
    first = instance(region, order)["rebalance_at"]
    player.play(recommended)

    assert first is not None
    assert instance(region, order)["rebalance_at"] == first


def test_a_loss_takes_the_instance_without_a_word(region: HttpRegion, order: PlayOrder) -> None:
    player = SimulatedRegion(region.url)

    player.play(replace(order, kind=GameDayKind.LOSS))
    player.play(replace(order, kind=GameDayKind.LOSS))

    assert instance(region, order)["state"] in {"shutting-down", "terminated"}


def test_a_shortage_lasts_until_it_is_closed(region: HttpRegion, order: PlayOrder) -> None:
    player = SimulatedRegion(region.url)
    short = replace(order, kind=GameDayKind.CAPACITY_SHORTAGE, shortage=Market("c5.large", "use1-az2", "spot"))

    player.play(short)
    meanwhile = region.control("GET", "/state")[1]["capacity_unavailable"]
    player.close(short)
    player.close(short)

    assert len(meanwhile) == 1
    assert region.control("GET", "/state")[1]["capacity_unavailable"] == []
    assert instance(region, order)["notice"] is not None


def test_an_instance_that_is_not_there_is_a_refusal(region: HttpRegion, order: PlayOrder) -> None:
    with pytest.raises(AwsFailed) as refused:
        SimulatedRegion(region.url).play(replace(order, instance_id="i-none"))

    assert (refused.value.error_class, refused.value.may_have_acted) == (ErrorClass.NOT_FOUND, False)


def test_a_region_that_is_away_may_come_back(order: PlayOrder) -> None:
    with pytest.raises(AwsFailed) as away:
        SimulatedRegion(f"http://127.0.0.1:{free_port()}").play(order)

    assert (away.value.error_class, away.value.may_have_acted) == (ErrorClass.UNREACHABLE, False)


def test_what_the_region_refuses_is_said_in_its_words(region: HttpRegion, order: PlayOrder) -> None:
    wrong = replace(order, kind=GameDayKind.CAPACITY_SHORTAGE, shortage=Market("c5.large", "use1-az9", "spot"))

    with pytest.raises(AwsFailed, match=r"The region knows no az_id use1-az9") as refused:
        SimulatedRegion(region.url).play(wrong)

    assert refused.value.error_class is ErrorClass.REFUSED
