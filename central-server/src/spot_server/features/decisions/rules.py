"""When agents are decided about, which model acts for whom, and what speaks against acting. Decided from values alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spot_server.decision_models.inputs import AgentSettings
from spot_server.words import Action, AnswerKind, Mode

DAY = timedelta(hours=24)
MOST_ACTS_IN_ROUND = 20
"""Moves and replicas begun in one round: a price that falls must not send a whole fleet into one pool at once. The rest has its turn in
the next rounds, at the prices of then."""


def tick_of(now: datetime, period_seconds: float) -> datetime:
    """Return the tick that a moment belongs to: ticks are whole periods since 1970, so that a restarted job finds the same one."""
    seconds = now.timestamp()
    return datetime.fromtimestamp(seconds - seconds % period_seconds, UTC)


def tick_after_next(tick_at: datetime, period_seconds: float) -> datetime:
    """Return the tick after the one that follows `tick_at`: a replica that is held until then is seen twice more before its hold ends.

    The decision of one tick may fail or be late; that of the next still lengthens the hold in time.
    """
    return tick_at + timedelta(seconds=2 * period_seconds)


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of a model as the registry has it."""

    model_id: str
    plugin: str
    model_version: str
    parameters: dict[str, float]

    @property
    def name(self) -> str:
        """The model for a person, such as `expected_cost 1`."""
        return f"{self.plugin} {self.model_version}"


@dataclass(frozen=True, slots=True)
class LineUp:
    """Which models decide. The challenger, if there is one, acts for `challenger_percent` of the agents, and is a shadow for the others."""

    acting: RegisteredModel
    challenger: RegisteredModel | None = None
    challenger_percent: int = 0

    def models_of(self, agent_id: str) -> tuple[RegisteredModel, RegisteredModel | None]:
        """Return the model that acts for the agent, and the one in its shadow."""
        if self.challenger is None:
            return self.acting, None
        if percentile_of(agent_id) < self.challenger_percent:
            return self.challenger, self.acting
        return self.acting, self.challenger


def percentile_of(agent_id: str) -> int:
    """Return the agent's place (0..99), the same for ever and evenly spread."""
    return int.from_bytes(hashlib.sha256(agent_id.encode()).digest()[:8], "big") % 100


@dataclass(frozen=True, slots=True)
class ActFacts:
    """What is true of an agent at the moment in which a decision would be acted on."""

    action: Action
    answer: AnswerKind
    is_deleted: bool
    enabled: bool
    auto_switch_enabled: bool
    manual_replica_enabled: bool
    early_replica_on_warning: bool
    is_same_primary: bool
    """The PRIMARY is the one that was decided about."""
    mode: Mode
    is_moving: bool
    lasting_replicas: int
    """Live ones that stand by until the tick after next at least; the hold of another one may be lengthened."""
    moves_in_day: int
    moves_per_day: int
    may_move_now: bool
    """Inside the maintenance window, or there is none."""
    is_restore_suspected: bool


def why_held_back(facts: ActFacts) -> str | None:  # noqa: C901, PLR0911 - the guards, one after the other
    """Return why the decision is not acted on; None: it is. These guards hold whatever a model says."""
    if facts.action not in {Action.SWITCH, Action.CREATE_REPLICA}:
        return "there is nothing to do"
    if facts.answer is not AnswerKind.ANSWERED:
        return "the model gave no answer that counts"
    if facts.is_deleted or not facts.enabled:
        return "the agent is deleted" if facts.is_deleted else "the agent is disabled"
    if facts.is_restore_suspected:
        return "the database may have been restored from a backup, and nobody has confirmed it"
    if facts.is_moving:
        return "a move is under way"
    if not facts.is_same_primary:
        return "another instance is the primary by now"
    if facts.mode is Mode.UNKNOWN:
        return "metadata and the EC2 API disagree about the primary's mode"
    if facts.action is Action.CREATE_REPLICA:
        return _why_no_replica(facts)
    off = why_turned_off(facts.action, facts)
    if off is not None:
        return off
    if facts.moves_in_day >= facts.moves_per_day:
        return f"{facts.moves_in_day} moves were made within 24 hours, and moves_per_day is {facts.moves_per_day}"
    return None if facts.may_move_now else "it is outside the maintenance window"


def why_turned_off(action: Action, settings: AgentSettings | ActFacts) -> str | None:
    """Return which setting of the agent keeps such a decision from being acted on, in whatever state the agent is; None: none does."""
    if not settings.enabled:
        return "the agent is disabled"
    if action is Action.CREATE_REPLICA:
        return None if settings.early_replica_on_warning else "early_replica_on_warning is off"
    return next(iter(what_forbids_moves(settings)), None)


def what_forbids_moves(settings: AgentSettings | ActFacts) -> list[str]:
    """Return every setting, beside `enabled`, that keeps decisions from moving the agent, each in words; none: they may."""
    found = []
    if settings.manual_replica_enabled:
        found.append("manual_replica_enabled is on: a person decides where it runs")
    if not settings.auto_switch_enabled:
        found.append("auto_switch_enabled is off")
    return found


def _why_no_replica(facts: ActFacts) -> str | None:
    off = why_turned_off(facts.action, facts)
    if off is not None:
        return off
    return "it has a replica" if facts.lasting_replicas else None
