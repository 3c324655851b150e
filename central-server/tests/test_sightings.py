"""What daemons say of EC2 is read with care: what makes no sense is left out, and nothing is made up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.aws.ports import InstanceFacts
from spot_server.features.sweeper.sightings import (
    Report,
    Seen,
    instances_of_report,
    instances_of_role,
    merged,
    volumes_of_report,
)

ENTRY: dict[str, Any] = {
    "instance_id": "i-2",
    "state": "running",
    "launched_at": "2026-01-01T00:00:00Z",
    "client_id": "client-1",
    "agent_id": "agent-1",
    "replica_id": "replica-1",
    "launch_token": "token-1",
    "client_token": "token-1",
    "epoch": 3,
    "holds_address": False,
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ENTRY, "volume_id"]), inner, max_size=4),
    max_leaves=12,
)


def report(resources: Any, reporter_id: str = "i-1") -> Report:
    return Report("client-1", "agent-1", "web-1", reporter_id, START, resources)


def seen(entry: dict[str, Any], *, age_seconds: float = 0.0) -> Seen:
    (one,) = instances_of_report(report({"instances": [entry], "age_seconds": age_seconds}))
    return one


@given(st.dictionaries(st.sampled_from(["instances", "volumes", "age_seconds", "truncated"]), anything))
def test_nothing_that_a_daemon_says_can_break_the_round(resources: dict[str, Any]) -> None:
    for one in instances_of_report(report(resources)):
        assert 0 < len(one.sighting.instance_id) <= 64
        assert one.sighting.seen_at <= START
    for volume in volumes_of_report(report(resources)):
        assert 0 < len(volume.volume_id) <= 64


@given(st.sampled_from(sorted(ENTRY)), anything)
def test_one_field_that_makes_no_sense_is_unknown_and_not_guessed(name: str, value: Any) -> None:
    listed = instances_of_report(report({"instances": [{**ENTRY, name: value}], "age_seconds": 1}))

    for one in listed:
        sighting = one.sighting
        assert sighting.epoch is None or 0 <= sighting.epoch < 2**31
        assert sighting.launched_at is None or sighting.launched_at.tzinfo is not None
        assert sighting.holds_address in {None, True, False}


def test_a_look_is_as_old_as_the_daemon_said_when_it_was_heard() -> None:
    assert seen(ENTRY, age_seconds=120).sighting.seen_at == START - timedelta(seconds=120)


def test_a_daemon_of_an_earlier_version_says_nothing_that_could_be_judged() -> None:
    old = {"instance_id": "i-2", "state": "running", "launched_at": "2026-01-01T00:00:00Z"}

    assert instances_of_report(report({"instances": [old], "age_seconds": 1})) == []
    assert instances_of_report(report({"instances": [ENTRY]})) == []


def test_of_several_who_saw_it_the_last_is_believed_and_anyone_who_saw_it_hold_an_address() -> None:
    holder = seen({**ENTRY, "holds_address": True}, age_seconds=300)
    later = seen({**ENTRY, "state": "stopped"}, age_seconds=10)

    (one,) = merged([later, holder])

    assert (one.sighting.state, one.sighting.holds_address, one.sighting.seen_at) == ("stopped", True, later.sighting.seen_at)


def test_the_control_role_s_word_is_read_from_the_tags_and_the_launch() -> None:
    tags = {
        "spot-optimizer:client-id": "client-1",
        "spot-optimizer:agent-id": "agent-1",
        "spot-optimizer:replica-id": "replica-1",
        "spot-optimizer:launch-token": "token-1",
        "spot-optimizer:epoch": "3",
    }
    made = InstanceFacts("i-2", "running", None, START, None, "token-1", tags)

    (one,) = instances_of_role([made], frozenset(), START)

    assert one.sighting == seen(ENTRY).sighting
    assert one.logical_agent_id is None


def test_an_epoch_in_a_tag_that_is_no_number_is_unknown() -> None:
    epochs = ["", "three", "-1", "9" * 40, "\u0663"]
    found = [InstanceFacts(f"i-{number}", "running", tags={"spot-optimizer:epoch": text}) for number, text in enumerate(epochs)]

    assert [one.sighting.epoch for one in instances_of_role(found, frozenset(), START)] == [None] * len(epochs)
