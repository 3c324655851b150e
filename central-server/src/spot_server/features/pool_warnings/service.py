"""Warning one agent that its pool was interrupted: an interruption event of its own, judged as a recommendation is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.instances.queries import primary_of
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Taken, take_report
from spot_server.features.pool_warnings.queries import last_warning, list_neighbours
from spot_server.features.pool_warnings.rules import FRESH_SECONDS, QUIET_SECONDS, Neighbour, choose_warned, is_due
from spot_server.words import InterruptionKind, Mode, NoticeChannel


def find_unwarned(tx: Transaction) -> list[Neighbour]:
    """Return whom to warn in this round. Reads only; most rounds find nobody."""
    found = list_neighbours(
        tx,
        interrupted_since=tx.now - timedelta(seconds=FRESH_SECONDS),
        warned_before=tx.now - timedelta(seconds=QUIET_SECONDS),
    )
    return choose_warned(found)


def warn(tx: Transaction, neighbour: Neighbour) -> Taken | None:
    """Warn the agent, once for its pool and a time; None when that has been done, or its PRIMARY is another or elsewhere by now."""
    agent = load_agent(tx, neighbour.agent_id, for_update=True)
    primary = primary_of(tx, agent.agent_id)
    if agent.is_deleted or primary is None or primary.instance_id != neighbour.instance_id or primary.mode is not Mode.SPOT:
        return None
    known = replace(neighbour, warned_at=last_warning(tx, agent.agent_id, primary.az_id, primary.instance_type))
    if not is_due(known, hold_seconds=agent.rebalance_hold_seconds, now=tx.now):
        return None
    report = Report(
        f"{InterruptionKind.POOL_WARNING}/{neighbour.cause_id}",
        primary.instance_id,
        InterruptionKind.POOL_WARNING,
        action_at=None,
        detected_at=neighbour.interrupted_at,
        channel=NoticeChannel.SERVER,
        detail=f"EC2 took another spot instance of {primary.instance_type} in {primary.az_id}",
    )
    return take_report(tx, agent.agent_id, report)
