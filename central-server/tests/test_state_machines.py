"""Every state machine is one table: each pair is in it or refused, everything has a meaning, and the document is current."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from spot_server.errors import StateConflict
from spot_server.features.commands import rules as commands
from spot_server.features.commands.actors import ACTOR_TABLE, Act, Candidate
from spot_server.features.instances import rules as instances
from spot_server.features.interruptions.rules import RESPONSE_MEANINGS, Response
from spot_server.features.replicas import rules as replicas
from spot_server.features.switches import plans, status_rules
from spot_server.generated import STATE_MACHINE_PATH
from spot_server.state_machines import render_markdown
from spot_server.words import (
    ACTIVE_SWITCH_STATUSES,
    LIVE_REPLICA_STATUSES,
    OPEN_COMMAND_STATUSES,
    CommandStatus,
    HandleKind,
    ReplicaStatus,
    Role,
    StepName,
    StepStatus,
    SwitchStatus,
)

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Machine:
    """One table with its function, as the tests walk it. `ends` are the states that nothing leaves for another."""

    name: str
    states: tuple[Any, ...]
    events: tuple[StrEnum, ...]
    transitions: Mapping[tuple[Any, Any], Any]
    follow: Callable[[Any, Any], Any]
    state_meanings: Mapping[Any, str]
    event_meanings: Mapping[Any, str]
    ends: frozenset[Any]


MACHINES = (
    Machine(
        "roles",
        (None, *Role),
        tuple(instances.RoleEvent),
        instances.TRANSITIONS,
        instances.next_role,
        instances.ROLE_MEANINGS,
        instances.EVENT_MEANINGS,
        frozenset({Role.TERMINATED}),
    ),
    Machine(
        "replicas",
        tuple(ReplicaStatus),
        tuple(replicas.ReplicaEvent),
        replicas.REPLICA_TRANSITIONS,
        replicas.next_replica_status,
        replicas.REPLICA_MEANINGS,
        replicas.REPLICA_EVENT_MEANINGS,
        frozenset({ReplicaStatus.TERMINATED, ReplicaStatus.FAILED}),
    ),
    Machine(
        "switches",
        tuple(SwitchStatus),
        tuple(status_rules.SwitchEvent),
        status_rules.SWITCH_TRANSITIONS,
        status_rules.next_switch_status,
        status_rules.SWITCH_MEANINGS,
        status_rules.SWITCH_EVENT_MEANINGS,
        frozenset(SwitchStatus) - ACTIVE_SWITCH_STATUSES,
    ),
    Machine(
        "commands",
        tuple(CommandStatus),
        tuple(commands.CommandEvent),
        commands.COMMAND_TRANSITIONS,
        commands.next_command_status,
        commands.COMMAND_MEANINGS,
        commands.COMMAND_EVENT_MEANINGS,
        frozenset(CommandStatus) - OPEN_COMMAND_STATUSES,
    ),
)
PAIRS = [(machine, state, event) for machine in MACHINES for state, event in product(machine.states, machine.events)]


def test_the_committed_document_is_the_one_that_the_tables_give() -> None:
    committed = (REPOSITORY / STATE_MACHINE_PATH).read_text(encoding="utf-8")

    assert committed == render_markdown(), "run: spot-server state-machines"


@pytest.mark.parametrize(("machine", "state", "event"), PAIRS, ids=lambda value: getattr(value, "name", str(value)))
def test_each_pair_leads_where_its_table_says_or_is_refused(machine: Machine, state: Any, event: Any) -> None:
    expected = machine.transitions.get((state, event))

    if expected is None:
        with pytest.raises(StateConflict):
            machine.follow(state, event)
    else:
        assert machine.follow(state, event) is expected


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_every_state_and_event_has_a_meaning_and_every_event_can_happen(machine: Machine) -> None:
    told_events = {event for _state, event in machine.transitions}

    assert set(machine.state_meanings) == set(machine.states)
    assert set(machine.event_meanings) == set(machine.events)
    assert told_events == set(machine.events)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_nothing_leaves_an_end_and_every_other_state_can_reach_one(machine: Machine) -> None:
    leaving = {state for (state, _event), after in machine.transitions.items() if after is not state}
    reaching = set(machine.ends)
    for _round in machine.states:
        reaching |= {state for (state, _event), after in machine.transitions.items() if after in reaching}

    assert not leaving & machine.ends
    assert reaching == set(machine.states)


def test_the_sets_of_open_and_live_and_active_states_are_those_that_something_can_end() -> None:
    open_commands = {state for (state, event) in commands.COMMAND_TRANSITIONS if event is commands.CommandEvent.EXPIRED}
    live_replicas = {state for (state, event) in replicas.REPLICA_TRANSITIONS if event is replicas.ReplicaEvent.RETIRED}
    active_switches = {state for (state, event) in status_rules.SWITCH_TRANSITIONS if event is status_rules.SwitchEvent.ABANDONED}

    assert open_commands == OPEN_COMMAND_STATUSES
    assert live_replicas == LIVE_REPLICA_STATUSES
    assert active_switches == ACTIVE_SWITCH_STATUSES


def test_every_step_says_what_it_does_and_what_its_undo_is() -> None:
    assert set(plans.STEP_MEANINGS) == set(StepName)
    assert set(plans.UNDO_MEANINGS) == set(StepName)
    assert set(status_rules.STEP_STATUS_MEANINGS) == set(StepStatus)
    assert set(plans.UNDO_SPECS) < set(plans.STEP_SPECS)
    assert set(plans.MOVE_SPECS) == set(HandleKind)


def test_every_response_has_a_meaning_and_every_act_has_candidates() -> None:
    assert set(RESPONSE_MEANINGS) == set(Response)
    assert set(ACTOR_TABLE) == set(Act)
    assert {candidate for order in ACTOR_TABLE.values() for candidate in order} == set(Candidate)
