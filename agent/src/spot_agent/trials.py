"""A right in AWS, and with what it is tried."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from spot_agent.ec2_facts import InstanceFacts
from spot_agent.model import JsonObject

BY_CONTROL_ROLE = "not needed: the server does it with its control role"


@dataclass(frozen=True, slots=True)
class Right:
    """One action, what the daemon does with it, and how to try it; `skipped` says why it is not tried."""

    action: str
    purpose: str
    arguments: JsonObject = field(default_factory=dict)
    skipped: str | None = None
    service: str = "ec2"
    """As IAM writes it before the action."""

    @property
    def operation(self) -> str:
        """The action as botocore calls it: RunInstances is run_instances."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.action).lower()


@dataclass(frozen=True, slots=True)
class Trial:
    """With what the rights are tried. `instance` is None where EC2 does not describe it.

    `image_id` and `snapshot_id` are some of this agent's own, None while it has none.
    """

    instance_id: str
    instance: InstanceFacts | None
    logical_agent_id: str
    traffic_handles: tuple[JsonObject, ...]
    image_id: str | None
    snapshot_id: str | None
    has_control_role: bool
    carry: str = "stateless"
