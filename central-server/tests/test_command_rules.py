"""What is delivered, kept and recognized of commands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.commands.rules import (
    TRANSIENT_ERRORS,
    is_deliverable,
    is_same_outcome,
    payload_digest,
    payload_to_keep,
    without_secrets,
)
from spot_server.words import OPEN_COMMAND_STATUSES, CommandStatus

payloads = st.dictionaries(st.sampled_from(["user_data", "instance_id", "mode", "tags"]), st.text(max_size=5))


@given(st.sampled_from(CommandStatus), st.none() | st.floats(0, 60))
def test_a_command_is_handed_out_while_it_is_open_and_again_after_five_seconds(status: CommandStatus, seconds_ago: float | None) -> None:
    last_delivered_at = None if seconds_ago is None else START - timedelta(seconds=seconds_ago)

    deliverable = is_deliverable(status, last_delivered_at, START)

    is_due = last_delivered_at is None or START - last_delivered_at >= timedelta(seconds=5)
    assert deliverable == (status in OPEN_COMMAND_STATUSES and is_due)


@given(payloads)
def test_a_finished_command_keeps_no_secret(payload: dict[str, str]) -> None:
    kept = payload_to_keep(payload, {"outcome": "succeeded", "error": None, "result": {}})

    assert kept.get("user_data", "removed") == "removed"
    assert {key: value for key, value in kept.items() if key != "user_data"} == {
        key: value for key, value in payload.items() if key != "user_data"
    }


@pytest.mark.parametrize("error_class", sorted(TRANSIENT_ERRORS))
def test_what_may_be_asked_for_again_is_kept_whole(error_class: str) -> None:
    payload = {"user_data": "secret"}

    assert payload_to_keep(payload, {"outcome": "failed", "error": {"class": error_class}}) == payload


@given(payloads, payloads, st.sampled_from(["launch_instance", "quiesce"]), st.sampled_from(["launch_instance", "quiesce"]))
def test_the_digest_is_the_same_only_for_the_same_request(one: dict[str, str], other: dict[str, str], kind: str, other_kind: str) -> None:
    is_same = (one, kind) == (other, other_kind)

    assert (payload_digest(kind, one) == payload_digest(other_kind, other)) == is_same
    assert payload_digest(kind, dict(reversed(one.items()))) == payload_digest(kind, one)


@given(payloads)
def test_removing_secrets_twice_is_removing_them_once(payload: dict[str, str]) -> None:
    assert without_secrets(without_secrets(payload)) == without_secrets(payload)


@pytest.mark.parametrize(
    ("changed", "is_same"),
    [({}, True), ({"started_at": "later"}, True), ({"result": {"state": "gone"}}, False), ({"outcome": "failed"}, False)],
)
def test_an_outcome_is_the_same_whatever_its_times_say(changed: dict[str, Any], is_same: bool) -> None:
    recorded: dict[str, Any] = {"outcome": "succeeded", "error": None, "result": {}, "started_at": "then"}

    assert is_same_outcome(recorded, {**recorded, **changed}) is is_same
    assert not is_same_outcome(None, recorded)
