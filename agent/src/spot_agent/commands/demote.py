"""demote: be the primary no more, and confirm that the workload serves no more. The server may build its fence on it."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, seconds
from spot_agent.model import Command
from spot_agent.timestamps import to_wire


def handle(command: Command, tools: Tools) -> Handled:
    """The role becomes ZOMBIE, whether or not the stop succeeds; only a confirmed stop is a success.

    `served`: whether the workload may have served since the promotion of this epoch; null: this daemon does not know.
    """
    served = tools.roles.demote(command.epoch, seconds(command, "bound_seconds", tools.hook_bound_seconds))
    return Succeeded({"serving": False, "served": served, "demoted_at": to_wire(tools.clock.now())})
