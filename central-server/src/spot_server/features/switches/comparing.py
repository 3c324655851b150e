"""Comparing the new instance of a move with the old one. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, find_instance, load_instance
from spot_server.features.switches import issuing, queries
from spot_server.features.switches.configuration_rules import Difference, compare, is_told_in_full
from spot_server.features.switches.decisions import Comparison
from spot_server.features.switches.queries import Switch
from spot_server.features.volumes.rules import without_devices
from spot_server.words import RESCUE_TRIGGERS, Severity


def comparison_of(tx: Transaction, switch: Switch, old: Instance, new: Instance | None) -> Comparison:
    """Return how far the comparison is. A new side that does not say all of itself for long is compared as it is."""
    if switch.differences is not None:
        return Comparison.RECORDED
    if old.configuration is None:
        return Comparison.NOT_POSSIBLE
    if new is None:
        return Comparison.AWAITED
    is_late = tx.now >= max(new.registered_at, switch.initiated_at) + timedelta(seconds=tx.policy.check_bound_seconds)
    return Comparison.DUE if is_late or is_told_in_full(old.configuration, new.configuration) else Comparison.AWAITED


def note_comparison(tx: Transaction, agent: Agent, switch: Switch) -> Switch:
    """Record where the new instance is not like the old one, and say so; harmless when that is recorded already."""
    if switch.differences is not None:
        return switch
    found = _find_differences(tx, switch)
    noted = queries.update_switch(tx, switch, differences=[asdict(one) for one in found])
    data: dict[str, Any] = {"switch_id": switch.switch_id, "from_instance_id": switch.from_instance_id, "differences": noted.differences}
    kind = "configuration_differs" if found else "configuration_same"
    tx.emit(kind, client_id=agent.client_id, agent_id=agent.agent_id, instance_id=switch.to_instance_id, data=data)
    if found and switch.trigger in RESCUE_TRIGGERS:
        told = "; ".join(map(str, found))
        text = f"{agent.logical_agent_id} is rescued by {switch.to_instance_id}, which is not like {switch.from_instance_id}: {told}"
        issuing.tell_end(tx, agent, noted, Severity.CRITICAL, "rescued_unlike", text)
    return noted


def _find_differences(tx: Transaction, switch: Switch) -> tuple[Difference, ...]:
    """Compare both sides of a move by what their daemons last said; empty where the old one never did."""
    old = load_instance(tx, switch.agent_id, switch.from_instance_id)
    new = None if switch.to_instance_id is None else find_instance(tx, switch.agent_id, switch.to_instance_id)
    if old.configuration is None:
        return ()
    moving = {str(volume["device_name"]) for volume in switch.data_volumes}
    return compare(without_devices(old.configuration, moving), _without(None if new is None else new.configuration, moving))


def _without(configuration: Mapping[str, Any] | None, devices: Collection[str]) -> Mapping[str, Any] | None:
    return None if configuration is None else without_devices(configuration, devices)


def words_of(differences: list[dict[str, Any]] | None) -> tuple[str, ...]:
    """Return recorded differences for a person."""
    return tuple(str(Difference(**one)) for one in differences or ())
