"""Which AWS calls a game day says that its response leads to."""

from __future__ import annotations

import pytest

from spot_server.features.game_days.response_calls import CALLS_OF_HANDLES, response_calls
from spot_server.features.switches.plans import plan_promotion, plan_rescue
from spot_server.words import Carry, HandleKind, StepName

HOLD = (StepName.LAUNCH, StepName.BOOT)


def test_a_rescue_names_what_it_launches_moves_saves_and_ends() -> None:
    calls = response_calls(plan_rescue(Carry.STATELESS), [HandleKind.ELASTIC_IP], is_hold=False, is_salvaged=True)

    kept = ["CreateTags (volumes are kept, as their owner's)", "ModifyInstanceAttribute (volumes are kept)"]
    assert calls[:4] == [*kept, "CreateSnapshots", "RunInstances"]
    assert {"AssociateAddress", "TerminateInstances (of an old instance that EC2 did not end)"} <= set(calls)
    assert len(calls) == len(set(calls))


def test_a_handover_to_a_standby_launches_nothing_and_moves_the_volumes() -> None:
    calls = response_calls(plan_promotion(Carry.VOLUME), [], is_hold=False, is_salvaged=False)

    assert "RunInstances" not in calls
    assert calls.index("DetachVolume") < calls.index("AttachVolume")
    assert not any("Address" in call for call in calls)


@pytest.mark.parametrize("kind", HandleKind)
def test_every_handle_is_moved_by_its_own_calls_only(kind: HandleKind) -> None:
    calls = set(response_calls(plan_rescue(Carry.STATELESS), [kind], is_hold=False, is_salvaged=False))
    others = {call for other in HandleKind if other is not kind for call in CALLS_OF_HANDLES[other]}

    assert set(CALLS_OF_HANDLES[kind]) <= calls
    assert not calls & others


def test_a_hold_makes_a_replica_and_ends_it_and_a_replica_that_is_there_is_only_held() -> None:
    held = response_calls(HOLD, [HandleKind.ELASTIC_IP], is_hold=True, is_salvaged=False)

    assert held == ["RunInstances", "DescribeInstances", "TerminateInstances (when the hold is over)"]
    assert response_calls((), [HandleKind.ELASTIC_IP], is_hold=True, is_salvaged=False) == []
