"""Use cases for workloads that stand still. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.attempts import is_forsaken, load_daemons
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.notifications.service import notify
from spot_server.features.recoveries.resume_rules import decide_given_up
from spot_server.features.recoveries.resuming import apply_decision, load_given_up_facts
from spot_server.features.recoveries.rules import (
    LeaveAlone,
    ServeOrder,
    StandstillFacts,
    TellAPerson,
    TellToServe,
    decide_standstill,
)
from spot_server.features.recoveries.serving import ServeReason, is_held, serve_prefix, tell_to_serve
from spot_server.features.switches import queries as switch_queries
from spot_server.words import CommandStatus, Severity

ORDERS_READ = 12
"""More than are given in the time that counts, at ever longer pauses."""


def end_standstill(tx: Transaction, *, agent_id: str) -> str | None:
    """Tell the agent's PRIMARY to serve if it stands still and no move looks after it; return what was done, or None."""
    agent = load_agent(tx, agent_id, for_update=True)
    primary = primary_of(tx, agent_id)
    if primary is None or agent.is_deleted:
        return None
    name = agent.logical_agent_id
    match decide_standstill(_standstill_facts(tx, agent, primary)):
        case LeaveAlone():
            return None
        case TellAPerson():
            text = f"the primary {primary.instance_id} of {name} stands still; {name} is disabled, and serves again when it is enabled"
            return text if _tell(tx, agent, primary, "primary_left_quiesced", text) else None
        case TellToServe(in_vain_count):
            if in_vain_count:
                text = f"the primary {primary.instance_id} of {name} stands still, and {in_vain_count} orders to serve did not help"
                _tell(tx, agent, primary, "primary_stays_quiesced", f"{text}: look at its workload")
            is_told = tell_to_serve(tx, agent, primary.instance_id, ServeReason.QUIESCED)
            return f"{name}: {primary.instance_id} told to serve" if is_told else None


def _standstill_facts(tx: Transaction, agent: Agent, primary: Instance) -> StandstillFacts:
    prefix = serve_prefix(ServeReason.QUIESCED, primary.instance_id, agent.epoch)
    orders = command_queries.newest_attempts(tx, agent.agent_id, prefix, most=ORDERS_READ)
    return StandstillFacts(
        is_quiesced=primary.quiesced is True,
        is_reachable=any(one.is_reachable and one.instance_id == primary.instance_id for one in load_daemons(tx, agent)),
        is_held=is_held(tx, agent.agent_id),
        is_enabled=agent.enabled,
        orders=[_order(tx, agent, command) for command in orders],
        now=tx.now,
    )


def _order(tx: Transaction, agent: Agent, command: Command) -> ServeOrder:
    ended_at = command.issued_at if is_forsaken(tx, agent, command) else command.finished_at
    return ServeOrder(command.issued_at, ended_at, has_helped=command.status is CommandStatus.SUCCEEDED)


def _tell(tx: Transaction, agent: Agent, primary: Instance, kind: str, text: str) -> bool:
    """Tell the client once a day for an instance and epoch."""
    return notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind=kind,
        text=text,
        dedupe_key=f"{kind}/{agent.agent_id}/{primary.instance_id}/{agent.epoch}/{tx.now.date()}",
    )


def resume_rescue(tx: Transaction, *, switch_id: str) -> str | None:
    """Go on with a rescue that gave up, if its pause is over and no move runs; return what was done, or None."""
    seen = switch_queries.find_switch(tx, switch_id)
    if seen is None:
        return None
    agent = load_agent(tx, seen.agent_id, for_update=True)
    given_up = switch_queries.load_switch(tx, switch_id)
    is_due = given_up.resume_at is not None and given_up.resume_at <= tx.now
    if not is_due or agent.is_deleted or not agent.enabled or switch_queries.active_switch(tx, agent.agent_id) is not None:
        return None
    return apply_decision(tx, agent, given_up, decide_given_up(load_given_up_facts(tx, agent, given_up)))
