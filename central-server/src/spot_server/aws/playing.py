"""What plays a game day's event: a port, and the values that go through it. The two adapters are FIS and the simulated region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from spot_server.aws.ports import ControlRole
from spot_server.words import GameDayKind

NOTICE_LEAD_SECONDS = 120
"""Between a notice and the end of its instance. Source: the EC2 user guide, spot instance interruption notices."""


@dataclass(frozen=True, slots=True)
class Market:
    """A place whose capacity is taken away: `mode` is spot or on_demand."""

    instance_type: str
    az_id: str
    mode: str


@dataclass(frozen=True, slots=True)
class PlayOrder:
    """Everything that a player needs, and nothing that changes: the same order again is the same game day."""

    game_day_id: str
    kind: GameDayKind
    region: str
    instance_id: str
    began_at: datetime
    """Before the first call: what an instance has had since then is this game day's."""
    account_id: str | None = None
    role: ControlRole | None = None
    """The client's control role, with which FIS is called."""
    fis_role_arn: str | None = None
    """The role that FIS itself takes on in the client's account."""
    stop_alarm_arn: str | None = None
    """A CloudWatch alarm that stops the experiment."""
    shortage: Market | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    """What the player said when it played: ids by which it finds its work again."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call that a player makes, as it makes it."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class ExperimentState(StrEnum):
    """How far the player is; `running` says nothing about what the agent makes of it."""

    RUNNING = "running"
    ENDED = "ended"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Experiment:
    """The player's own word about a game day."""

    state: ExperimentState
    reason: str = ""


class GameDayPlayer(Protocol):
    """Makes events happen. Every call may be repeated, after a crash too, and may raise AwsFailed."""

    def play(self, order: PlayOrder) -> dict[str, str]:
        """Begin, or find what an earlier try began; return the reference for later calls."""

    def look(self, order: PlayOrder) -> Experiment:
        """Say how far it is."""

    def close(self, order: PlayOrder) -> None:
        """Stop what can be stopped and take away what was made for the game day; harmless when nothing is left."""
