"""Asking for a replica's instance: place, image, nonce, and the launch command."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.queries import Command
from spot_server.features.cooldowns.queries import cooling_pools
from spot_server.features.instances.queries import Instance, list_instances, primary_of
from spot_server.features.pricing.market_queries import on_demand_usd_per_hour
from spot_server.features.pricing.queries import latest_prices
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import ask_number
from spot_server.features.replicas.boot_rules import Pool, expected_boot_seconds
from spot_server.features.replicas.image_queries import best_image, find_image
from spot_server.features.replicas.image_rules import Purpose
from spot_server.features.replicas.likeness_rules import likeness
from spot_server.features.replicas.placement import Offer, Place, Ranking, Wish, list_offers, rank_offers
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import client_token
from spot_server.words import (
    PRIORITY_DECISION,
    PRIORITY_EMERGENCY,
    Carry,
    CommandKind,
    CommandStatus,
    HandleKind,
    Mode,
    ReplicaKind,
)

TAG_PREFIX = "spot-optimizer:"


def rank_places(tx: Transaction, agent: Agent, wish: Wish, product_name: str) -> Ranking:
    """Rank every market that the agent may use, at the newest prices reported; pools that had no capacity of late are left alone."""
    types = sorted({wish.primary.instance_type, *agent.allowed_instance_types})
    subnets = (agent.launch_specification or {}).get("subnets") or {}
    prices = latest_prices(tx, agent.region, types, product_name)
    offers = list_offers(
        instance_types=types,
        az_ids=subnets,
        spot_usd_per_hour={(price.instance_type, price.az_id): price.usd_per_hour for price in prices},
        on_demand_usd_per_hour=on_demand_usd_per_hour(tx, agent.region, types, product_name),
        cooling_until=cooling_pools(tx, agent.region, types),
        boot_seconds=_boot_seconds(tx, agent, types, subnets) if wish.is_urgent else None,
    )
    return rank_offers(offers, wish, queries.load_shapes(tx, types))


def _boot_seconds(tx: Transaction, agent: Agent, types: Sequence[str], az_ids: Iterable[str]) -> dict[Pool, float]:
    boots = queries.measured_boots(tx, agent.client_id, types)
    return expected_boot_seconds(boots, product(types, az_ids))


def wish_of(
    agent: Agent,
    primary: Instance,
    *,
    is_standby: bool,
    target: dict[str, Any] | None = None,
    excluded: Sequence[str] = (),
    is_last_resort: bool = False,
    is_urgent: bool = False,
) -> Wish:
    """Say what is looked for, from the primary and what a person asked for."""
    target = target or {}
    return Wish(
        primary=Place(primary.instance_type, primary.az_id, primary.mode),
        architecture=primary.architecture,
        mode=Mode(target["mode"]) if target.get("mode") else None,
        instance_type=target.get("instance_type"),
        az_id=target.get("az_id"),
        bound_by=bound_by(agent, may_copy_volumes=is_last_resort or bool(target.get("az_id"))),
        stays_in_zone=agent.carry is Carry.VOLUME,
        is_standby=is_standby,
        is_last_resort=is_last_resort,
        is_urgent=is_urgent,
        excluded=frozenset(excluded),
    )


def bound_by(agent: Agent, *, may_copy_volumes: bool = False) -> str | None:
    """Name what only moves within one AZ; None when the agent has no such thing.

    Data volumes leave it as copies alone, which takes minutes: where a person asks for that AZ, or nothing else is left.
    """
    bound = [handle["private_ip"] for handle in agent.traffic_handles if handle["kind"] == HandleKind.SECONDARY_PRIVATE_IP]
    if bound:
        return f"the secondary private IP {bound[0]}"
    return (
        "its data volumes (a move that names another az_id copies them)" if agent.carry is Carry.VOLUME and not may_copy_volumes else None
    )


@dataclass(frozen=True, slots=True)
class LaunchImage:
    """What to launch from, and what kind of image that is."""

    image_id: str
    origin: str


def choose_image(tx: Transaction, agent: Agent, primary: Instance | None, purpose: Purpose = Purpose.EMERGENCY) -> LaunchImage | None:
    """Return an image of the agent; else the base image; else the primary's own, for an agent that has no state in it. None: there is none.

    The primary's own image would bring an agent that carries state up empty, which is worse than not at all.
    """
    image = best_image(tx, agent.agent_id, purpose)
    if image is not None:
        return LaunchImage(image.image_id, "the newest that has booted" if image.has_booted else "never booted yet")
    return next(iter(images_of_others(agent, primary)), None)


def images_of_others(agent: Agent, primary: Instance | None) -> list[LaunchImage]:
    """Return the images that the agent may be launched from although none of its own making, the first choice first."""
    found = [] if agent.base_image_id is None else [LaunchImage(agent.base_image_id, "base image")]
    if agent.carry in {Carry.STATELESS, Carry.VOLUME} and primary is not None and primary.image_id is not None:
        found.append(LaunchImage(primary.image_id, "the primary's own image"))
    return found


def issue_launch(tx: Transaction, agent: Agent, replica: Replica) -> Replica | None:
    """Choose the best place that is left and ask for a launch there. None when no place is left or nobody can ask now."""
    primary = last_primary(tx, agent)
    if primary is None or replica.image_id is None:
        return None
    offer = best_place(tx, agent, replica, primary)
    chosen = assign(tx, agent, _act(replica), primary.instance_id)
    if offer is None or chosen is None:
        return None
    attempt = replica.attempt + 1
    token = client_token(agent.agent_id, replica.replica_id, offer.place.key, attempt)
    nonce = "so_nonce_" + secrets.token_urlsafe(32)
    command_id = ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=f"replica/{replica.replica_id}/launch/{attempt}",
            kind=CommandKind.LAUNCH_INSTANCE,
            priority=_priority(replica),
            epoch=agent.epoch,
            payload={**_payload(agent, replica, offer.place, token, nonce), **_likeness(tx, agent, replica, offer.place, primary)},
            deadline_at=tx.now + timedelta(seconds=tx.policy.launch_bound_seconds),
            replica_id=replica.replica_id,
        ),
    )
    return queries.update_replica(
        tx,
        replica,
        attempt=attempt,
        instance_type=offer.place.instance_type,
        az_id=offer.place.az_id,
        mode=offer.place.mode,
        client_token=token,
        nonce_sha256=hashlib.sha256(nonce.encode()).hexdigest(),
        launch_command_id=command_id,
    )


def last_primary(tx: Transaction, agent: Agent) -> Instance | None:
    """Return the PRIMARY, or, when EC2 has taken it before another was promoted, the instance that was it last."""
    primary = primary_of(tx, agent.agent_id)
    if primary is not None:
        return primary
    were_primary = [(one.last_primary_at, one) for one in list_instances(tx, agent.agent_id) if one.last_primary_at is not None]
    return max(were_primary, key=lambda pair: pair[0], default=(None, None))[1]


def best_place(tx: Transaction, agent: Agent, replica: Replica, primary: Instance) -> Offer | None:
    """Return the best place that the replica's wish and its refusals leave, or None."""
    wish = wish_of(
        agent,
        primary,
        is_standby=replica.kind is not ReplicaKind.SWITCH,
        target=replica.wish,
        excluded=replica.rejected_places,
        is_last_resort=is_rescue(replica),
        is_urgent=replica.kind is ReplicaKind.EMERGENCY,
    )
    ranking = rank_places(tx, agent, wish, primary.product)
    return ranking.suitable[0] if ranking.suitable else None


def ask_another(tx: Transaction, agent: Agent, replica: Replica, command: Command, reason: str) -> Replica | None:
    """Ask again, or another party, for the same launch under the same client token and nonce: one instance comes of it, whoever acts."""
    primary = last_primary(tx, agent)
    target = primary.instance_id if primary is not None else command.instance_id
    chosen = assign(tx, agent, _act(replica), target)
    if chosen is None:
        return None
    request_id = f"{command.request_id.partition('#')[0]}#{ask_number(command.request_id) + 1}"
    ledger.give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason=reason)
    ledger.forget_secrets(tx, command)
    command_id = ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=request_id,
            kind=command.kind,
            priority=command.priority,
            epoch=agent.epoch,
            payload=command.payload,
            deadline_at=tx.now + timedelta(seconds=tx.policy.launch_bound_seconds),
            replica_id=replica.replica_id,
        ),
    )
    return queries.update_replica(tx, replica, launch_command_id=command_id, attempt=replica.attempt + 1, status_reason=reason)


def is_rescue(replica: Replica) -> bool:
    """Return whether it takes the place of a primary that is being taken away, rather than standing by."""
    return replica.kind is ReplicaKind.EMERGENCY and replica.hold_until is None


def _act(replica: Replica) -> Act:
    return Act.LAUNCH_IN_EMERGENCY if replica.kind is ReplicaKind.EMERGENCY else Act.LAUNCH


def _priority(replica: Replica) -> int:
    return PRIORITY_EMERGENCY if replica.kind is ReplicaKind.EMERGENCY else PRIORITY_DECISION


def _payload(agent: Agent, replica: Replica, place: Place, token: str, nonce: str) -> dict[str, Any]:
    specification = agent.launch_specification or {}
    user_data = {"spot_optimizer": {"nonce": nonce, "logical_agent_id": agent.logical_agent_id, "agent_id": agent.agent_id}}
    return {
        "client_token": token,
        "image_id": replica.image_id,
        "instance_type": place.instance_type,
        "az_id": place.az_id,
        "subnet_id": specification.get("subnets", {}).get(place.az_id),
        "mode": place.mode,
        "security_group_ids": specification.get("security_group_ids", []),
        "iam_instance_profile_arn": specification.get("iam_instance_profile_arn"),
        "key_name": specification.get("key_name"),
        "metadata_options": specification.get("metadata_options", {}),
        "user_data": json.dumps(user_data, sort_keys=True),
        "tags": {**specification.get("tags", {}), **owner_tags(agent, replica_id=replica.replica_id, token=token)},
    }


def _likeness(tx: Transaction, agent: Agent, replica: Replica, place: Place, primary: Instance) -> dict[str, Any]:
    image = None if replica.image_id is None else find_image(tx, agent.agent_id, replica.image_id)
    devices = [] if image is None else image.device_names
    if image is None and replica.image_id == primary.image_id:
        # Of the primary's own image only the root device is sure to be in it.
        devices = [str((primary.configuration or {}).get("root_device_name"))]
    return likeness(primary.configuration, place.instance_type, devices)


def owner_tags(agent: Agent, **extra: str | None) -> dict[str, str]:
    """Return the tags that say whose a resource is; every resource that we make carries them from the call that makes it."""
    tags = {
        "managed": "true",
        "client-id": agent.client_id,
        "agent-id": agent.agent_id,
        "logical-agent-id": agent.logical_agent_id,
        "epoch": str(agent.epoch),
        "replica-id": extra.get("replica_id"),
        "switch-id": extra.get("switch_id"),
        "launch-token": extra.get("token"),
    }
    return {TAG_PREFIX + key: value for key, value in tags.items() if value is not None}
