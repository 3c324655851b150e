"""Where instances are ready soonest, by what earlier ones took."""

from __future__ import annotations

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.replicas.boot_rules import LEAST_BOOTS, Boot, expected_boot_seconds

TYPES = ("m5.large", "m5a.large", "c5.xlarge")
ZONES = ("use1-az1", "use1-az2")
POOLS = [(kind, zone) for kind in TYPES for zone in ZONES]

boots = st.lists(st.builds(Boot, st.sampled_from(TYPES), st.sampled_from(ZONES), st.floats(-60, 900, allow_nan=False)), max_size=40)


@given(boots)
def test_an_expectation_is_a_median_of_enough_boots_of_the_pool_or_else_of_its_type(given_boots: list[Boot]) -> None:
    found = expected_boot_seconds(given_boots, POOLS)

    for kind, zone in POOLS:
        of_type = [boot.seconds for boot in given_boots if boot.instance_type == kind and boot.seconds > 0]
        of_pool = [boot.seconds for boot in given_boots if (boot.instance_type, boot.az_id) == (kind, zone) and boot.seconds > 0]
        told = of_pool if len(of_pool) >= LEAST_BOOTS else of_type
        assert found.get((kind, zone)) == (median(told) if len(told) >= LEAST_BOOTS else None)


def test_one_boot_that_hung_does_not_make_a_pool_slow() -> None:
    given_boots = [Boot("m5.large", "use1-az1", seconds) for seconds in (30, 31, 32, 900)]

    assert expected_boot_seconds(given_boots, POOLS)["m5.large", "use1-az1"] == 31.5


def test_times_that_two_clocks_made_negative_are_left_out() -> None:
    assert expected_boot_seconds([Boot("m5.large", "use1-az1", -1.0)] * LEAST_BOOTS, POOLS) == {}
