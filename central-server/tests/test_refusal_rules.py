"""What a refused launch speaks of, and that no refusal keeps a rescue from the one place that would have it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.replicas.placement import Place, Shape, Wish, list_offers, rank_offers
from spot_server.features.replicas.refusal_rules import EVERYWHERE_REFUSALS, SUBNETS_GONE, Scope, is_ec2s_word, places_left_out, quota_group
from spot_server.features.replicas.rules import (
    LAUNCH_RETRY_SECONDS,
    AskAnother,
    LaunchAnswer,
    LaunchFacts,
    NoteInstance,
    TryElsewhere,
    Wait,
    decide_launch,
)
from spot_server.policy import MovePolicy
from spot_server.words import CommandStatus, Mode, ReplicaStatus

POLICY = MovePolicy()
VCPUS = {"m5.large": 2, "m5a.large": 2, "m5.xlarge": 4, "c5.large": 2, "g4dn.xlarge": 4, "p3.2xlarge": 8}
ZONES = ("az1", "az2", "az3")
PLACES = [Place(kind, zone, mode) for kind, zone, mode in product(VCPUS, ZONES, (Mode.SPOT, Mode.ON_DEMAND))]
PRIMARY = Place("m5.large", "az1", Mode.SPOT)


@pytest.mark.parametrize(
    ("group", "instance_types"),
    [
        (
            "standard",
            ["m5.large", "c7gn.medium", "t3.nano", "im4gn.large", "is4gen.large", "i3en.large", "d3en.large", "z1d.large"],
        ),
        ("g4dn", ["g4dn.xlarge"]),
        ("inf2", ["inf2.xlarge"]),
        ("hpc7a", ["hpc7a.12xlarge"]),
        ("mac1", ["mac1.metal"]),
        ("u-6tb1", ["u-6tb1.metal"]),
        ("u7i-12tb", ["u7i-12tb.224xlarge"]),
    ],
)
def test_the_standard_families_share_a_quota_and_any_other_has_its_own(group: str, instance_types: list[str]) -> None:
    assert {quota_group(name) for name in instance_types} == {group}


@given(st.sampled_from(PLACES), st.sampled_from(Scope))
def test_what_is_left_out_begins_with_the_place_itself_and_names_none_twice(refused: Place, scope: Scope) -> None:
    left_out = places_left_out(refused, scope, PLACES, VCPUS)

    assert left_out[0] == refused.key
    assert len(set(left_out)) == len(left_out)


@given(st.sampled_from(PLACES))
def test_a_quota_leaves_the_other_mode_other_families_and_smaller_types(refused: Place) -> None:
    left_out = set(places_left_out(refused, Scope.QUOTA, PLACES, VCPUS))

    for place in PLACES:
        is_other = place.mode is not refused.mode or quota_group(place.instance_type) != quota_group(refused.instance_type)
        is_smaller = VCPUS[place.instance_type] < VCPUS[refused.instance_type]
        assert (place.key in left_out) == (not is_other and not is_smaller)


def test_of_a_type_whose_size_nobody_knows_the_whole_group_is_left_out() -> None:
    spot = [place.key for place in PLACES if place.mode is Mode.SPOT and quota_group(place.instance_type) == "standard"]

    assert sorted(places_left_out(PRIMARY, Scope.QUOTA, PLACES, {})) == sorted(spot)


@given(st.sampled_from(PLACES))
def test_a_subnet_is_that_of_every_place_of_its_zone_and_of_no_other(refused: Place) -> None:
    left_out = places_left_out(refused, Scope.ZONE, PLACES, VCPUS)

    assert sorted(left_out) == sorted(place.key for place in PLACES if place.az_id == refused.az_id)


@pytest.mark.parametrize("code", ["NeverHeardOfIt", "InvalidParameterValue", "Client.Novelty"])
def test_a_code_of_ec2_is_known_as_such(code: str) -> None:
    assert is_ec2s_word(code)


@pytest.mark.parametrize("code", [None, "", "journal_unwritable", "KeyError", "IndexError", "OSError"])
def test_what_went_wrong_in_whoever_asked_is_not_ec2s_word(code: str | None) -> None:
    assert not is_ec2s_word(code)


def test_no_code_speaks_of_a_subnet_and_of_everything() -> None:
    assert not EVERYWHERE_REFUSALS & SUBNETS_GONE


quotas = st.tuples(st.sampled_from(["standard", "g4dn", "p3"]), st.sampled_from([Mode.SPOT, Mode.ON_DEMAND]))
refusals = st.sampled_from(["capacity", "price", "pool_invalid", "not_found", "unexpected", None])


@given(
    st.lists(refusals, min_size=len(PLACES), max_size=len(PLACES)),
    st.sets(st.sampled_from(ZONES)),
    st.dictionaries(quotas, st.integers(0, 4)),
    st.sets(st.sampled_from(PLACES)),
)
def test_a_rescue_finds_a_place_whenever_there_is_one(
    told: list[str | None], zones_without_subnet: set[str], vcpus_left: dict[tuple[str, Mode], int], cooling: set[Place]
) -> None:
    answers = dict(zip(PLACES, told, strict=True))
    for place in PLACES:
        if VCPUS[place.instance_type] > vcpus_left.get((quota_group(place.instance_type), place.mode), 1000):
            answers[place] = "quota"
        if place.az_id in zones_without_subnet:
            answers[place] = "subnet"

    found, asked_count = _walk(answers, frozenset(cooling))

    had = {place for place in PLACES if answers[place] is None and place != PRIMARY}
    assert (found in had) if had else found is None
    assert asked_count < POLICY.max_launch_attempts


def test_all_that_an_agent_may_have_is_tried_although_every_answer_is_unknown() -> None:
    """Twenty types in four zones, the primary's own pool left out: at one try for each there must be attempts for all."""
    kinds, zones = [f"m{number}.large" for number in range(20)], ("az1", "az2", "az3", "az4")
    places = [Place(kind, zone, mode) for kind, zone, mode in product(kinds, zones, (Mode.SPOT, Mode.ON_DEMAND))]
    answers: dict[Place, str | None] = dict.fromkeys(places, "unexpected")
    # The primary's own stock, on demand, is what a rescue asks for last of all.
    last = Place("m0.large", "az1", Mode.ON_DEMAND)
    answers[last] = None

    found, asked_count = _walk(answers, frozenset(), primary=Place("m0.large", "az1", Mode.SPOT))

    assert found == last
    assert asked_count < POLICY.max_launch_attempts


def _walk(answers: dict[Place, str | None], cooling: frozenset[Place], primary: Place = PRIMARY) -> tuple[Place | None, int]:
    """Follow one rescue through a region that answers so; return where it got its instance, and how often it asked."""
    kinds, zones = {place.instance_type for place in answers}, {place.az_id for place in answers}
    shapes = {kind: Shape(VCPUS.get(kind, 2), 8192, frozenset({"x86_64"})) for kind in kinds}
    until = {(place.instance_type, place.az_id): START + timedelta(seconds=180) for place in cooling if place.mode is Mode.SPOT}
    offers = list_offers(instance_types=kinds, az_ids=zones, spot_usd_per_hour={}, on_demand_usd_per_hour={}, cooling_until=until)
    wish = Wish(primary=primary, architecture="x86_64", is_standby=True, is_last_resort=True, is_urgent=True)
    rejected: list[str] = []
    now, attempt = START, 0
    while suitable := rank_offers(offers, replace(wish, excluded=frozenset(rejected)), shapes).suitable:
        place, ask_number, attempt = suitable[0].place, 1, attempt + 1
        while True:
            decision = decide_launch(_facts(place, answers[place], attempt, ask_number, now), POLICY)
            if isinstance(decision, Wait):
                now += timedelta(seconds=LAUNCH_RETRY_SECONDS)
                decision = decide_launch(_facts(place, answers[place], attempt, ask_number, now, waited=True), POLICY)
            if not isinstance(decision, AskAnother):
                break
            ask_number, attempt = ask_number + 1, attempt + 1
        if isinstance(decision, NoteInstance):
            return place, attempt
        assert isinstance(decision, TryElsewhere), decision
        vcpus = {kind: shape.vcpu for kind, shape in shapes.items()}
        rejected = [*rejected, *places_left_out(place, decision.scope, answers, vcpus)]
    return None, attempt


def _facts(place: Place, error_class: str | None, attempt: int, ask_number: int, now: datetime, *, waited: bool = False) -> LaunchFacts:
    seconds = LAUNCH_RETRY_SECONDS if waited else 0
    return LaunchFacts(
        status=ReplicaStatus.LAUNCHING,
        instance_id=None,
        is_gone=False,
        created_at=START,
        launched_at=None,
        mode=place.mode,
        attempt=attempt,
        launch=LaunchAnswer(
            status=CommandStatus.SUCCEEDED if error_class is None else CommandStatus.FAILED,
            instance_id="i-2" if error_class is None else None,
            error_class=error_class,
            error_text="why",
            deadline_at=None,
            finished_at=now - timedelta(seconds=seconds),
            is_actor_reachable=True,
            is_ec2s_word=True,
            ask_number=ask_number,
        ),
        now=now,
    )
