"""Agents that were moved, and the way back."""

from __future__ import annotations

from typing import Any

from server_support.clock import FakeClock
from server_support.story import STEP_SECONDS, Story
from spot_server.db.runner import Database
from spot_server.features.switches import rollbacks
from spot_server.features.switches.promotions import NOTHING_ACCEPTED, Accepted
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.rollbacks import RollbackPlan
from spot_server.words import WayBack

OLD, NEW = "i-1", "i-2"
"""The instance that the move left, and the one that it made."""


def moved(story: Story) -> Story:
    story.switch()
    story.passes(200, until=lambda: story.active() is None)
    assert story.roles == {OLD: "ZOMBIE", NEW: "PRIMARY"}
    return story


def stateful(database: Database, clock: FakeClock, carry: str = "image_after_quiesce", **settings: Any) -> Story:
    return moved(Story.on(database, clock, carry=carry, terminate_wait_seconds=600, **settings))


def roll_back(
    story: Story,
    request_id: str = "rollback-1",
    *,
    switch: Switch | None = None,
    to: WayBack = WayBack.OLD_INSTANCE,
    accepts: Accepted = NOTHING_ACCEPTED,
) -> Switch:
    return story.roll_back(switch or story.switches()[0], request_id, to=to, accepts=accepts)


def preview(story: Story, to: WayBack = WayBack.OLD_INSTANCE) -> RollbackPlan:
    switch_id = story.switches()[0].switch_id
    return story.database.read(lambda tx: rollbacks.preview_rollback(tx, story.fleet.client_id, story.agent_id, switch_id, to))


def finish(story: Story, switch: Switch, seconds: float = 200) -> Switch:
    story.passes(seconds, until=lambda: story.active() is None, step_seconds=STEP_SECONDS)
    return story.reload(switch)
