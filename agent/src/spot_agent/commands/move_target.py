"""move_target: register the one instance, then deregister the other. confirm_target: what the load balancer's health checks say."""

from __future__ import annotations

from spot_agent.commands.handles import WAIT_SECONDS, leads, optional_port, wait_for
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, optional_text, seconds, text
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

HEALTH_LOOK_SECONDS = 3.0


def handle(command: Command, tools: Tools) -> Handled:
    """The group has the new target before it loses the old one. What an earlier call did is found by looking."""
    arn, instance_id, port = text(command, "target_group_arn"), text(command, "instance_id"), optional_port(command)
    former, wait_seconds = optional_text(command, "former_instance_id"), seconds(command, "wait_seconds", WAIT_SECONDS)
    balancing = tools.ec2.balancing
    if not leads(balancing.target_state(arn, instance_id, port)):
        # One that drains since an earlier move is registered anew, too.
        balancing.register_target(arn, instance_id, port)
        wait_for(
            lambda: leads(balancing.target_state(arn, instance_id, port)),
            wait_seconds,
            "target_not_registered",
            f"{instance_id} is not shown as a target of {arn}",
            tools,
        )
    if former is not None and leads(balancing.target_state(arn, former, port)):
        balancing.deregister_target(arn, former, port)
        wait_for(
            lambda: not leads(balancing.target_state(arn, former, port)),
            wait_seconds,
            "target_not_deregistered",
            f"{former} is still a target of {arn}",
            tools,
        )
    return Succeeded({"moved_at": to_wire(tools.clock.now())})


def confirm(command: Command, tools: Tools) -> Handled:
    """NotYet until the target is healthy; the load balancer's own reason when its time is over."""
    arn, instance_id, port = text(command, "target_group_arn"), text(command, "instance_id"), optional_port(command)
    target = tools.ec2.balancing.target_state(arn, instance_id, port)
    if target is None or target.state != "healthy":
        if tools.waited_seconds(command) < seconds(command, "wait_seconds", WAIT_SECONDS):
            return NotYet("target_not_healthy", HEALTH_LOOK_SECONDS)
        told = "is not registered" if target is None else f"is {target.state} ({target.reason or 'no reason given'})"
        raise ActFailed(ErrorClass.CHECK_FAILED, "target_not_healthy", f"{instance_id} {told} in {arn}")
    former = optional_text(command, "former_instance_id")
    other = None if former is None else tools.ec2.balancing.target_state(arn, former, port)
    return Succeeded({"target_state": target.state, "former_target_state": None if other is None else other.state})
