"""What daemons and control roles see of a story's region, and the rounds of the sweeper over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select, update

from server_support.memory_aws import FakeGateway
from server_support.region import Machine
from server_support.story import ADDRESS, Story
from spot_server.db.tables import audit_logs, cleanup_logs, events, instances, notifications
from spot_server.features.sweeper.jobs import Sweeper
from spot_server.features.sweeper.rules import SweepPolicy
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandKind

POLICY = SweepPolicy()


def lost_launch(story: Story, request_id: str = "request-1") -> Machine:
    """A switch whose launch takes effect; the answer is lost, and the new instance's daemon does not come up."""
    story.region.launches_boot = False
    story.region.fail(CommandKind.LAUNCH_INSTANCE, None, times=1000, takes_effect=True)
    before = set(story.region.machines)
    story.switch(request_id)
    story.passes(20, until=lambda: set(story.region.machines) != before)
    (instance_id,) = set(story.region.machines) - before
    return story.region.machines[instance_id]


def orphan(story: Story, request_id: str = "request-1") -> Machine:
    """The same, and the switch is cancelled: the instance runs, and nobody knows of it."""
    made = lost_launch(story, request_id)
    active = story.active()
    assert active is not None
    story.cancel(active)
    story.passes(2)
    return made


def settle_time_passes(story: Story) -> None:
    story.passes(620, step_seconds=31)


@dataclass
class Sweeping:
    """`look` has a daemon report what EC2 shows it, `sweep` is a round; `passes` lets both happen every minute."""

    story: Story
    gateway: FakeGateway = field(default_factory=FakeGateway)
    policy: SweepPolicy = POLICY
    volumes: list[dict[str, str]] = field(default_factory=list)

    def look(self, reporter_id: str = "i-1", *, age_seconds: float = 0.0, shows: Callable[[Machine], bool] = lambda _made: True) -> None:
        """The daemon of this instance reports every instance that carries our tags, as long as `shows` says so."""
        listed = [self.entry(made) for made in self.story.region.machines.values() if made.tags and shows(made)]
        self.report(reporter_id, {"instances": listed, "images": [], "volumes": self.volumes, "age_seconds": age_seconds})

    def entry(self, made: Machine) -> dict[str, Any]:
        """What a daemon says of one instance."""
        tag = made.tags.get
        epoch = tag("spot-optimizer:epoch")
        return {
            "instance_id": made.instance_id,
            "state": made.state,
            "launched_at": None if made.launched_at is None else made.launched_at.isoformat(),
            "client_id": tag("spot-optimizer:client-id"),
            "agent_id": tag("spot-optimizer:agent-id"),
            "replica_id": tag("spot-optimizer:replica-id"),
            "launch_token": tag("spot-optimizer:launch-token"),
            "client_token": made.client_token,
            "epoch": None if epoch is None else int(epoch),
            "holds_address": self.story.region.address_of[ADDRESS] == made.instance_id,
        }

    def report(self, reporter_id: str, resources: dict[str, Any]) -> None:
        where = (instances.c.agent_id == self.story.agent_id, instances.c.instance_id == reporter_id)
        values = {"reported_resources": resources, "last_heartbeat_at": self.story.clock.now()}
        self.story.fleet.execute(update(instances).where(*where).values(values))

    def sweep(self) -> str:
        """One round."""
        context = JobContext(self.story.database, self.story.clock, Settings(), Metrics(), structlog.get_logger())
        return Sweeper(self.gateway, self.policy)(context)

    def look_and_sweep(self) -> str:
        self.look()
        return self.sweep()

    def passes(self, seconds: float, *, step_seconds: float = 20.0) -> None:
        """Let time pass with a look and a round in every step, and everything else that goes on."""
        end = self.story.clock.now().timestamp() + seconds
        while self.story.clock.now().timestamp() < end:
            self.story.passes(step_seconds, step_seconds=step_seconds / 2)
            self.look_and_sweep()

    # What came of it.

    def told(self, kind: str = "stray_quarantined") -> list[str]:
        return self.story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))

    def events(self, kind: str) -> list[str | None]:
        return self.story.fleet.scalars(select(events.c.instance_id).where(events.c.kind == kind))

    def audited(self, action: str) -> list[str | None]:
        return self.story.fleet.scalars(select(audit_logs.c.instance_id).where(audit_logs.c.action == action))

    def logged(self) -> list[str]:
        """The acts of the sweeper in the history of cleanups."""
        chosen = select(cleanup_logs.c.request_id).where(cleanup_logs.c.request_id.startswith("sweep/"))
        return self.story.fleet.scalars(chosen.order_by(cleanup_logs.c.received_at, cleanup_logs.c.request_id))
