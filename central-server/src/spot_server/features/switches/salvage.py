"""Saving what an instance that EC2 takes away may alone have, and letting it go again. The caller holds the agent's row."""

from __future__ import annotations

from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger, queries
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import load_instance
from spot_server.features.interruptions.queries import InterruptionEvent, find_event
from spot_server.features.replicas.launching import owner_tags
from spot_server.features.switches.carry_rules import STATE_MAY_BE_ON_ROOT
from spot_server.features.switches.losses import is_all_brought_along
from spot_server.features.switches.queries import Switch
from spot_server.words import PRIORITY_EMERGENCY, PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus, Role, SwitchTrigger


def salvage(tx: Transaction, agent: Agent, event: InterruptionEvent, *, is_beside_handover: bool) -> None:
    """Have the dying instance's daemon keep the volumes and start snapshots, once for each event; nothing waits for it.

    `is_beside_handover`: the same daemon is, or will soon be, asked for the steps of a handover, none of which waits behind this.
    """
    if queries.find_by_request(tx, agent.agent_id, _request_id(event.event_id)) is not None:
        return
    payload: dict[str, Any] = {
        "instance_id": event.instance_id,
        "tags": owner_tags(agent),
        "keep_root": agent.carry in STATE_MAY_BE_ON_ROOT,
    }
    if is_beside_handover:
        payload["beside_handover"] = True
    # Just behind the launch, which nothing may delay.
    _issue(tx, agent, event, _request_id(event.event_id), PRIORITY_EMERGENCY - 1, payload)


def salvage_what_is_left(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """The last pass is left out: under a notice the old root alone has what was written since. Until its end it can be kept."""
    if switch.trigger is not SwitchTrigger.NOTICE or switch.interruption_event_id is None:
        return
    event = find_event(tx, switch.interruption_event_id)
    if event is None or event.instance_id != switch.from_instance_id or event.action_at is None or tx.now >= event.action_at:
        return
    if load_instance(tx, agent.agent_id, switch.from_instance_id).role is not Role.TERMINATED:
        salvage(tx, agent, event, is_beside_handover=True)


def let_root_go(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """The move is complete. If everything written came along, a root that was kept for it goes with its instance after all."""
    if switch.interruption_event_id is None or switch.carry not in STATE_MAY_BE_ON_ROOT or not is_all_brought_along(tx, switch):
        return
    asked = queries.find_by_request(tx, agent.agent_id, _request_id(switch.interruption_event_id))
    event = find_event(tx, switch.interruption_event_id)
    if asked is None or event is None or event.instance_id != switch.from_instance_id:
        return
    ledger.give_up(tx, asked.command_id, status=CommandStatus.CANCELLED, reason="everything came along")
    if asked.first_delivered_at is not None:
        payload = {
            "instance_id": event.instance_id,
            "tags": owner_tags(agent),
            "keep_root": False,
            "let_root_go": True,
            "beside_handover": True,
        }
        _issue(tx, agent, event, f"{_request_id(event.event_id)}/back", PRIORITY_HOUSEKEEPING, payload)


def _request_id(event_id: str) -> str:
    return f"salvage/{event_id}"


def _issue(tx: Transaction, agent: Agent, event: InterruptionEvent, request_id: str, priority: int, payload: dict[str, Any]) -> None:
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=event.instance_id,
            request_id=request_id,
            kind=CommandKind.SALVAGE_VOLUMES,
            priority=priority,
            epoch=agent.epoch,
            payload=payload,
            deadline_at=event.action_at,
        ),
    )
