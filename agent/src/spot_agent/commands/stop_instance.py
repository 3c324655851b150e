"""stop_instance: the fence of an instance on demand that is taken for lost. Never itself, nor what is not ours; its disk stays."""

from __future__ import annotations

from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handling import Handled, Succeeded, Tools, text
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.rules.ownership import refusal_to_terminate

_STOPPING_OR_ENDED = ("stopping", "stopped", "shutting-down", "terminated")


def handle(command: Command, tools: Tools) -> Handled:
    """One that stops or ends already is adopted. An address may lead to it: it is moved once the instance has stopped."""
    instance_id = text(command, "instance_id")
    if instance_id == tools.identity.instance_id:
        raise ActFailed(ErrorClass.REFUSED, "self", "a daemon never stops its own instance")
    instance = looked_up(instance_id, tools)
    if instance is None:
        return Succeeded({"state": STATE_GONE})
    if instance.state in _STOPPING_OR_ENDED:
        return Succeeded({"state": instance.state})
    refusal = refusal_to_terminate(instance_id, instance.tags, tools.journal.read().agent_id or "", [])
    if refusal is not None:
        raise refusal
    return Succeeded({"state": tools.ec2.stop_instance(instance_id)})
