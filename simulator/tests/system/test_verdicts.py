"""The verdict after a storm can be guilty: each check fails for a doctored book."""

from typing import Any

import pytest

from system.verdict import abandoned_agents, event_faults, region_faults, replica_faults, role_faults, switch_faults


def event(sequence: int, kind: str = "heard", **data: Any) -> dict[str, Any]:
    return {"sequence": sequence, "kind": kind, "data": data}


def switch(number: int = 1, status: str = "completed", **values: Any) -> dict[str, Any]:
    return {"switch_id": f"s-{number}", "agent_id": "a-1", "request_id": f"r-{number}", "status": status, **values}


def replica(number: int = 1, status: str = "promoted") -> dict[str, Any]:
    return {"replica_id": f"p-{number}", "request_id": f"r-{number}", "status": status}


def instance(instance_id: str, **tags: str) -> dict[str, Any]:
    return {"instance_id": instance_id, "tags": {f"spot-optimizer:{key.replace('_', '-')}": value for key, value in tags.items()}}


def test_books_without_faults_are_acquitted() -> None:
    events = [event(1, "switch_started", switch_id="s-1"), event(2, "command_issued", command_id="c-1"), event(3)]
    state = {"instances": [instance("i-1", replica_id="p-1", launch_token="t-1"), instance("i-2")], "images": [{"name": "x"}]}

    assert event_faults(events) == []
    assert switch_faults([switch(1), switch(2, "rolled_back")], {"r-1": "s-1"}) == []
    assert replica_faults([replica()], {"r-1": "p-1"}) == []
    assert region_faults(state) == []
    assert role_faults([{"agent_id": "a-1", "role": "PRIMARY"}, {"agent_id": "a-1", "role": "ZOMBIE"}], ["a-1"]) == []


@pytest.mark.parametrize(
    ("events", "word"),
    [
        ([event(1), event(3)], "3 where 2 was due"),
        ([event(1), event(1)], "1 where 2 was due"),
        ([event(2)], "2 where 1 was due"),
        ([event(1, "command_issued", command_id="c"), event(2, "command_issued", command_id="c")], "command_issued of command c"),
        ([event(1, "command_finished", command_id="c"), event(2, "command_finished", command_id="c")], "command_finished of command c"),
        ([event(1, "switch_started", switch_id="s"), event(2, "switch_started", switch_id="s")], "switch_started of switch s"),
        ([event(1, "switch_completed", switch_id="s"), event(2, "switch_completed", switch_id="s")], "switch_completed of switch s"),
    ],
)
def test_events_that_are_missing_or_doubled_are_found(events: list[dict[str, Any]], word: str) -> None:
    (found,) = event_faults(events)

    assert word in found


@pytest.mark.parametrize(
    ("switches", "acknowledged", "word"),
    [
        ([switch(status="running")], {}, "switch s-1 is running"),
        ([switch(1), switch(2, request_id="r-1")], {}, "is there 2 times"),
        ([], {"r-1": "s-1"}, "acknowledged as switch s-1, the history has None"),
        ([switch(2, request_id="r-1")], {"r-1": "s-1"}, "the history has s-2"),
    ],
)
def test_switches_that_are_open_doubled_or_lost_are_found(switches: list[dict[str, Any]], acknowledged: dict[str, str], word: str) -> None:
    (found,) = switch_faults(switches, acknowledged)

    assert word in found


@pytest.mark.parametrize(
    ("replicas", "acknowledged", "word"),
    [([replica(status="ready")], {}, "replica p-1 is ready"), ([], {"r-1": "p-1"}, "acknowledged as replica p-1")],
)
def test_replicas_that_are_open_or_lost_are_found(replicas: list[dict[str, Any]], acknowledged: dict[str, str], word: str) -> None:
    (found,) = replica_faults(replicas, acknowledged)

    assert word in found


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ({"instances": [instance("i-1", replica_id="p"), instance("i-2", replica_id="p")], "images": []}, "replica p has the instances"),
        ({"instances": [instance("i-1", launch_token="t"), instance("i-2", launch_token="t")], "images": []}, "launch token t made"),
        ({"instances": [], "images": [{"name": "x"}, {"name": "x"}]}, "an image of the name x is there 2 times"),
    ],
)
def test_what_ec2_has_twice_is_found(state: dict[str, Any], word: str) -> None:
    (found,) = region_faults(state)

    assert word in found


@pytest.mark.parametrize("roles", [[], ["ZOMBIE"], ["PRIMARY", "PRIMARY"]])
def test_an_agent_without_exactly_one_primary_is_found(roles: list[str]) -> None:
    (found,) = role_faults([{"agent_id": "a-1", "role": role} for role in roles], ["a-1"])

    assert "agent a-1 has" in found


def taken(instance_id: str = "i-1", **values: Any) -> dict[str, Any]:
    return {"instance_id": instance_id, "state": "terminated", "notice": {"action": "terminate"}, **values}


def failed_rescue(**values: Any) -> dict[str, Any]:
    return switch(status="failed", **{"trigger": "notice", "failed_step": "launch", "from_instance_id": "i-1", **values})


PRIMARY = {"agent_id": "a-1", "instance_id": "i-1", "role": "PRIMARY"}


def test_an_agent_is_abandoned_when_ec2_took_its_primary_and_the_server_says_that_nobody_could_launch_another() -> None:
    assert abandoned_agents([failed_rescue()], [PRIMARY], {"instances": [taken()]}) == {"a-1"}


@pytest.mark.parametrize(
    ("rescue", "primary", "gone"),
    [
        pytest.param({"status": "running"}, {}, {}, id="a rescue that never ends"),
        pytest.param({"failed_step": "start"}, {}, {}, id="a rescue that failed later"),
        pytest.param({"trigger": "manual"}, {}, {}, id="no rescue at all"),
        pytest.param({}, {"instance_id": "i-2"}, {}, id="another instance serves"),
        pytest.param({}, {}, {"state": "running"}, id="the primary is there"),
        pytest.param({}, {}, {"notice": None}, id="the primary was lost without a notice"),
    ],
)
def test_whoever_could_have_been_brought_back_is_not_abandoned(rescue: Any, primary: Any, gone: Any) -> None:
    assert abandoned_agents([failed_rescue() | rescue], [PRIMARY | primary], {"instances": [taken() | gone]}) == set()
