"""What the commands about data volumes say, and what follows from their answers. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import find_instance
from spot_server.features.replicas.launching import owner_tags
from spot_server.features.switches import queries
from spot_server.features.switches.decisions import Issue, UndoIssue
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.volumes.queries import ATTACHED
from spot_server.words import PRIORITY_HOUSEKEEPING, Carry, CommandKind, StepName, StepStatus

VOLUME_KINDS = frozenset(
    {
        CommandKind.UNMOUNT_VOLUMES,
        CommandKind.DETACH_VOLUMES,
        CommandKind.ATTACH_VOLUMES,
        CommandKind.MOUNT_VOLUMES,
        CommandKind.COPY_VOLUMES,
    }
)

BROUGHT = "brought_volumes"
"""In a switch's timing: the copies that it goes on with, `volumes`, and the earlier move that made them, `by`."""

_MEMBERS = ("volume_id", "device_name", "mount_point", "file_system")


def volume_payload(tx: Transaction, agent: Agent, switch: Switch, decision: Issue) -> dict[str, Any]:
    """Return the payload of a step's command."""
    old, waits = listed(switch.data_volumes), {"wait_seconds": decision.bound_seconds}
    match decision.kind:
        case CommandKind.UNMOUNT_VOLUMES:
            return {"volumes": old, "bound_seconds": decision.bound_seconds}
        case CommandKind.DETACH_VOLUMES:
            return _detach(old, switch.to_instance_id, _released_by(tx, switch), decision)
        case CommandKind.ATTACH_VOLUMES:
            return {"volumes": volumes_of_new_side(tx, switch), "instance_id": switch.to_instance_id, **waits}
        case CommandKind.COPY_VOLUMES:
            return {**_copy(tx, agent, switch, decision), **waits}
        case _:
            return {"volumes": volumes_of_new_side(tx, switch), "bound_seconds": decision.bound_seconds}


def undo_volume_payload(tx: Transaction, switch: Switch, decision: UndoIssue) -> dict[str, Any]:
    """Return what the command that takes a step back says: what the new side has of them goes, what is the old side's comes back."""
    old = listed(switch.data_volumes)
    match decision.kind:
        case CommandKind.UNMOUNT_VOLUMES:
            return {"volumes": volumes_of_new_side(tx, switch), "bound_seconds": decision.bound_seconds}
        case CommandKind.DETACH_VOLUMES:
            # By now the new side has unmounted them, has ended, or never mounted them.
            return _detach(old, switch.from_instance_id, switch.to_instance_id, decision)
        case CommandKind.ATTACH_VOLUMES:
            return {"volumes": old, "instance_id": switch.from_instance_id, "wait_seconds": decision.bound_seconds}
        case _:
            return {"volumes": old, "bound_seconds": decision.bound_seconds}


def _detach(volumes: Sequence[dict[str, Any]], to: str | None, released_by: str | None, decision: Issue | UndoIssue) -> dict[str, Any]:
    return {
        "volume_ids": [volume["volume_id"] for volume in volumes],
        "instance_id": to,
        "released_by": released_by,
        "wait_seconds": decision.bound_seconds,
    }


def _released_by(tx: Transaction, switch: Switch) -> str | None:
    """Return the old instance if its daemon confirmed that it unmounted them; else only EC2's word takes them from it."""
    unmount = find_step(tx, switch, StepName.UNMOUNT)
    return switch.from_instance_id if unmount is not None and unmount.status is StepStatus.DONE else None


def _copy(tx: Transaction, agent: Agent, switch: Switch, decision: Issue) -> dict[str, Any]:
    new = None if switch.to_instance_id is None else find_instance(tx, switch.agent_id, switch.to_instance_id)
    return {
        "volumes": listed(switch.data_volumes),
        "move_id": switch.switch_id,
        "pass": "first" if decision.step is StepName.SNAPSHOT else "last",
        "az_name": None if new is None else new.az_name,
        "tags": owner_tags(agent, switch_id=switch.switch_id),
        "reported": [
            {name: volume.get(name) for name in ("volume_id", "volume_type", "size_gib", "tags")} for volume in switch.data_volumes
        ],
    }


def listed(volumes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what daemons are told of volumes."""
    return [{name: volume.get(name) for name in _MEMBERS} for volume in volumes]


def volumes_of_new_side(tx: Transaction, switch: Switch) -> list[dict[str, Any]]:
    """Return the volumes that the new side works with: copies, of this move or an earlier one, or the old side's own."""
    step = find_step(tx, switch, StepName.COPY_VOLUMES)
    copies = (step.outcome or {}).get("volumes") if step is not None and step.status is StepStatus.DONE else None
    return listed(copies or switch.timing.get(BROUGHT, {}).get("volumes") or switch.data_volumes)


def find_step(tx: Transaction, switch: Switch, name: StepName) -> Step | None:
    """Return a step of the switch, None where the plan does not have it."""
    return next((step for step in queries.list_steps(tx, switch.switch_id) if step.name is name), None)


def note_attached(tx: Transaction, switch: Switch) -> None:
    """Keep which volumes the new instance has now: a rescue from it may come before its daemon tells of them.

    What is attached by a call, and not by a launch, outlives the instance. It is kept with the step as well: a heartbeat that tells of an
    older look overwrites what is kept with the instance.
    """
    known = {volume["volume_id"]: volume for volume in switch.data_volumes}
    attached = [
        {
            **known.get(volume["volume_id"], next((one for one in switch.data_volumes if one["device_name"] == volume["device_name"]), {})),
            **volume,
            "delete_on_termination": False,
        }
        for volume in volumes_of_new_side(tx, switch)
    ]
    where = (instances.c.agent_id == switch.agent_id, instances.c.instance_id == switch.to_instance_id)
    tx.execute(update(instances).where(*where).values(attached_volumes=attached))
    step = find_step(tx, switch, StepName.ATTACH)
    outcome = {} if step is None else step.outcome or {}
    queries.update_step(tx, switch.switch_id, StepName.ATTACH, outcome={**outcome, ATTACHED: attached})


def discard_copies(tx: Transaction, switch: Switch) -> None:
    """Have the copies removed that a move made which is taken back. Nothing waits for the answer; what is left is told by the sweeper."""
    step = find_step(tx, switch, StepName.COPY_VOLUMES)
    if switch.carry is not Carry.VOLUME or step is None or step.command_id is None:
        return
    agent = load_agent(tx, switch.agent_id)
    chosen = assign(tx, agent, Act.DISCARD_VOLUMES, switch.from_instance_id)
    if chosen is None:
        return
    bound_seconds = tx.policy.terminate_bound_seconds
    ledger.issue(
        tx,
        NewCommand(
            client_id=switch.client_id,
            agent_id=switch.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=f"switch/{switch.switch_id}/{StepName.COPY_VOLUMES}/discard",
            kind=CommandKind.DISCARD_VOLUMES,
            priority=PRIORITY_HOUSEKEEPING,
            epoch=agent.epoch,
            payload={"move_id": switch.switch_id, "wait_seconds": bound_seconds},
            deadline_at=tx.now + timedelta(seconds=bound_seconds + tx.policy.command_margin_seconds),
        ),
    )
