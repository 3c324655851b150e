"""Terminating an instance, as steps that may be repeated: ask, then wait for EC2's word. Used for replicas and for retired primaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import StateConflict
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import last_attempt
from spot_server.features.commands.demands import Demand, press, withdraw
from spot_server.features.commands.queries import Command, newest_attempts
from spot_server.features.instances.queries import find_instance, primary_of
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.features.replicas.launching import owner_tags
from spot_server.features.silences.gone import ENDED_STATES, weighed_state
from spot_server.features.volumes.queries import primary_volumes, volumes_of
from spot_server.words import Carry, CommandKind, HandleKind, Role

WAIT_SECONDS = 30
"""How long one look at a terminating instance lasts; another follows, so that no daemon's slow lane is held for long."""

UNKNOWN_FOR_SECONDS = 60.0
"""How long EC2 may not know an instance that was just launched. Source: EC2's notes on eventual consistency."""

_HANDLES_THAT_LEAD = frozenset({HandleKind.SECONDARY_PRIVATE_IP, HandleKind.TARGET_GROUP, HandleKind.ROUTE53_RECORD})

ATTEMPTS_READ = 200
"""More than are made in a day: attempts that are refused come ever more rarely, at last every quarter of an hour."""

FINAL_IMAGE_PREFIX = "final_image/"


def drive_termination(
    tx: Transaction,
    agent: Agent,
    instance_id: str,
    *,
    former_handles: Sequence[Mapping[str, Any]] = (),
    may_be_new: bool = False,
    keep_root: bool = False,
    asked_since: datetime | None = None,
) -> datetime | None:
    """Take the next step towards `instance_id` being terminated; return when EC2 said that it is, None until then.

    Whoever terminates it refuses while it lacks our tags, or while a traffic handle of the agent (as set now, or one of
    `former_handles`) leads to it. `may_be_new`: it may have been launched a moment ago, so that EC2 not knowing it yet does not mean
    that it is gone. `keep_root`: its root alone may have the last writes, and outlives it. An answer to what was asked before `asked_since`
    does not count: EC2 has shown the instance since.
    Raises StateConflict for a PRIMARY: nothing that should serve is ever terminated by us.
    """
    instance = find_instance(tx, agent.agent_id, instance_id)
    if instance is not None and instance.role is Role.PRIMARY:
        raise StateConflict(f"instance {instance_id} is the PRIMARY and is not terminated")
    if instance is not None and instance.role is Role.TERMINATED:
        return instance.terminated_at or tx.now
    payload: dict[str, Any] = {
        "instance_id": instance_id,
        "handle_allocation_ids": _allocation_ids(*agent.traffic_handles, *former_handles),
    }
    other_handles = _other_handles(*agent.traffic_handles, *former_handles)
    if other_handles:
        payload["handles"] = other_handles
    if agent.carry is Carry.VOLUME or (instance is not None and not instance.launched_by_server):
        # What somebody attached to an instance of theirs, or what moves from one to the next, is no part of its disk.
        payload["keep_data_volumes"] = True
    if keep_root:
        payload |= {"keep_root": True, "tags": owner_tags(agent)}
    # What is asked of an instance that EC2 knows is done at once. The shorter it may be begun, the sooner a call back is sure.
    bound_seconds = tx.policy.check_bound_seconds
    if may_be_new:
        payload["unknown_for_seconds"] = UNKNOWN_FOR_SECONDS
        bound_seconds = tx.policy.terminate_bound_seconds
    kind = CommandKind.TERMINATE_INSTANCE
    asking = Demand(_termination(instance_id), Act.TERMINATE, kind, instance_id, payload, bound_seconds, asked_since=asked_since)
    if press(tx, agent, asking) is None:
        return None
    kind = CommandKind.WAIT_TERMINATED
    payload = {"instance_id": instance_id, "wait_seconds": WAIT_SECONDS}
    bound_seconds = tx.policy.terminate_bound_seconds
    prefix = f"{kind}/{instance_id}"

    def says_ended(command: Command) -> bool:
        return weighed_state(tx, agent, command) in ENDED_STATES

    waiting = Demand(prefix, Act.TERMINATE, kind, instance_id, payload, bound_seconds, asked_since=asked_since, is_enough=says_ended)
    if press(tx, agent, waiting) is None:
        return None
    return note_terminated(tx, agent, instance_id, reason="retired")


def _termination(instance_id: str) -> str:
    return f"{CommandKind.TERMINATE_INSTANCE}/{instance_id}"


def _allocation_ids(*handles: Mapping[str, Any]) -> list[str]:
    return sorted({str(handle["allocation_id"]) for handle in handles if handle.get("allocation_id")})


def _other_handles(*handles: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the handles that are no Elastic IP and of which somebody can say where they lead, each once."""
    asked = [handle for handle in handles if handle["kind"] in _HANDLES_THAT_LEAD]
    return [handle for index, handle in enumerate(asked) if handle not in asked[:index]]


def drive_final_image(tx: Transaction, agent: Agent, instance_id: str) -> Command | None:
    """Take the next step towards a last image of an instance that we did not launch; return what brought it, None until then.

    A command of its own, and not a part of the termination: while it is made, minutes, the termination is not even asked for.
    Data volumes that are still attached, as after a move to another AZ, are left out: they outlive their instance.
    """
    bound_seconds = tx.policy.image_bound_seconds
    devices = _data_devices(tx, agent, instance_id)
    payload = {
        "instance_id": instance_id,
        "image_name": f"spot-optimizer-final-{instance_id}",
        "no_reboot": True,
        "tags": owner_tags(agent),
        "wait_seconds": bound_seconds,
        **({"without_devices": devices} if devices else {}),
    }
    prefix = FINAL_IMAGE_PREFIX + instance_id
    return press(tx, agent, Demand(prefix, Act.FINAL_IMAGE, CommandKind.CREATE_IMAGE, instance_id, payload, bound_seconds))


def _data_devices(tx: Transaction, agent: Agent, instance_id: str) -> list[str]:
    """Return where an instance still has data volumes: as its daemon told, less those that the PRIMARY has now."""
    with_primary = {volume["volume_id"] for volume in primary_volumes(tx, agent, primary_of(tx, agent.agent_id)).volumes}
    left = volumes_of(agent, find_instance(tx, agent.agent_id, instance_id)).volumes
    return sorted(str(volume["device_name"]) for volume in left if volume["volume_id"] not in with_primary)


def is_final_image(command: Command) -> bool:
    """Tell whether a command makes the last image of an instance: a person's safety, and no state to launch from."""
    return command.kind is CommandKind.CREATE_IMAGE and command.request_id.startswith(FINAL_IMAGE_PREFIX)


def last_final_image(tx: Transaction, agent: Agent, instance_id: str) -> Command | None:
    """Return the newest attempt at the instance's last image."""
    return last_attempt(tx, agent.agent_id, FINAL_IMAGE_PREFIX + instance_id)[1]


def last_termination(tx: Transaction, agent: Agent, instance_id: str) -> Command | None:
    """Return the newest attempt at terminating the instance."""
    return last_attempt(tx, agent.agent_id, _termination(instance_id))[1]


def may_still_be_terminated(tx: Transaction, agent: Agent, instance_id: str) -> bool:
    """Tell whether somebody was told to end the instance and has not said that it failed: whoever is silent may do it late."""
    told = [one for one in newest_attempts(tx, agent.agent_id, _termination(instance_id), most=ATTEMPTS_READ) if one.first_delivered_at]
    return any((one.outcome or {}).get("outcome") != "failed" for one in told)


def withdraw_termination(tx: Transaction, agent: Agent, instance_id: str) -> None:
    """Take back what was asked for and not answered, of the final image and of the termination."""
    for prefix in (FINAL_IMAGE_PREFIX + instance_id, _termination(instance_id)):
        withdraw(tx, agent, prefix, "the instance is kept")


def note_terminated(tx: Transaction, agent: Agent, instance_id: str, *, reason: str) -> datetime:
    """EC2 says that the instance is gone: record it. Harmless when recorded already."""
    instance = find_instance(tx, agent.agent_id, instance_id)
    if instance is not None and instance.role is not Role.TERMINATED:
        change_role(tx, agent_id=agent.agent_id, instance_id=instance_id, event=RoleEvent.TERMINATED, reason=reason, by="system")
    ledger.give_up_instance(tx, agent.agent_id, instance_id, reason="EC2 says that the instance is gone")
    return tx.now
