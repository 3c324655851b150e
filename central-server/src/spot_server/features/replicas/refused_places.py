"""Leaving out the places that a refusal speaks of, and telling what a person can mend. The caller holds the agent's row."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.queries import Command
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.service import note_shortage
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.launching import last_primary
from spot_server.features.replicas.placement import Place
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.refusal_rules import SUBNETS_GONE, Scope, places_left_out
from spot_server.features.replicas.rules import TryElsewhere
from spot_server.words import Mode, Severity


def leave_out(tx: Transaction, agent: Agent, replica: Replica, command: Command | None, decision: TryElsewhere) -> Replica:
    """Have the replica go on without the places that its launch was refused in. The first one that can be had is asked for next."""
    code = "" if command is None else command.error_code or ""
    if decision.cools_pool:
        _cool_pool(tx, agent, replica, code)
    if decision.scope is Scope.QUOTA:
        _tell_quota(tx, agent, replica, decision.reason)
    if code in SUBNETS_GONE:
        _tell_subnet(tx, agent, replica, decision.reason)
    if command is not None:
        # What may have been asked for again was kept with its nonce.
        ledger.forget_secrets(tx, command)
    emit_replica(tx, replica, "replica_refused", {"place": replica.place.key, "reason": decision.reason})
    left_out = [key for key in _places_spoken_of(tx, agent, replica, decision.scope) if key not in replica.rejected_places]
    return queries.update_replica(
        tx, replica, rejected_places=[*replica.rejected_places, *left_out], launch_command_id=None, status_reason=decision.reason
    )


def _places_spoken_of(tx: Transaction, agent: Agent, replica: Replica, scope: Scope) -> list[str]:
    primary = last_primary(tx, agent)
    own_types = set() if primary is None else {primary.instance_type}
    types = sorted({replica.instance_type, *own_types, *agent.allowed_instance_types})
    zones = (agent.launch_specification or {}).get("subnets") or {}
    places = [Place(kind, zone, mode) for kind in types for zone in zones for mode in (Mode.SPOT, Mode.ON_DEMAND)]
    vcpus = {name: shape.vcpu for name, shape in queries.load_shapes(tx, types).items()}
    return places_left_out(replica.place, scope, places, vcpus)


def _cool_pool(tx: Transaction, agent: Agent, replica: Replica, code: str) -> None:
    """Have nobody else try the pool for a while. A shortage that a game day plays says nothing about it."""
    if queries.plays_game_day(tx, agent.agent_id):
        return
    pool = PoolKey(agent.region, replica.az_id, replica.instance_type)
    cooldown = note_shortage(tx, pool, code=code)
    data = {"place": replica.place.key, "until": cooldown.until_at.isoformat(), "shortage_count": cooldown.shortage_count}
    tx.emit("pool_cools_down", client_id=agent.client_id, agent_id=agent.agent_id, data=data)


def _tell_quota(tx: Transaction, agent: Agent, replica: Replica, reason: str) -> None:
    is_spot = replica.mode is Mode.SPOT
    then = "On-demand is taken where no spot place is left, and costs more" if is_spot else "Places beyond that quota are tried"
    if is_spot and replica.wish.get("mode") == Mode.SPOT:
        then = "Nothing on demand is taken, for spot was asked for"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="quota_reached",
        text=(
            f"the {'spot' if is_spot else 'on-demand'} quota of the account holds no other {replica.instance_type} for "
            f"{agent.logical_agent_id}: {reason}. {then}. Ask AWS for a higher quota in {agent.region}, or end what is not needed."
        ),
        dedupe_key=f"quota_reached/{agent.agent_id}/{replica.mode}/{tx.now.date()}",
    )


def _tell_subnet(tx: Transaction, agent: Agent, replica: Replica, reason: str) -> None:
    subnet_id = ((agent.launch_specification or {}).get("subnets") or {}).get(replica.az_id)
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="subnet_gone",
        text=(
            f"EC2 has no subnet {subnet_id}, which {agent.logical_agent_id} names for {replica.az_id}: {reason}. Other zones are tried. "
            f"Name a subnet that is there in subnets of its launch specification, or leave {replica.az_id} out."
        ),
        dedupe_key=f"subnet_gone/{agent.agent_id}/{replica.az_id}/{tx.now.date()}",
    )
