"""Any sequence of what can happen to roles, on a real database: one PRIMARY, one new epoch for each promotion, and no word of a loser."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from sqlalchemy import Engine, func, select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.machines import play_machine
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, events
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.rules import TRANSITIONS, IllegalTransition, RoleEvent
from spot_server.features.instances.service import change_role, promote
from spot_server.words import Role

pytestmark = pytest.mark.long

CHANGES = (RoleEvent.RETIRED, RoleEvent.TERMINATED, RoleEvent.SUPERSEDED, RoleEvent.CAME_UNWANTED)
"""What happens to one instance at a time. A release belongs to the agent's deletion."""


class RoleMachine(RuleBasedStateMachine):
    """An agent, and a model of it that is a dictionary of roles and a number."""

    known = Bundle("known")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.fleet = Fleet.on(database)
        self.agent = self.fleet.agent()
        self.roles: dict[str, Role] = {"i-1": Role.PRIMARY}
        self.epoch = 1
        self.told = 0

    @rule(target=known)
    def the_first(self) -> str:
        return "i-1"

    @rule(target=known, count=st.integers(1, 3))
    def replicas_register(self, count: int) -> Any:
        new = [f"i-{len(self.roles) + 1 + index}" for index in range(count)]
        for instance_id in new:
            self.fleet.replica_in_place(self._now(), instance_id)
            self.roles[instance_id] = Role.REPLICA
        return multiple(*new)

    @rule(instance_id=known, event=st.sampled_from(CHANGES))
    def something_happens_to_one(self, instance_id: str, event: RoleEvent) -> None:
        def act(tx: Any) -> Role:
            return change_role(tx, agent_id=self.agent.agent_id, instance_id=instance_id, event=event, reason="a test", by="test")

        expected = TRANSITIONS.get((self.roles[instance_id], event))
        if expected is None:
            with pytest.raises(IllegalTransition):
                self.fleet.database.write(act)
        else:
            assert self.fleet.database.write(act) is expected
            self.roles[instance_id] = expected

    @rule(instance_id=known, undo=st.booleans())
    def one_is_promoted(self, instance_id: str, undo: bool) -> None:
        if not self._may_become_primary(instance_id, undo=undo):
            with pytest.raises(IllegalTransition):
                self._promote(self._now(), instance_id, undo=undo)
            return
        assert self._promote(self._now(), instance_id, undo=undo) == self.epoch + 1
        self._promoted(instance_id)

    @rule(instance_id=known)
    def one_is_promoted_by_a_decision_that_is_old(self, instance_id: str) -> None:
        before = self._now()
        other = next((name for name in self.roles if self._may_become_primary(name, undo=False)), None)
        if other is None or other == instance_id:
            return
        assert self._promote(before, other) == self.epoch + 1
        self._promoted(other)

        with suppress(IllegalTransition):  # what the other promotion made of its role may say so first
            assert self._promote(before, instance_id) is None

    @rule(first=consumes(known), second=known)
    def two_are_promoted_at_the_same_moment(self, first: str, second: str) -> None:
        if first == second or not all(self._may_become_primary(name, undo=False) for name in (first, second)):
            return
        before = self._now()
        results = at_once([lambda: self._promote(before, first), lambda: self._promote(before, second)])

        assert sorted(results, key=str) == sorted([self.epoch + 1, None], key=str), results
        self._promoted(first if results[0] is not None else second)

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        now = self._now()
        assert (now.epoch, self.fleet.roles(now)) == (self.epoch, self.roles)
        assert list(self.roles.values()).count(Role.PRIMARY) <= 1

    @invariant()
    def every_promotion_was_told_and_audited_once(self) -> None:
        mine = (events.c.agent_id == self.agent.agent_id, events.c.kind == "promoted")
        audited = (audit_logs.c.agent_id == self.agent.agent_id, audit_logs.c.action.like("agent.%"))
        counts = [select(func.count()).select_from(events).where(*mine), select(func.count()).select_from(audit_logs).where(*audited)]

        told, noted = (self.fleet.scalars(statement)[0] for statement in counts)
        assert (told, noted - self._audited_at_start()) == (self.told, self.told)

    def _audited_at_start(self) -> int:
        other = (audit_logs.c.agent_id == self.agent.agent_id, audit_logs.c.action.like("agent.%"))
        ours = audit_logs.c.action.not_in([f"agent.{event}" for event in (RoleEvent.PROMOTED, RoleEvent.RESTORED)])
        count: int = self.fleet.scalars(select(func.count()).select_from(audit_logs).where(*other, ours))[0]
        return count

    def _now(self) -> Agent:
        return self.fleet.reload(self.agent)

    def _may_become_primary(self, instance_id: str, *, undo: bool) -> bool:
        event = RoleEvent.RESTORED if undo else RoleEvent.PROMOTED
        return TRANSITIONS.get((self.roles[instance_id], event)) is Role.PRIMARY

    def _promote(self, agent: Agent, instance_id: str, *, undo: bool = False) -> int | None:
        def act(tx: Any) -> int | None:
            event = RoleEvent.RESTORED if undo else RoleEvent.PROMOTED
            return promote(
                tx, agent=agent, new_instance_id=instance_id, expected_epoch=agent.epoch, by="test", reason="a test", event=event
            )

        return self.fleet.database.write(act)

    def _promoted(self, instance_id: str) -> None:
        self.roles = {name: Role.ZOMBIE if role is Role.PRIMARY else role for name, role in self.roles.items()}
        self.roles[instance_id] = Role.PRIMARY
        self.epoch += 1
        self.told += 1


def test_whatever_happens_to_roles_there_is_one_primary_and_one_epoch_for_each(engine: Engine, clock: FakeClock) -> None:
    """Waiting for a lock takes real time here."""
    database = Database(engine, clock=clock, sleeper=SystemClock())
    play_machine(engine, lambda: RoleMachine(database), histories=20, steps=25)
