"""What each kind of registration writes. Every function here runs while the agent's row is held, or creates it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid, TokenInvalid
from spot_server.features.agents.drift import tell_drift
from spot_server.features.agents.queries import Agent, live_key
from spot_server.features.audit.service import record
from spot_server.features.instances.age_rules import possible_boot, possible_launch
from spot_server.features.instances.queries import load_instance
from spot_server.features.instances.rules import RoleEvent, next_role
from spot_server.features.instances.service import change_role
from spot_server.features.notifications.service import notify
from spot_server.features.recoveries.serving import ServeReason, tell_to_serve
from spot_server.features.registration import queries
from spot_server.features.registration.rules import Enrolment, LaunchNonce
from spot_server.features.replicas.approved import ApprovedInstance, take_approved_in
from spot_server.features.replicas.last_hope import take_after_all
from spot_server.features.replicas.placement import Place
from spot_server.features.replicas.service import on_registered
from spot_server.features.unexpected.queries import note_claim
from spot_server.words import Carry, Mode, Role, Severity

BY = "registration"


@dataclass(frozen=True, slots=True)
class NewRegistration:
    """What a daemon says when it registers. `settings` holds only checked settings, by name: the seed of a new agent."""

    logical_agent_id: str
    instance_id: str
    instance_type: str
    region: str
    az_id: str
    az_name: str
    product: str
    architecture: str
    mode: Mode
    daemon_version: str
    image_id: str | None = None
    account_id: str | None = None
    private_ip: str | None = None
    hostname: str | None = None
    launched_at: datetime | None = None
    booted_at: datetime | None = None
    owner: str | None = None
    mode_evidence: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    launch_specification: dict[str, Any] | None = None
    configuration: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """An instance that is in; `is_new` is False for one that was known before."""

    client_id: str
    is_new: bool


def open_agent(tx: Transaction, credential: Enrolment | LaunchNonce, request: NewRegistration) -> Arrival | None:
    """Make a new agent with this instance as its PRIMARY; None when another registration opened it first."""
    agent_id = str(uuid4())
    client_id = credential.client_id
    if not queries.insert_agent(tx, _agent_values(tx, agent_id, client_id, request)):
        return None
    _spend(tx, credential)
    role = _insert(tx, agent_id, client_id, RoleEvent.FIRST_REGISTERED, request)
    _record(tx, client_id, agent_id, request, "agent.registered", {"role": role, "epoch": 1})
    tx.emit(
        "agent_registered",
        client_id=client_id,
        agent_id=agent_id,
        instance_id=request.instance_id,
        data={"logical_agent_id": request.logical_agent_id, "role": role},
    )
    notify(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        severity=Severity.WARNING,
        kind="no_image_yet",
        text=f"{request.logical_agent_id} has no image yet: until one is made, a lost instance cannot be replaced.",
        dedupe_key=f"no_image_yet/{agent_id}",
    )
    _warn_of_mode(tx, client_id, agent_id, request)
    return Arrival(client_id, is_new=True)


def stand_in(tx: Transaction, credential: Enrolment | LaunchNonce, agent: Agent, request: NewRegistration) -> Arrival:
    """Make this instance the PRIMARY of an agent whose instances are all gone, under a new epoch."""
    _spend(tx, credential)
    queries.raise_epoch(tx, agent.agent_id)
    role = _insert(tx, agent.agent_id, agent.client_id, RoleEvent.FIRST_REGISTERED, request)
    after = {"role": role, "epoch": agent.epoch + 1}
    _record(tx, agent.client_id, agent.agent_id, request, "agent.stood_in", after, before={"epoch": agent.epoch})
    data = {
        "epoch": agent.epoch + 1,
        "from_instance_id": None,
        "to_instance_id": request.instance_id,
        "is_undo": False,
        "reason": "all earlier instances are terminated",
    }
    tx.emit("promoted", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=request.instance_id, data=data)
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="instance_stood_in",
        text=f"{request.instance_id} registered for {agent.logical_agent_id}, whose instances are all terminated: it is now primary.",
    )
    _warn_of_mode(tx, agent.client_id, agent.agent_id, request)
    return Arrival(agent.client_id, is_new=True)


def take_replica_in(tx: Transaction, agent: Agent, replica_id: str, request: NewRegistration, *, is_adopted: bool) -> Arrival:
    """Make an instance that the server launched a REPLICA and spend its nonce."""
    if not queries.use_nonce(tx, replica_id, request.instance_id):
        raise TokenInvalid("the launch nonce is used up")
    role = _insert(tx, agent.agent_id, agent.client_id, RoleEvent.REPLICA_REGISTERED, request, replica_id=replica_id)
    after = {"role": role, "replica_id": replica_id, "is_adopted": is_adopted}
    _record(tx, agent.client_id, agent.agent_id, request, "instance.registered", after)
    tx.emit(
        "replica_registered",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=request.instance_id,
        data={"replica_id": replica_id, "is_adopted": is_adopted},
    )
    on_registered(tx, agent_id=agent.agent_id, replica_id=replica_id, instance_id=request.instance_id)
    _warn_of_mode(tx, agent.client_id, agent.agent_id, request)
    return Arrival(agent.client_id, is_new=True)


def join_as_standby(tx: Transaction, credential: Enrolment | LaunchNonce, agent: Agent, request: NewRegistration) -> Arrival:
    """Take an instance in as a REPLICA that a person approved. It is none that we launched: without our tags we never end it."""
    _spend(tx, credential)
    replica_id = take_approved_in(tx, agent, _approved(request))
    role = _insert(tx, agent.agent_id, agent.client_id, RoleEvent.REPLICA_REGISTERED, request, replica_id=replica_id)
    queries.touch_instance(tx, agent.agent_id, request.instance_id, {"launched_by_server": False})
    after = {"role": role, "replica_id": replica_id}
    _record(tx, agent.client_id, agent.agent_id, request, "instance.joined_as_standby", after)
    tx.emit(
        "replica_registered",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=request.instance_id,
        data={"replica_id": replica_id, "is_adopted": True},
    )
    on_registered(tx, agent_id=agent.agent_id, replica_id=replica_id, instance_id=request.instance_id)
    _warn_of_mode(tx, agent.client_id, agent.agent_id, request)
    return Arrival(agent.client_id, is_new=True)


def _approved(request: NewRegistration) -> ApprovedInstance:
    place = Place(request.instance_type, request.az_id, request.mode)
    return ApprovedInstance(request.instance_id, place, request.image_id, request.booted_at)


def take_in_after_all(tx: Transaction, agent: Agent, replica_id: str, request: NewRegistration, *, is_known: bool) -> Arrival:
    """Make an instance whose replica was given up the REPLICA of a new one: the rescue that gave up goes to it."""
    if not is_known and not queries.use_nonce(tx, replica_id, request.instance_id):
        raise TokenInvalid("the launch nonce is used up")
    new_id = take_after_all(tx, agent, replica_id, request.instance_id)
    if is_known:
        reason = "a rescue has nothing else to move to"
        role = change_role(tx, agent_id=agent.agent_id, instance_id=request.instance_id, event=RoleEvent.TAKEN_BACK, reason=reason, by=BY)
    else:
        role = _insert(tx, agent.agent_id, agent.client_id, RoleEvent.REPLICA_REGISTERED, request, replica_id=new_id)
    # Since when it must be paid for: of itself it knows that better than its replica, whose time begins now.
    launched_at = possible_launch(request.launched_at, tx.now) or load_instance(tx, agent.agent_id, request.instance_id).launched_at
    said = {key: value for key, value in _observed(tx, request, launched_at).items() if value is not None}
    queries.touch_instance(tx, agent.agent_id, request.instance_id, {**said, "replica_id": new_id, "stray_reason": None})
    after = {"role": role, "replica_id": new_id, "given_up_replica_id": replica_id}
    _record(tx, agent.client_id, agent.agent_id, request, "instance.taken_after_all", after)
    tx.emit(
        "replica_registered",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=request.instance_id,
        data={"replica_id": new_id, "is_adopted": True, "given_up_replica_id": replica_id},
    )
    on_registered(tx, agent_id=agent.agent_id, replica_id=new_id, instance_id=request.instance_id)
    _warn_of_mode(tx, agent.client_id, agent.agent_id, request)
    return Arrival(agent.client_id, is_new=True)


def turn_stray_away(tx: Transaction, agent: Agent, replica_id: str, request: NewRegistration) -> None:
    """Record an instance that comes when its replica has ended, and spend the nonce on it: it gets no token and is given no work.

    What it says of itself ends nothing: the sweeper terminates it when EC2's tags say that it is ours.
    """
    if not queries.use_nonce(tx, replica_id, request.instance_id):
        raise TokenInvalid("the launch nonce is used up")
    reason = f"it came with the nonce of replica {replica_id}, which had ended"
    role = _insert(tx, agent.agent_id, agent.client_id, RoleEvent.CAME_UNWANTED, request, replica_id=replica_id, stray_reason=reason)
    _record(tx, agent.client_id, agent.agent_id, request, "instance.turned_away", {"role": role, "replica_id": replica_id})
    tx.emit(
        "stray_registered",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=request.instance_id,
        data={"replica_id": replica_id, "reason": reason},
    )


def greet_again(tx: Transaction, credential: Enrolment | LaunchNonce, agent: Agent, request: NewRegistration) -> Arrival:
    """Note what a known instance says of itself now. Its role, and the agent's settings, stay as they are."""
    # EC2's word on the launch was the same from the beginning; only a daemon of before did not pass it on.
    launched_at = load_instance(tx, agent.agent_id, request.instance_id).launched_at or possible_launch(request.launched_at, tx.now)
    values = {key: value for key, value in _observed(tx, request, launched_at).items() if value is not None}
    queries.touch_instance(tx, agent.agent_id, request.instance_id, values)
    tx.emit(
        "instance_registered_again",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=request.instance_id,
        data={"daemon_version": request.daemon_version, "with_nonce": isinstance(credential, LaunchNonce)},
    )
    if request.configuration is not None:
        tell_drift(tx, agent.agent_id, request.instance_id)
    tell_to_serve(tx, agent, request.instance_id, ServeReason.REGISTERED)
    _warn_of_mode(tx, agent.client_id, agent.agent_id, request)
    return Arrival(agent.client_id, is_new=False)


def tell_unexpected(tx: Transaction, agent: Agent, request: NewRegistration) -> None:
    """Keep the claim, and tell the client, once per instance, that something else claims to be this agent."""
    note_claim(
        tx,
        {
            "agent_id": agent.agent_id,
            "instance_id": request.instance_id,
            "client_id": agent.client_id,
            "instance_type": request.instance_type,
            "az_id": request.az_id,
            "image_id": request.image_id,
            "private_ip": request.private_ip,
            "hostname": request.hostname,
        },
    )
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="unexpected_instance",
        text=(
            f"{request.instance_id} ({request.instance_type} in {request.az_id}) claims to be {agent.logical_agent_id}, "
            "which already lives on another instance. It was refused, and it does not serve for us: approve it as a standby, or refuse it."
        ),
        dedupe_key=f"unexpected_instance/{agent.agent_id}/{request.instance_id}",
    )


def _spend(tx: Transaction, credential: Enrolment | LaunchNonce) -> None:
    if isinstance(credential, Enrolment) and not queries.take_use(tx, credential.token_id):
        raise TokenInvalid("the enrolment token is used up")


def _insert(
    tx: Transaction,
    agent_id: str,
    client_id: str,
    event: RoleEvent,
    request: NewRegistration,
    replica_id: str | None = None,
    stray_reason: str | None = None,
) -> Role:
    role = next_role(None, event)
    told_at = None if replica_id is None else queries.launch_moment_of(tx, replica_id)
    launched_at = possible_launch(told_at or request.launched_at, tx.now)
    queries.insert_instance(
        tx,
        {
            "agent_id": agent_id,
            "instance_id": request.instance_id,
            "client_id": client_id,
            "role": role,
            "primary_of": agent_id if role is Role.PRIMARY else None,
            "last_primary_at": tx.now if role is Role.PRIMARY else None,
            "stray_reason": stray_reason,
            "launched_by_server": replica_id is not None,
            "replica_id": replica_id,
            "registered_at": tx.now,
            "role_changed_at": tx.now,
            "region": request.region,
            "az_id": request.az_id,
            "instance_type": request.instance_type,
            **_observed(tx, request, launched_at),
        },
    )
    return role


def _observed(tx: Transaction, request: NewRegistration, launched_at: datetime | None) -> dict[str, Any]:
    """Return the columns that hold what the daemon says of its instance, and that may change while it lives.

    A wrong clock keeps no workload out: a boot that cannot be is corrected, and one to come is not kept.
    """
    return {
        "mode": request.mode,
        "mode_evidence": request.mode_evidence,
        "az_name": request.az_name,
        "product": request.product,
        "architecture": request.architecture,
        "image_id": request.image_id,
        "account_id": request.account_id,
        "private_ip": request.private_ip,
        "hostname": request.hostname,
        "daemon_version": request.daemon_version,
        "launched_at": launched_at,
        "booted_at": possible_boot(launched_at, request.booted_at, tx.now),
        "last_heartbeat_at": tx.now,
        "effective_settings": request.settings,
        **({} if request.configuration is None else {"configuration": request.configuration}),
    }


def _agent_values(tx: Transaction, agent_id: str, client_id: str, request: NewRegistration) -> dict[str, Any]:
    seed = dict(request.settings)
    if seed.get("carry") is None:
        raise FieldInvalid("settings.carry", None, "how the workload's state comes along; it is chosen by a person, never assumed")
    # A new agent may move within its own instance type until a person allows more.
    seed["allowed_instance_types"] = seed.get("allowed_instance_types") or [request.instance_type]
    seed.setdefault("traffic_handles", [])
    seed.setdefault("data_volumes", [])
    if seed["carry"] is Carry.VOLUME and not seed["data_volumes"]:
        raise FieldInvalid("settings.data_volumes", [], "at least one data volume: the carry is volume")
    seed.setdefault("rebalance_hold_seconds", round(tx.policy.rebalance_hold_seconds))
    return {
        "agent_id": agent_id,
        "client_id": client_id,
        "logical_agent_id": request.logical_agent_id,
        "live_key": live_key(client_id, request.logical_agent_id),
        "region": request.region,
        "launch_specification": request.launch_specification,
        "epoch": 1,
        "created_at": tx.now,
        **seed,
    }


def _record(
    tx: Transaction,
    client_id: str,
    agent_id: str,
    request: NewRegistration,
    action: str,
    after: dict[str, Any],
    before: dict[str, Any] | None = None,
) -> None:
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=request.instance_id,
        user_id=BY,
        action=action,
        reason=f"registration of {request.logical_agent_id}",
        pre_state=before,
        post_state=after,
    )


def _warn_of_mode(tx: Transaction, client_id: str, agent_id: str, request: NewRegistration) -> None:
    if request.mode is not Mode.UNKNOWN:
        return
    notify(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        severity=Severity.WARNING,
        kind="mode_unknown",
        text=(
            f"Whether {request.instance_id} is spot or on-demand is not known: metadata and the EC2 API disagree, or do not say it "
            f"({request.mode_evidence}). No move is made."
        ),
        dedupe_key=f"mode_unknown/{agent_id}/{request.instance_id}",
    )
