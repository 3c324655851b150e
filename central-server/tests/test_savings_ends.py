"""Until when an instance is paid for whose end the server learned of only on a later day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import insert, update

from server_support.clock import START, FakeClock
from server_support.savings import SPOT, Account
from spot_server.db.runner import Database
from spot_server.db.tables import commands, instances, spot_interruption_events
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.words import Actor, CommandKind, CommandStatus, InterruptionKind

TAKEN_AT = START + timedelta(hours=23, minutes=58)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def announce(account: Account, agent: Agent, at: datetime) -> None:
    """A notice says that EC2 takes the agent's instance."""
    values = {
        "event_id": f"e-{at:%d%H%M}",
        "notice_id": f"n-{at:%d%H%M}",
        "client_id": account.fleet.client_id,
        "agent_id": agent.agent_id,
        "instance_id": "i-1",
        "kind": InterruptionKind.TERMINATE,
        "instance_role": "PRIMARY",
        "region": "us-east-1",
        "az_id": "use1-az1",
        "instance_type": "m5.large",
        "action_at": at,
        "detected_at": at - timedelta(minutes=2),
        "received_at": at - timedelta(minutes=2),
        "response": "none",
    }
    account.fleet.execute(insert(spot_interruption_events).values(values))


def ask_for_end(account: Account, agent: Agent, at: datetime) -> None:
    """EC2 takes our word that the agent's instance is to end."""
    values = {
        "command_id": "c-1",
        "request_id": "c-1",
        "agent_id": agent.agent_id,
        "client_id": account.fleet.client_id,
        "instance_id": "i-2",
        "kind": CommandKind.TERMINATE_INSTANCE,
        "priority": 25,
        "epoch": 1,
        "payload": {"instance_id": "i-1"},
        "payload_sha256": "0" * 64,
        "actor": Actor.DAEMON,
        "status": CommandStatus.SUCCEEDED,
        "issued_at": at - timedelta(minutes=1),
        "finished_at": at,
        "deadline_at": at + timedelta(minutes=5),
    }
    account.fleet.execute(insert(commands).values(values))


def learns_of_the_end(account: Account, agent: Agent) -> None:
    account.database.write(
        lambda tx: change_role(tx, agent_id=agent.agent_id, instance_id="i-1", event=RoleEvent.TERMINATED, reason="test", by="test")
    )


@pytest.mark.parametrize("tell", [announce, ask_for_end])
@pytest.mark.parametrize("late_days", [0.25, 3.25])
def test_an_end_before_midnight_ends_the_next_days_too_when_it_is_learned_of_late(
    account: Account, tell: Callable[[Account, Agent, datetime], None], late_days: float
) -> None:
    agent = account.agent()
    account.fleet.execute(update(instances).values(last_heartbeat_at=TAKEN_AT - timedelta(seconds=5)))
    tell(account, agent, TAKEN_AT)
    account.passes(1 + late_days)
    learns_of_the_end(account, agent)
    account.passes(1)
    account.keep()

    paid = [account.day(agent, date(2026, 1, 1) + timedelta(days=number)).totals.paid_usd for number in range(int(late_days) + 2)]

    assert paid == [(SPOT * 1438 / 60).quantize(SPOT / 10**6)] + [0] * (len(paid) - 1)


def test_a_notice_that_was_outlived_hides_no_later_one(account: Account) -> None:
    agent = account.agent()
    announce(account, agent, START + timedelta(hours=2))
    account.fleet.execute(update(instances).values(last_heartbeat_at=TAKEN_AT - timedelta(seconds=5)))
    announce(account, agent, TAKEN_AT)
    account.passes(1.25)
    learns_of_the_end(account, agent)
    account.passes(1)
    account.keep()

    first, second = (account.day(agent, date(2026, 1, day)).totals.paid_usd for day in (1, 2))

    assert (first, second) == ((SPOT * 1438 / 60).quantize(SPOT / 10**6), Decimal(0))
