"""The round that has images made in the background, or found, and says how old the fleet's are."""

from __future__ import annotations

from functools import partial

from spot_server.features.images.left_images import agents_without_image, seek_left_image
from spot_server.features.images.looks import find_gone_images, leave_out
from spot_server.features.images.queries import FleetImages, list_fleet_images
from spot_server.features.images.rules import may_be_due
from spot_server.features.images.service import refresh_image
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def refresh_images(context: JobContext) -> str:
    """Ask for an image of every agent for which one is due, or that lacks one for its rescue, each in its own transaction.

    First those that EC2 shows no more are left out: what is due follows from the others.
    """
    gone = context.database.read(find_gone_images)
    done = for_each(gone.items(), lambda one: context.database.write(partial(leave_out, agent_id=one[0], image_ids=one[1])))
    fleet = context.database.read(list_fleet_images)
    _measure(context, fleet)
    now = context.clock.now()
    due = [one.agent_id for one in fleet if may_be_due(one.refresh_hours, one.newest_state_at, now)]
    done += for_each(due, lambda agent_id: context.database.write(partial(refresh_image, agent_id=agent_id)))
    lacking = context.database.read(agents_without_image)
    done += for_each(lacking, lambda agent_id: context.database.write(partial(seek_left_image, agent_id=agent_id)))
    return "; ".join(sentence for sentence in done if sentence is not None)


def _measure(context: JobContext, fleet: list[FleetImages]) -> None:
    now = context.clock.now()
    ages = [(now - one.emergency_state_at).total_seconds() for one in fleet if one.emergency_state_at is not None]
    context.metrics.oldest_image_age_seconds.set(max(ages, default=0.0))
    context.metrics.agents_without_image.set(len(fleet) - len(ages))
