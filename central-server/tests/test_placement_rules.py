"""Where instances may go: what no ranking may ever hold, and in which order the rest comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.replicas.placement import Offer, Place, Shape, Wish, list_offers, rank_offers, shares_fate
from spot_server.words import Mode

TYPES = ("m5.large", "m5a.large", "c5.xlarge", "m6g.large")
ZONES = ("use1-az1", "use1-az2", "use1-az3")
SHAPES = {
    "m5.large": Shape(2, 8192, frozenset({"x86_64"})),
    "m5a.large": Shape(2, 8192, frozenset({"x86_64"})),
    "c5.xlarge": Shape(4, 4096, frozenset({"x86_64"})),
    "m6g.large": Shape(2, 8192, frozenset({"arm64"})),
}

places = st.builds(Place, st.sampled_from(TYPES), st.sampled_from(ZONES), st.sampled_from([Mode.SPOT, Mode.ON_DEMAND]))
UNTIL = START + timedelta(minutes=3)


def _offers(place: Place) -> st.SearchStrategy[Offer]:
    """Offers of a place: only a spot pool ever cools down."""
    cooling = st.none() | st.sampled_from([UNTIL, UNTIL + timedelta(hours=1)]) if place.mode is Mode.SPOT else st.none()
    return st.builds(
        Offer, st.just(place), st.none() | st.decimals("0.001", "2", places=4), cooling, st.none() | st.floats(1, 900, allow_nan=False)
    )


offers = st.lists(places.flatmap(_offers), unique_by=lambda offer: offer.place, max_size=24)
shapes = st.dictionaries(st.sampled_from(TYPES), st.sampled_from(list(SHAPES.values())))


def wishes(**fixed: bool) -> st.SearchStrategy[Wish]:
    """Any wish whose `is_standby` and `is_last_resort` are as given, and free where they are not: nothing is drawn to be thrown away."""
    return st.builds(
        Wish,
        primary=st.builds(Place, st.sampled_from(TYPES), st.sampled_from(ZONES), st.sampled_from(Mode)),
        architecture=st.sampled_from(["x86_64", "arm64"]),
        mode=st.none() | st.sampled_from([Mode.SPOT, Mode.ON_DEMAND]),
        instance_type=st.none() | st.sampled_from(TYPES),
        az_id=st.none() | st.sampled_from(ZONES),
        excluded=st.frozensets(places.map(lambda place: place.key), max_size=6),
        **{name: st.just(fixed[name]) if name in fixed else st.booleans() for name in ("is_standby", "is_last_resort", "is_urgent")},
    )


@given(offers, wishes(), shapes)
def test_suitable_and_refused_together_are_all_offers_once(given_offers: list[Offer], wish: Wish, known: dict[str, Shape]) -> None:
    ranking = rank_offers(given_offers, wish, known)

    told = [offer.place for offer in ranking.suitable] + [refusal.place for refusal in ranking.refused]
    assert sorted(place.key for place in told) == sorted(offer.place.key for offer in given_offers)
    assert all(refusal.reason for refusal in ranking.refused)


@given(offers, wishes(), shapes)
def test_nothing_ever_lands_where_the_workload_runs_or_where_it_was_refused(
    given_offers: list[Offer], wish: Wish, known: dict[str, Shape]
) -> None:
    ranking = rank_offers(given_offers, wish, known)

    assert all(offer.place != wish.primary for offer in ranking.suitable)
    assert all(offer.place.key not in wish.excluded for offer in ranking.suitable)


@given(offers, wishes(is_standby=True, is_last_resort=False), shapes)
def test_a_standby_never_lands_in_the_stock_of_its_primary(given_offers: list[Offer], wish: Wish, known: dict[str, Shape]) -> None:
    ranking = rank_offers(given_offers, wish, known)

    assert not any(shares_fate(offer.place, wish.primary) for offer in ranking.suitable)


@given(offers, wishes(is_standby=True, is_last_resort=True), shapes)
def test_a_last_resort_comes_after_every_place_of_another_stock(given_offers: list[Offer], wish: Wish, known: dict[str, Shape]) -> None:
    ranking = rank_offers([replace(offer, cooling_until=None) for offer in given_offers], wish, known)

    same_stock = [shares_fate(offer.place, wish.primary) for offer in ranking.suitable]
    assert same_stock == sorted(same_stock)


@given(offers, st.booleans(), shapes)
def test_what_stays_in_its_zone_goes_elsewhere_only_after_every_place_there(
    given_offers: list[Offer], is_standby: bool, known: dict[str, Shape]
) -> None:
    primary = Place("m5.large", "use1-az1", Mode.SPOT)
    wish = Wish(primary, "x86_64", stays_in_zone=True, is_standby=is_standby, is_last_resort=True)

    ranking = rank_offers([replace(offer, cooling_until=None) for offer in given_offers], wish, known)

    is_elsewhere = [offer.place.az_id != primary.az_id for offer in ranking.suitable]
    assert is_elsewhere == sorted(is_elsewhere)


@given(offers, wishes(), shapes)
def test_what_was_asked_for_is_what_is_offered(given_offers: list[Offer], wish: Wish, known: dict[str, Shape]) -> None:
    ranking = rank_offers(given_offers, wish, known)

    for offer in ranking.suitable:
        assert wish.mode in {None, offer.place.mode}
        assert wish.instance_type in {None, offer.place.instance_type}
        assert wish.az_id in {None, offer.place.az_id}


@given(offers, wishes(), shapes)
def test_another_type_is_at_least_as_large_and_of_the_same_architecture(
    given_offers: list[Offer], wish: Wish, known: dict[str, Shape]
) -> None:
    ranking = rank_offers(given_offers, wish, known)

    for offer in ranking.suitable:
        if offer.place.instance_type != wish.primary.instance_type:
            shape, own = known[offer.place.instance_type], known[wish.primary.instance_type]
            assert wish.architecture in shape.architectures
            assert (shape.vcpu, shape.memory_mib) >= (own.vcpu, 0)
            assert shape.memory_mib >= own.memory_mib


@given(offers, wishes(is_standby=False, is_urgent=False))
def test_a_planned_move_takes_spot_before_on_demand_and_the_cheaper_of_two_spot_pools(given_offers: list[Offer], wish: Wish) -> None:
    ranking = rank_offers([replace(offer, cooling_until=None) for offer in given_offers], wish, SHAPES)

    modes = [offer.place.mode is Mode.ON_DEMAND for offer in ranking.suitable]
    spot = [offer.usd_per_hour for offer in ranking.suitable if offer.place.mode is Mode.SPOT]
    assert modes == sorted(modes)
    assert None not in spot
    assert all(first <= second for first, second in pairwise(price for price in spot if price is not None))


@given(offers, wishes(is_standby=True))
def test_a_standby_takes_another_zone_before_its_primary_s_own(given_offers: list[Offer], wish: Wish) -> None:
    ranking = rank_offers([replace(offer, cooling_until=None) for offer in given_offers], wish, SHAPES)

    beside = [offer.place.az_id == wish.primary.az_id for offer in ranking.suitable if not shares_fate(offer.place, wish.primary)]
    assert beside == sorted(beside)


@given(offers, wishes(), st.randoms(use_true_random=False))
def test_the_order_of_the_offers_does_not_matter(given_offers: list[Offer], wish: Wish, random: Random) -> None:
    shuffled = list(given_offers)
    random.shuffle(shuffled)

    first, second = rank_offers(given_offers, wish, SHAPES), rank_offers(shuffled, wish, SHAPES)

    assert first.suitable == second.suitable


def test_on_demand_in_another_zone_is_a_better_standby_than_spot_beside_the_primary() -> None:
    wish = Wish(primary=Place("m5.large", "use1-az1", Mode.SPOT), architecture="x86_64", is_standby=True)
    beside = Offer(Place("m5a.large", "use1-az1", Mode.SPOT), Decimal("0.03"))
    elsewhere = Offer(Place("m5.large", "use1-az2", Mode.ON_DEMAND), Decimal("0.10"))

    ranking = rank_offers([beside, elsewhere], wish, SHAPES)

    assert ranking.suitable == (elsewhere, beside)


def test_a_primary_whose_mode_is_unknown_gets_no_neighbour_even_as_a_last_resort() -> None:
    primary = Place("m5.large", "use1-az1", Mode.UNKNOWN)
    wish = Wish(primary=primary, architecture="x86_64", is_standby=True, is_last_resort=True)
    offer = Offer(Place("m5.large", "use1-az1", Mode.SPOT), Decimal("0.03"))

    ranking = rank_offers([offer], wish, SHAPES)

    assert ranking.suitable == ()


def test_the_offers_are_every_type_in_every_zone_in_both_modes() -> None:
    spot = {("m5.large", "use1-az1"): Decimal("0.03")}

    listed = list_offers(
        instance_types=["m5.large", "m5a.large", "m5.large"],
        az_ids=["use1-az2", "use1-az1"],
        spot_usd_per_hour=spot,
        on_demand_usd_per_hour={"m5a.large": Decimal("0.086")},
    )

    prices = {offer.place.key: offer.usd_per_hour for offer in listed}
    assert len(listed) == len(prices) == 8
    assert prices["spot/m5.large/use1-az1"] == Decimal("0.03")
    assert prices["spot/m5.large/use1-az2"] is None
    assert prices["on_demand/m5a.large/use1-az2"] == Decimal("0.086")


@given(offers, wishes(is_last_resort=False), shapes)
def test_a_pool_in_its_cool_down_is_refused_with_its_end_unless_nothing_else_is_left_to_try(
    given_offers: list[Offer], wish: Wish, known: dict[str, Shape]
) -> None:
    ranking = rank_offers(given_offers, wish, known)

    assert all(offer.cooling_until is None for offer in ranking.suitable)


@given(offers, wishes(is_last_resort=True), shapes)
def test_in_an_emergency_a_cool_down_refuses_nothing_and_only_puts_a_pool_last(
    given_offers: list[Offer], wish: Wish, known: dict[str, Shape]
) -> None:
    ranking = rank_offers(given_offers, wish, known)

    cooled = [offer.cooling_until is not None for offer in ranking.suitable]
    warm = [replace(offer, cooling_until=None) for offer in given_offers]
    assert cooled == sorted(cooled)
    assert {offer.place for offer in ranking.suitable} == {offer.place for offer in rank_offers(warm, wish, known).suitable}


def test_of_pools_that_all_cool_down_the_one_that_has_waited_longest_is_the_least_bad() -> None:
    wish = Wish(Place("m5.large", "use1-az1", Mode.SPOT), "x86_64", is_standby=True, is_last_resort=True, is_urgent=True)
    late = Offer(Place("m5a.large", "use1-az2", Mode.SPOT), Decimal("0.01"), UNTIL + timedelta(hours=1))
    soon = Offer(Place("m5a.large", "use1-az3", Mode.SPOT), Decimal("0.09"), UNTIL)
    on_demand = Offer(Place("m5.large", "use1-az1", Mode.ON_DEMAND), Decimal("0.50"))

    ranking = rank_offers([late, soon, on_demand], wish, SHAPES)

    assert ranking.suitable == (on_demand, soon, late)


def test_the_reason_of_a_cool_down_names_its_end() -> None:
    wish = Wish(Place("m5.large", "use1-az1", Mode.SPOT), "x86_64")

    ranking = rank_offers([Offer(Place("m5a.large", "use1-az2", Mode.SPOT), Decimal("0.01"), UNTIL)], wish, SHAPES)

    assert ranking.refused[0].reason == f"no spot capacity there of late: left alone until {UNTIL:%Y-%m-%dT%H:%M:%S}Z"


URGENT = Wish(Place("c5.xlarge", "use1-az1", Mode.SPOT), "x86_64", is_standby=True, is_urgent=True)


def _in_zones(*offers_there: tuple[str, float | None]) -> list[Offer]:
    """Offers of one type in the second zone and on, at these prices and boot times."""
    names = [f"use1-az{number}" for number in range(2, 2 + len(offers_there))]
    return [
        Offer(Place("c5.xlarge", zone, Mode.SPOT), Decimal(price), None, seconds)
        for zone, (price, seconds) in zip(names, offers_there, strict=True)
    ]


def test_what_boots_fastest_comes_before_what_costs_least_where_it_is_urgent() -> None:
    slow, fast, unknown = _in_zones(("0.01", 90.0), ("0.05", 31.0), ("0.02", None))

    ranking = rank_offers([slow, fast, unknown], URGENT, SHAPES)
    at_leisure = rank_offers([slow, fast, unknown], replace(URGENT, is_urgent=False), SHAPES)

    assert ranking.suitable == (fast, slow, unknown)
    assert at_leisure.suitable == (slow, unknown, fast)


def test_boot_times_that_hardly_differ_leave_it_to_the_price() -> None:
    dear, cheap = _in_zones(("0.05", 31.0), ("0.01", 34.0))

    assert rank_offers([dear, cheap], URGENT, SHAPES).suitable == (cheap, dear)


@given(offers, wishes(is_standby=True), shapes)
def test_no_boot_time_brings_a_standby_nearer_to_its_primary(given_offers: list[Offer], wish: Wish, known: dict[str, Shape]) -> None:
    ranking = rank_offers([replace(offer, cooling_until=None) for offer in given_offers], wish, known)

    fates = [shares_fate(offer.place, wish.primary) for offer in ranking.suitable]
    zones = [offer.place.az_id == wish.primary.az_id for offer in ranking.suitable if not shares_fate(offer.place, wish.primary)]
    assert fates == sorted(fates)
    assert zones == sorted(zones)
