"""release: the agent was deleted. The workload keeps running; the daemon stops for good once this is answered."""

from __future__ import annotations

from dataclasses import replace

from spot_agent.commands.handling import Handled, Succeeded, Tools, tags
from spot_agent.errors import Ec2Failed
from spot_agent.model import Command


def handle(command: Command, tools: Tools) -> Handled:
    """The journal keeps that it was released, so that a restart does nothing but allow the workload to start.

    The instance is tagged as released, so that nobody's sweep takes it for one of ours; a missing right to tag does
    not hold up the release.
    """
    tools.journal.change(lambda now: replace(now, released=True))
    wanted = tags(command)
    try:
        if wanted:
            tools.ec2.tag(tools.identity.instance_id, wanted)
    except Ec2Failed as error:
        return Succeeded({"tagged": False, "reason": f"{error.error_class.value}: {error.message}"})
    return Succeeded({"tagged": bool(wanted)})
