"""traffic_hook: the client's own command makes clients reach this instance (`take`), or says whether they do (`check`)."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, optional_text, seconds, text
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command, Lane
from spot_agent.ports import HookName
from spot_agent.timestamps import to_wire

ACTS = ("take", "check")


def lane_of(command: Command) -> Lane:
    """A check may take long, and no step of a handover waits behind it."""
    return Lane.SLOW if command.payload.get("act") == "check" else Lane.FAST


def handle(command: Command, tools: Tools) -> Handled:
    """Killed at its bound, with all that it started; its last output is in the answer either way."""
    name, act, instance_id = text(command, "name"), text(command, "act"), text(command, "instance_id")
    if act not in ACTS:
        raise bad_payload("act", " or ".join(ACTS))
    variables = {
        "SPOT_HANDLE": name,
        "SPOT_HANDLE_ACT": act,
        "SPOT_INSTANCE_ID": instance_id,
        "SPOT_FORMER_INSTANCE_ID": optional_text(command, "former_instance_id") or "",
    }
    bound_seconds = seconds(command, "bound_seconds", tools.hook_bound_seconds)
    ended = tools.hooks.run(HookName.TRAFFIC, bound_seconds, variables)
    if ended is None:
        raise ActFailed(ErrorClass.REFUSED, "no_hook", f"TRAFFIC_COMMAND is not set on {tools.identity.instance_id}; {name} needs it")
    if ended.timed_out:
        raise ActFailed(ErrorClass.HOOK_TIMED_OUT, "traffic", f"{name} ({act}) was killed after {bound_seconds:g} s: {ended.output}")
    if not ended.passed:
        raise ActFailed(ErrorClass.HOOK_FAILED, "traffic", f"{name} ({act}) ended with {ended.exit_code}: {ended.output}")
    return Succeeded({"output": ended.output, f"{'moved' if act == 'take' else 'checked'}_at": to_wire(tools.clock.now())})
