"""Spot, on-demand, or unknown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.model import Mode
from spot_agent.ports import Absent, Found, Reading, Unknown
from spot_agent.rules.modes import agreed_mode, mode_from_api, mode_from_metadata

READINGS: st.SearchStrategy[Reading] = st.one_of(
    st.sampled_from(["spot", "on-demand", "scheduled", ""]).map(Found), st.just(Absent()), st.just(Unknown("hang"))
)


@given(READINGS, st.booleans(), st.sampled_from([None, "spot", "scheduled", "capacity-block"]))
def test_a_mode_is_known_only_if_all_who_say_it_say_the_same(reading: Reading, is_described: bool, lifecycle: str | None) -> None:
    metadata = mode_from_metadata(reading)
    api = mode_from_api(is_described=is_described, lifecycle=lifecycle)

    mode = agreed_mode(metadata, api)

    said = {one for one in (metadata, api) if one is not None}
    assert (metadata is None, api is None) == (not isinstance(reading, Found), not is_described)
    assert mode is Mode.UNKNOWN if len(said) != 1 else said == {mode}


def test_a_missing_lifecycle_is_on_demand_only_if_the_instance_was_described() -> None:
    assert mode_from_api(is_described=True, lifecycle=None) is Mode.ON_DEMAND
    assert mode_from_api(is_described=False, lifecycle=None) is None


def test_a_life_cycle_that_is_no_market_of_ours_is_unknown() -> None:
    assert mode_from_metadata(Found("capacity-block\n")) is Mode.UNKNOWN
    assert mode_from_metadata(Found("spot\n")) is Mode.SPOT
