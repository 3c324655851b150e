"""Whether an instance that EC2 says is running may be ended because it is silent: only where a person turned that on."""

from __future__ import annotations

from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance
from spot_server.words import Mode


def why_not_fenced(agent: Agent, instance: Instance) -> str:
    """Return why a silent instance may not be ended by us; empty when it may.

    On demand it is stopped, and its disk stays. A one-time spot instance can only be terminated: that is what auto-terminate speaks of.
    """
    return why_not_ended(agent, instance) if agent.failover_when_silent else "failover_when_silent is off"


def why_not_ended(agent: Agent, instance: Instance) -> str:
    """Return why a silent instance may not be ended even where a person says so; empty when it may."""
    if instance.mode is Mode.UNKNOWN:
        return "whether it is spot or on demand is not known"
    if instance.mode is Mode.SPOT and not agent.auto_terminate_enabled:
        return "auto-terminate is off, and a spot instance cannot be stopped"
    return ""
