"""Places on demand: what they cost is shown before a move, and the cheapest that is known is taken."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from server_support.clock import FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.replicas.placement import Offer
from spot_server.features.switches.opening import preview_switch
from spot_server.words import Mode


def offers_on_demand(story: Story, prices: dict[tuple[str, str], Decimal]) -> list[Offer]:
    story.database.policy = replace(story.database.policy, on_demand_usd_per_hour=prices)
    preview = story.database.read(lambda tx: preview_switch(tx, story.agent, {"mode": "on_demand"}))
    assert {offer.place.mode for offer in preview.ranking.suitable} == {Mode.ON_DEMAND}
    return list(preview.ranking.suitable)


@pytest.mark.parametrize(
    ("usd_per_hour", "in_order"),
    [
        ({"m5.large": "0.10", "m5a.large": "0.20"}, [("m5.large", "0.10"), ("m5a.large", "0.20")]),
        ({"m5.large": "0.20", "m5a.large": "0.10"}, [("m5a.large", "0.10"), ("m5.large", "0.20")]),
        ({"m5a.large": "0.90"}, [("m5a.large", "0.90"), ("m5.large", None)]),
        ({"m5.large": "0.90"}, [("m5.large", "0.90"), ("m5a.large", None)]),
    ],
)
def test_the_cheapest_that_is_known_comes_first_and_one_without_a_price_last(
    database: Database, clock: FakeClock, usd_per_hour: dict[str, str], in_order: list[tuple[str, str | None]]
) -> None:
    story = Story.on(database, clock, has_image=True)

    offers = offers_on_demand(story, {(name, story.agent.region): Decimal(price) for name, price in usd_per_hour.items()})

    found = [(offer.place.instance_type, None if offer.usd_per_hour is None else str(offer.usd_per_hour)) for offer in offers]
    assert list(dict.fromkeys(found)) == in_order


def test_a_price_of_another_region_is_none_of_ours(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, has_image=True)

    assert all(offer.usd_per_hour is None for offer in offers_on_demand(story, {("m5.large", "eu-north-9"): Decimal("0.01")}))
