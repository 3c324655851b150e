"""start_serving: this instance was promoted. Write the start guard, start, and pass the serving check."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, seconds
from spot_agent.model import Command
from spot_agent.timestamps import to_wire


def handle(command: Command, tools: Tools) -> Handled:
    """Repeating it finds the workload serving."""
    epoch = command.payload.get("epoch", command.epoch)
    if type(epoch) is not int:
        raise bad_payload("epoch", "a whole number")
    bound_seconds = seconds(command, "bound_seconds", tools.hook_bound_seconds)
    tools.carrier.before_serving()
    tools.roles.promote(max(epoch, command.epoch), bound_seconds)
    return Succeeded({"serving": True, "serving_at": to_wire(tools.clock.now())})
