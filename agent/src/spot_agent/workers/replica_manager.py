"""The replica manager's thread: slow commands, the way of a replica to ready, and what the heartbeats tell of EC2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spot_agent.clock import Clock
from spot_agent.commands import KINDS
from spot_agent.commands.standby_check import require_carry, require_standby
from spot_agent.errors import ActFailed, ServerFailed
from spot_agent.executor import Executor, Progress
from spot_agent.journal import Journal
from spot_agent.link import Answers, Link
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject, Role
from spot_agent.observation import Observer
from spot_agent.outcomes import Did, Idle, Outcome
from spot_agent.ports import CentralApi, Hooks, StateCarrier
from spot_agent.roles import Roles
from spot_agent.rules.backoff import backoff_seconds, is_worth_logging
from spot_agent.settings import Settings
from spot_agent.slow_lane import SlowLane, Waiting
from spot_agent.stillness import Stillness
from spot_agent.succession import Succession
from spot_agent.timestamps import to_wire

PERIOD_SECONDS = 5.0
NOT_READY_PERIOD_SECONDS = 0.5
"""While this instance has no role yet, or is a replica on its way to ready: every second of it counts in an emergency."""

OBSERVE_EVERY_SECONDS = 180.0
"""With the server's settle time of 10 minutes, nothing that we launched is without an owner for longer than 15."""

OBSERVE_AGAIN_SECONDS = 60.0
RETRY_BASE_SECONDS = 1.0
RETRY_CAP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ReplicaManagerParts:
    """What the replica manager works with."""

    identity: Identity
    settings: Settings
    api: CentralApi
    hooks: Hooks
    carrier: StateCarrier
    carry: Callable[[], str]
    journal: Journal
    link: Link
    answers: Answers
    roles: Roles
    stillness: Stillness
    executor: Executor
    slow_lane: SlowLane
    succession: Succession
    observer: Observer
    clock: Clock
    log: Log
    draw: Callable[[], float]


class ReplicaManager:
    """One step gives each of its duties a turn; each keeps its own time, so that none holds up another."""

    def __init__(self, parts: ReplicaManagerParts) -> None:
        self._parts = parts
        self._observe_due_seconds = 0.0
        self._observed_epoch = 0
        self._report_due_seconds = 0.0
        self._report_failures = 0
        self._sync_started_at: str | None = None
        self._is_ready = False

    def step(self) -> Outcome:
        """Commands first."""
        done = [kind for kind in map(self._advance, self._parts.slow_lane.due()) if kind]
        self._parts.stillness.settle()
        settled = self._parts.roles.settle()
        self._settle_carrier()
        self._parts.succession.step()
        if self._parts.link.why_not() is None:
            self._report_replica()
            self._observe()
        period_seconds = min(self._period_seconds(), self._parts.succession.period_seconds())
        next_seconds = self._parts.slow_lane.next_due_in_seconds(period_seconds)
        if done or settled:
            return Did("replica_manager_worked", {"commands": done, "workload": settled}, next_seconds)
        return Idle("nothing slow to do", next_seconds)

    def _settle_carrier(self) -> None:
        try:
            self._parts.carrier.settle()
        except (ActFailed, OSError) as error:
            self._parts.log.failure("carry_not_settled", error=str(error))

    def _period_seconds(self) -> float:
        is_on_its_way = self._parts.journal.read().role in (None, Role.REPLICA) and not self._is_ready
        return NOT_READY_PERIOD_SECONDS if is_on_its_way else PERIOD_SECONDS

    def _advance(self, waiting: Waiting) -> str | None:
        """The command's kind when it got its answer."""
        command = waiting.command
        waited_seconds = self._parts.clock.monotonic_seconds() - waiting.began_seconds
        ran = self._parts.executor.run(command, KINDS[command.kind], waited_seconds)
        if ran.progress is Progress.WAITING:
            self._parts.slow_lane.put_off(waiting, ran.ask_again_seconds)
            return None
        self._parts.slow_lane.drop(command.request_id)
        record = self._parts.journal.read().command(command.request_id)
        if record is not None and record.answer is not None:
            self._parts.answers.post(record)
        return command.kind if ran.progress is Progress.FINISHED else None

    def _report_replica(self) -> None:
        if self._parts.journal.read().role is not Role.REPLICA:
            self._is_ready, self._sync_started_at = False, None
            return
        if self._is_ready or self._parts.clock.monotonic_seconds() < self._report_due_seconds:
            return
        try:
            problem = self._towards_ready()
        except ActFailed as error:
            problem = f"{error.error_class.value}: {error.message}"
        except ServerFailed as error:
            problem = str(self._parts.link.failed("replicas", error).fields)
        self._report_failures = self._report_failures + 1 if problem else 0
        if problem:
            if is_worth_logging(self._report_failures):
                self._parts.log.warning("replica_not_ready", reason=problem, failures=self._report_failures)
            wait_seconds = backoff_seconds(self._report_failures, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS, self._parts.draw())
            self._report_due_seconds = self._parts.clock.monotonic_seconds() + wait_seconds

    def _towards_ready(self) -> str | None:
        """What is in the way; None when it is ready and the server knows."""
        replica = self._own_replica(self._parts.api.replicas())
        if replica is None:
            return "the server lists no replica for this instance"
        if replica.get("status") in ("ready", "promoted"):
            self._is_ready = True
            return None
        replica_id = str(replica["replica_id"])
        if self._sync_started_at is None:
            started_at = to_wire(self._parts.clock.now())
            self._parts.api.replica_status(replica_id, {"status": "syncing", "sync_started_at": started_at})
            self._sync_started_at = started_at
        require_carry(self._parts.carrier, self._parts.carry())
        require_standby(self._parts.hooks, self._parts.settings.hook_bound_seconds)
        ready = {
            "status": "ready",
            "sync_started_at": self._sync_started_at,
            "sync_completed_at": to_wire(self._parts.clock.now()),
        }
        self._parts.api.replica_status(replica_id, ready)
        self._is_ready = True
        self._parts.log.info("replica_ready", replica_id=replica_id)
        return None

    def _own_replica(self, answer: JsonObject) -> JsonObject | None:
        listed = answer.get("replicas", answer.get("items"))
        for replica in listed if isinstance(listed, list) else []:
            is_ours = isinstance(replica, dict) and replica.get("instance_id") == self._parts.identity.instance_id
            if is_ours and replica.get("replica_id") and replica.get("status") not in ("terminated", "failed"):
                return dict(replica)
        return None

    def _observe(self) -> None:
        now_seconds, contents = self._parts.clock.monotonic_seconds(), self._parts.journal.read()
        # A promotion is looked at right away: its epoch belongs into the tags.
        if now_seconds < self._observe_due_seconds and contents.epoch == self._observed_epoch:
            return
        is_whole = self._parts.observer.observe(contents)
        self._observed_epoch = contents.epoch
        self._observe_due_seconds = now_seconds + (OBSERVE_EVERY_SECONDS if is_whole else OBSERVE_AGAIN_SECONDS)
