"""The guards at work. One that bites is an alert: the event, and a notification once an hour (a launch) or once (an overlap)."""

from __future__ import annotations

from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.notifications.service import notify
from spot_server.features.spending import queries
from spot_server.features.spending.queries import Overlap
from spot_server.features.spending.rules import Bite, Guard, Spending, SpendingLimits, bite
from spot_server.words import Severity

LAUNCH_WINDOW = timedelta(hours=1)


def hold_back(tx: Transaction, agent: Agent, replica_id: str | None = None) -> str | None:
    """Return why this replica (None: one more) may not be launched now, and tell; None when it may. The caller holds the agent's row."""
    spending = Spending(
        live_replicas=queries.count_others_alive(tx, agent.agent_id, replica_id or ""),
        launches_within_hour=queries.count_launched(tx, agent.agent_id, tx.now - LAUNCH_WINDOW),
    )
    limits = SpendingLimits(tx.policy.spending_replica_count, tx.policy.spending_launches_per_hour)
    bitten = bite(spending, limits)
    if bitten is None:
        return None
    _tell_held_back(tx, agent, replica_id, bitten)
    return f"held back by the spending guard {bitten.guard}: {bitten.reason}"


def _tell_held_back(tx: Transaction, agent: Agent, replica_id: str | None, bitten: Bite) -> None:
    is_new = notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="spending_guard",
        text=(
            f"No replica of {agent.logical_agent_id} is launched: {bitten.reason}. "
            "What takes the place of a primary that goes is launched all the same."
        ),
        dedupe_key=f"spending/{bitten.guard}/{agent.agent_id}/{tx.now:%Y-%m-%dT%H}",
    )
    if is_new:
        data = {"guard": bitten.guard, "replica_id": replica_id, "reason": bitten.reason}
        tx.emit("spending_guard_bit", client_id=agent.client_id, agent_id=agent.agent_id, data=data)


def untold_overlaps(tx: Transaction, overlap_hours: float) -> list[Overlap]:
    """Return what runs beside a primary for longer than this, and nobody was told of. Reads only."""
    overlaps = queries.list_overlaps(tx, tx.now - timedelta(hours=overlap_hours))
    told = queries.told_of(tx, [_overlap_key(overlap) for overlap in overlaps]) if overlaps else set()
    return [overlap for overlap in overlaps if _overlap_key(overlap) not in told]


def tell_overlap(tx: Transaction, overlap: Overlap) -> None:
    """Tell a person, once for each role that the instance has. Nothing is ended on that ground."""
    hours = (tx.now - overlap.since).total_seconds() / 3600
    is_new = notify(
        tx,
        client_id=overlap.client_id,
        agent_id=overlap.agent_id,
        severity=Severity.WARNING,
        kind="spending_guard",
        text=(
            f"{overlap.instance_id} ({overlap.role}) has run beside the primary of {overlap.logical_agent_id} for {hours:.0f} hours, "
            "and is paid: end it if nobody needs it."
        ),
        dedupe_key=_overlap_key(overlap),
    )
    if is_new:
        data = {"guard": Guard.OVERLAP_HOURS, "role": overlap.role, "since": overlap.since.isoformat()}
        tx.emit("spending_guard_bit", client_id=overlap.client_id, agent_id=overlap.agent_id, instance_id=overlap.instance_id, data=data)


def _overlap_key(overlap: Overlap) -> str:
    return f"spending/{Guard.OVERLAP_HOURS}/{overlap.agent_id}/{overlap.instance_id}/{overlap.role}"
