"""Any sequence of what happens to commands, on a real database: delivered until answered, most urgent first, and answered once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from sqlalchemy import Engine, select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.machines import play_machine
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import commands, events
from spot_server.errors import NotFound, OutcomeDiffers, RequestIdReused
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import ledger, service
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.rules import REDELIVERY_AFTER_SECONDS
from spot_server.features.commands.service import CommandOutcome
from spot_server.words import PRIORITY_DECISION, PRIORITY_EMERGENCY, PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus

pytestmark = pytest.mark.long

INSTANCES = ("i-1", "i-2")
PRIORITIES = (PRIORITY_EMERGENCY, PRIORITY_DECISION, PRIORITY_HOUSEKEEPING)
REQUESTS = tuple(f"request-{number}" for number in range(12))
OPEN = frozenset({CommandStatus.QUEUED, CommandStatus.DELIVERED})
FAILURE = {"class": "hook_failed", "code": None, "message": "injected"}


@dataclass
class Modelled:
    """What the queue should know of a command."""

    new: NewCommand
    command_id: str
    issued_at: datetime
    status: CommandStatus = CommandStatus.QUEUED
    delivered_at: datetime | None = None
    answer: dict[str, Any] | None = None
    events: Counter[str] = field(default_factory=lambda: Counter({"command_issued": 1}))


def answer_of(number: int, *, succeeds: bool) -> dict[str, Any]:
    """One of the answers that a daemon may give; what nothing else follows from."""
    told = {"outcome": "succeeded", "error": None} if succeeds else {"outcome": "failed", "error": FAILURE}
    return {**told, "result": {"number": number}}


answers = st.builds(answer_of, st.integers(0, 1), succeeds=st.booleans())
payloads = st.sampled_from([{"instance_id": "i-1"}, {"instance_id": "i-2"}])


class CommandQueueMachine(RuleBasedStateMachine):
    """The commands of one agent with two instances."""

    known = Bundle("known")

    def __init__(self, database: Database, clock: FakeClock) -> None:
        super().__init__()
        self.database, self.clock = database, clock
        self.fleet = Fleet.on(database)
        self.agent = self.fleet.agent()
        self.fleet.add_instance(self.agent, "i-2")
        self.model: dict[str, Modelled] = {}

    @rule(
        target=known,
        request_id=st.sampled_from(REQUESTS),
        instance_id=st.sampled_from(INSTANCES),
        priority=st.sampled_from(PRIORITIES),
        payload=payloads,
    )
    def one_is_issued(self, request_id: str, instance_id: str, priority: int, payload: dict[str, Any]) -> str:
        self.clock.advance(0.001)
        new = self._new(request_id, instance_id, priority, payload)
        earlier = self.model.get(request_id)
        if earlier is not None and earlier.new.payload != payload:
            with pytest.raises(RequestIdReused):
                self._issue(new)
        else:
            self._issued(new, self._issue(new))
        return request_id

    @rule(target=known, request_id=st.sampled_from(REQUESTS), wanted=st.tuples(payloads, payloads))
    def two_ask_for_the_same_at_the_same_moment(self, request_id: str, wanted: tuple[dict[str, Any], dict[str, Any]]) -> str:
        self.clock.advance(0.001)
        both = [self._new(request_id, "i-1", PRIORITY_DECISION, payload) for payload in wanted]
        results = at_once([partial(self._issue, new) for new in both])

        for new, result in zip(both, results, strict=True):
            if isinstance(result, str):
                self._issued(new, result)
        kept = self.model[request_id]
        for new, result in zip(both, results, strict=True):
            assert (result == kept.command_id) if new.payload == kept.new.payload else isinstance(result, RequestIdReused), results
        return request_id

    @rule(instance_id=st.sampled_from(INSTANCES))
    def a_daemon_polls(self, instance_id: str) -> None:
        due = [one for one in self.model.values() if one.new.instance_id == instance_id and self._is_due(one)]
        due.sort(key=lambda one: (-one.new.priority, one.issued_at))

        taken = self.database.write(lambda tx: service.take_pending(tx, self.agent.agent_id, instance_id))

        assert [command.command_id for command in taken] == [one.command_id for one in due]
        for one in due:
            one.status, one.delivered_at = CommandStatus.DELIVERED, self.clock.now()

    @rule(request_id=known, answer=answers)
    def a_daemon_answers(self, request_id: str, answer: dict[str, Any]) -> None:
        one = self.model.get(request_id)
        if one is None:
            return
        if one.status in OPEN:
            assert self._answer(one, answer) is self._after(answer)
            self._answered(one, answer)
        elif one.answer is None:
            assert self._answer(one, answer) is one.status, "evidence, not a change of status"
            one.answer = answer
        elif one.answer == answer:
            assert self._answer(one, answer) is one.status
        else:
            with pytest.raises(OutcomeDiffers):
                self._answer(one, answer)

    @rule(request_id=known, first=answers, second=answers)
    def two_answers_come_at_the_same_moment(self, request_id: str, first: dict[str, Any], second: dict[str, Any]) -> None:
        one = self.model.get(request_id)
        if one is None or one.status not in OPEN:
            return None
        results = at_once([partial(self._answer, one, first), partial(self._answer, one, second)])

        if first == second:
            assert results == [self._after(first)] * 2
            return self._answered(one, first)
        assert [isinstance(result, OutcomeDiffers) for result in results].count(True) == 1, results
        return self._answered(one, second if isinstance(results[0], OutcomeDiffers) else first)

    @rule(request_id=known, answer=answers)
    def the_daemon_of_another_instance_answers(self, request_id: str, answer: dict[str, Any]) -> None:
        one = self.model.get(request_id)
        if one is None:
            return
        other = next(name for name in INSTANCES if name != one.new.instance_id)
        with pytest.raises(NotFound):
            self._answer(one, answer, instance_id=other)

    @rule(request_id=known, status=st.sampled_from([CommandStatus.EXPIRED, CommandStatus.CANCELLED]))
    def one_is_given_up(self, request_id: str, status: CommandStatus) -> None:
        one = self.model.get(request_id)
        if one is None:
            return
        self.database.write(lambda tx: ledger.give_up(tx, one.command_id, status=status, reason="a test"))
        if one.status in OPEN:
            one.status = status
            one.events["command_given_up"] += 1

    @rule(seconds=st.sampled_from([0.5, 2.0, 5.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        columns = (commands.c.command_id, commands.c.status, commands.c.outcome, commands.c.open_instance_id)
        mine = select(*columns).where(commands.c.agent_id == self.agent.agent_id, commands.c.request_id.in_(REQUESTS))
        rows = {row.command_id: row for row in self.database.read(lambda tx: tx.execute(mine).all())}

        assert rows.keys() == {one.command_id for one in self.model.values()}
        for one in self.model.values():
            row = rows[one.command_id]
            kept = None if row.outcome is None else {name: row.outcome[name] for name in ("outcome", "error", "result")}
            assert (row.status, kept) == (one.status, one.answer)
            assert (row.open_instance_id is not None) == (one.status in OPEN)

    @invariant()
    def everything_was_told_once(self) -> None:
        told = select(events.c.data, events.c.kind).where(events.c.agent_id == self.agent.agent_id, events.c.kind.like("command_%"))
        counts: dict[str, Counter[str]] = {one.command_id: Counter() for one in self.model.values()}
        for row in self.database.read(lambda tx: tx.execute(told).all()):
            if row.data["command_id"] in counts:
                counts[row.data["command_id"]][row.kind] += 1

        assert counts == {one.command_id: one.events for one in self.model.values()}

    def _new(self, request_id: str, instance_id: str, priority: int, payload: dict[str, Any]) -> NewCommand:
        return NewCommand(
            client_id=self.agent.client_id,
            agent_id=self.agent.agent_id,
            instance_id=instance_id,
            request_id=request_id,
            kind=CommandKind.DESCRIBE_INSTANCE,
            priority=priority,
            epoch=1,
            payload=payload,
        )

    def _issue(self, new: NewCommand) -> str:
        """As every use case does: with the agent's row held."""

        def act(tx: Any) -> str:
            load_agent(tx, self.agent.agent_id, for_update=True)
            return ledger.issue(tx, new)

        return self.database.write(act)

    def _issued(self, new: NewCommand, command_id: str) -> None:
        known = self.model.setdefault(new.request_id, Modelled(new, command_id, self.clock.now()))
        assert known.command_id == command_id

    def _is_due(self, one: Modelled) -> bool:
        if one.status not in OPEN:
            return False
        return one.delivered_at is None or self.clock.now() - one.delivered_at >= timedelta(seconds=REDELIVERY_AFTER_SECONDS)

    def _answer(self, one: Modelled, answer: dict[str, Any], *, instance_id: str | None = None) -> CommandStatus:
        outcome = CommandOutcome(request_id=one.new.request_id, started_at=None, finished_at=None, **answer)
        from_instance_id = instance_id or one.new.instance_id
        return self.database.write(lambda tx: service.record_outcome(tx, self.agent.agent_id, from_instance_id, one.command_id, outcome))

    @staticmethod
    def _after(answer: dict[str, Any]) -> CommandStatus:
        return CommandStatus.SUCCEEDED if answer["outcome"] == "succeeded" else CommandStatus.FAILED

    def _answered(self, one: Modelled, answer: dict[str, Any]) -> None:
        one.status, one.answer = self._after(answer), answer
        one.events["command_finished"] += 1


def test_whatever_happens_to_commands_each_is_delivered_until_it_is_answered_once(engine: Engine, clock: FakeClock) -> None:
    """Waiting for a lock takes real time here."""
    database = Database(engine, clock=clock, sleeper=SystemClock())
    play_machine(engine, lambda: CommandQueueMachine(database, clock), histories=20, steps=40)
