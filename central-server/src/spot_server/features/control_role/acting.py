"""What every act of the control role gets and gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spot_server.aws.errors import ActFailed
from spot_server.features.control_role.rules import LookOnly
from spot_server.words import CommandKind


@dataclass(frozen=True, slots=True)
class Task:
    """A command as its handler sees it. `waited_seconds` since it was first begun; `default_tags` say whose a resource is."""

    kind: CommandKind
    payload: Mapping[str, Any]
    waited_seconds: float
    now: datetime
    default_tags: Mapping[str, str]
    only_look: LookOnly | None = None
    account_id: str | None = None
    """The AWS account that is asked."""

    def require_leave_to_act(self) -> None:
        """Raise ActFailed when nothing new may be begun."""
        if self.only_look is not None:
            raise ActFailed(self.only_look.error_class, self.only_look.code, self.only_look.message)


@dataclass(frozen=True, slots=True)
class Done:
    """`result` as docs/agent-protocol.md names it for the kind."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NotYet:
    """Begun and not over: look again. `reason` is the error's code if waiting ends in vain."""

    reason: str
    look_again_seconds: float


Handled = Done | NotYet


def wire_time(moment: datetime) -> str:
    """Write an aware moment as daemons do: RFC 3339, UTC, with a `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
