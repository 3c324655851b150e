"""Whom nobody can help any more, and whether a person was told of it in words that say so."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.words import Severity
from spot_simulator.machine import Machine, State
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.agent_drawing import CARRIES_IN_IMAGE
from spot_simulator.virtual.database import stored
from spot_simulator.virtual.fleet import START, Fleet, Member

RUNNING = frozenset({State.PENDING, State.RUNNING})
KINDS_THAT_SAY_IT = ("switch_failed", "rescue_waits", "fence_waits", "undo_waits", "primary_silent")
"""Notifications that say of one agent that its workload could not be moved, or waits for somebody, or is not heard."""
TOLD_BEFORE_SECONDS = 180.0
"""A notice leaves two minutes: that nothing can be done is told while the instance still serves. What was told before is another story."""
_TOLD = f"""
    SELECT 1 FROM notifications JOIN agents ON agents.agent_id = notifications.agent_id
    WHERE agents.logical_agent_id = ? AND notifications.severity = '{Severity.CRITICAL.value}' AND notifications.created_at >= ?
    AND notifications.kind IN ({", ".join(f"'{kind}'" for kind in KINDS_THAT_SAY_IT)})
"""  # noqa: S608 - our own words


class Help:
    """Looks at the region; what a person was told is in the server's rows."""

    def __init__(self, fleet: Fleet, truth: Truth) -> None:
        """Look at this fleet."""
        self._fleet, self._truth = fleet, truth

    def is_beyond(self, member: Member) -> bool:
        """Tell whether an agent has no instance left, and nobody can make another, or may.

        Only daemons on its own instances act for an agent of a client without a control role.
        """
        if any(machine.state in RUNNING for machine in self._machines_of(member)):
            return False
        return not self._fleet.has_control_role or not self.has_image(member)

    def has_image(self, member: Member) -> bool:
        """Tell whether EC2 has an image from which an instance of the agent may come up.

        One of its own making; with no state in it also the one that its last instance came from.
        """
        books, own = self._fleet.region.books, self._machines_of(member)
        own_ids = {machine.instance_id for machine in own}
        images = {one.image_id for one in self._fleet.region.images.by_id.values() if one.instance_id in own_ids}
        if member.plan.carry not in CARRIES_IN_IMAGE:
            images |= {machine.image_id for machine in own}
        return bool(images - books.deregistered)

    def is_told(self, member: Member) -> bool:
        """Tell whether a person was told of it, since the agent was last served."""
        before = timedelta(seconds=TOLD_BEFORE_SECONDS + self._fleet.server.widest_skew_seconds)
        since = stored(self._last_served_at(member) - before)
        return self._fleet.database.raw.execute(_TOLD, (member.name, since)).fetchone() is not None

    def _last_served_at(self, member: Member) -> datetime:
        spans = self._truth.serving().get(member.name, [])
        return max((span.until or self._fleet.scheduler.now() for span in spans), default=START)

    def _machines_of(self, member: Member) -> list[Machine]:
        machines = self._fleet.region.machines.by_id.values()
        return [machine for machine in machines if self._truth.agent_of(machine.instance_id) == member.name]
