"""What was launched is paid for exactly the hours that it lived: promoted or not, registered or not, owned once or twice."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import delete, update

from server_support.clock import START, FakeClock
from server_support.fleet import Launched
from server_support.savings import MARKET, SPOT, Account
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import instances, replica_instances
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role, promote
from spot_server.words import Mode, ReplicaStatus

JAN_1, JAN_2, JAN_3 = date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)


@pytest.fixture
def account(database: Database, clock: FakeClock) -> Account:
    return Account.on(database, clock)


def move(account: Account, agent: Agent, old: str, new: str) -> Launched:
    """The agent moves: launched, registered ten minutes later, promoted, and the old instance is gone, as a switch leaves the books."""
    launched = launch(account, agent, new)
    account.clock.advance(600)
    account.fleet.register(launched.nonce, logical_agent_id="web-1", instance_id=new, booted_at=account.clock.now())
    account.database.write(lambda tx: _promote(tx, agent.agent_id, new, launched.replica_id))
    end_instance(account, agent, old)
    return launched


def _promote(tx: Transaction, agent_id: str, instance_id: str, replica_id: str) -> None:
    agent = load_agent(tx, agent_id, for_update=True)
    assert promote(tx, agent=agent, new_instance_id=instance_id, expected_epoch=agent.epoch, by="test", reason="test") is not None
    promoted = update(replica_instances).where(replica_instances.c.replica_id == replica_id)
    tx.execute(promoted.values(status=ReplicaStatus.PROMOTED, hold_until=None))


def launch(account: Account, agent: Agent, instance_id: str) -> Launched:
    return account.fleet.launched_replica(agent, instance_id=instance_id, launched_at=account.clock.now())


def end_instance(account: Account, agent: Agent, instance_id: str) -> None:
    account.database.write(
        lambda tx: change_role(tx, agent_id=agent.agent_id, instance_id=instance_id, event=RoleEvent.TERMINATED, reason="test", by="test")
    )


def end_replica(account: Account, launched: Launched, status: ReplicaStatus, ended_at: datetime | None) -> None:
    ended = update(replica_instances).where(replica_instances.c.replica_id == launched.replica_id)
    account.fleet.execute(ended.values(status=status, ended_at=ended_at))


def paid(account: Account, agent: Agent, day: date) -> dict[str, Decimal]:
    """USD of the day by instance, from its lines."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for line in account.day(agent, day).lines:
        if line["purpose"] in {"primary", "replica", "overlap"}:
            found[line["what"]] += Decimal(line.get("usd", "0"))
    return dict(found)


def test_a_promoted_instance_is_paid_no_more_on_the_days_after_its_end(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    clock.advance(3600)
    move(account, agent, "i-1", "i-3")
    clock.advance(3600)
    move(account, agent, "i-3", "i-4")
    account.passes(3)
    account.keep()

    assert set(paid(account, agent, JAN_1)) == {"i-1", "i-3", "i-4"}
    for day in (JAN_2, JAN_3):
        assert paid(account, agent, day) == {"i-4": 24 * SPOT}
        assert account.day(agent, day).totals.replica_usd == 0


def test_it_stays_so_when_the_instances_row_is_deleted_before_its_replicas(account: Account, clock: FakeClock) -> None:
    """Retention takes an instance's row first: from then on only the replica's own says that it had registered."""
    agent = account.agent()
    clock.advance(3600)
    move(account, agent, "i-1", "i-3")
    move(account, agent, "i-3", "i-4")
    account.passes(1)
    account.fleet.execute(delete(instances).where(instances.c.instance_id == "i-3"))
    account.passes(1)
    account.keep()

    assert paid(account, agent, JAN_2) == {"i-4": 24 * SPOT}


def test_a_replica_whose_end_is_told_after_midnight_is_not_paid_beside_its_instance(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    clock.advance(22 * 3600)
    launched = launch(account, agent, "i-3")
    clock.advance(600)
    account.fleet.register(launched.nonce, logical_agent_id="web-1", instance_id="i-3", booted_at=clock.now())
    clock.advance(100 * 60)
    end_instance(account, agent, "i-3")
    clock.advance(20 * 60)
    end_replica(account, launched, ReplicaStatus.TERMINATED, clock.now())
    account.passes(2)
    account.keep()

    assert paid(account, agent, JAN_2) == {"i-1": 24 * SPOT}


def test_one_that_registered_when_nobody_wanted_it_any_more_is_its_instances_to_pay(account: Account, clock: FakeClock) -> None:
    """Its replica's row never learns of the registration: an ended replica stays as it is."""
    agent = account.agent()
    launched = launch(account, agent, "i-3")
    unwanted = update(replica_instances).where(replica_instances.c.replica_id == launched.replica_id)
    account.fleet.execute(unwanted.values(status=ReplicaStatus.TERMINATED))
    clock.advance(600)
    account.fleet.try_register(launched.nonce, logical_agent_id="web-1", instance_id="i-3", booted_at=clock.now())
    clock.advance(3000)
    end_instance(account, agent, "i-3")
    account.passes(2)
    account.keep()

    assert paid(account, agent, JAN_1)["i-3"] == pytest.approx(SPOT * 50 / 60, abs=Decimal("0.0001"))
    assert paid(account, agent, JAN_2) == {"i-1": 24 * SPOT}


@pytest.mark.parametrize("status", [ReplicaStatus.TERMINATED, ReplicaStatus.FAILED])
def test_one_that_never_registered_is_paid_from_its_launch_to_its_end(account: Account, clock: FakeClock, status: ReplicaStatus) -> None:
    """Cancelled, too slow to boot, or taken before its daemon spoke: the hours that it lived are paid, across midnight, and no other."""
    agent = account.agent()
    clock.advance(23 * 3600)
    launched = launch(account, agent, "i-3")
    account.passes(2 / 24)
    end_replica(account, launched, status, clock.now())
    account.passes(2)
    account.keep()

    days = [paid(account, agent, day).get("i-3", Decimal(0)) for day in (JAN_1, JAN_2, JAN_3)]
    assert days == [SPOT, SPOT, 0]


def test_one_that_lives_and_never_registered_is_paid_every_day(account: Account) -> None:
    agent = account.agent()
    launched = launch(account, agent, "i-3")
    end_replica(account, launched, ReplicaStatus.FAILED, None)
    account.passes(2.1)
    account.keep()

    assert [paid(account, agent, day)["i-3"] for day in (JAN_1, JAN_2)] == [24 * SPOT] * 2


def test_a_launch_that_was_never_answered_with_an_instance_costs_nothing(account: Account) -> None:
    agent = account.agent()
    account.fleet.launched_replica(agent, instance_id=None)
    account.passes(1.1)
    account.keep()

    assert paid(account, agent, JAN_1) == {"i-1": 24 * SPOT}


@pytest.mark.parametrize("is_known", [True, False], ids=["like the first", "of which the books lost everything"])
def test_a_stray_that_was_owned_twice_is_one_launch(account: Account, clock: FakeClock, is_known: bool) -> None:
    """EC2's end was believed too early, and the sweep found it again: paid once, from its launch to its real end."""
    agent = account.agent()
    first = launch(account, agent, "i-3")
    clock.advance(3600)
    end_replica(account, first, ReplicaStatus.TERMINATED, clock.now())
    clock.advance(3600)
    lost = {} if is_known else {"mode": Mode.UNKNOWN, "instance_type": "", "az_id": ""}
    again = account.fleet.launched_replica(agent, instance_id="i-3", launched_at=START if is_known else None, **lost)
    clock.advance(3600)
    end_replica(account, again, ReplicaStatus.TERMINATED, clock.now())
    account.passes(2)
    account.keep()

    assert paid(account, agent, JAN_1)["i-3"] == 3 * SPOT
    assert account.day(agent, JAN_1).totals.unpriced_seconds == 0
    assert "i-3" not in paid(account, agent, JAN_2)


def test_a_stray_without_a_word_on_its_launch_counts_from_when_it_was_found(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    clock.advance(3600)
    found = account.fleet.launched_replica(agent, instance_id="i-3", launched_at=None, status=ReplicaStatus.TERMINATED)
    clock.advance(3600)
    end_replica(account, found, ReplicaStatus.TERMINATED, clock.now())
    account.passes(1)
    account.keep()

    assert paid(account, agent, JAN_1)["i-3"] == SPOT
    assert clock.now() > START + timedelta(days=1)


@pytest.mark.parametrize("product", ["Red Hat Enterprise Linux", "Windows"])
def test_one_that_never_registered_is_priced_as_the_agents_own_product(account: Account, clock: FakeClock, product: str) -> None:
    """Its daemon never said what it is; it is made of an image of the agent's instances."""
    agent = account.agent(product=product)
    account.price(Decimal("0.11"), market=(*MARKET[:3], product))
    clock.advance(3600)
    launched = launch(account, agent, "i-3")
    clock.advance(3600)
    end_replica(account, launched, ReplicaStatus.FAILED, clock.now())
    account.passes(1)
    account.keep()

    assert paid(account, agent, JAN_1) == {"i-1": 24 * Decimal("0.11"), "i-3": Decimal("0.11")}


def test_where_no_instance_is_in_the_books_any_more_it_is_priced_as_linux(account: Account, clock: FakeClock) -> None:
    agent = account.agent()
    launched = launch(account, agent, "i-3")
    clock.advance(3600)
    end_replica(account, launched, ReplicaStatus.FAILED, clock.now())
    account.fleet.execute(delete(instances))
    account.passes(1)
    account.keep()

    assert paid(account, agent, JAN_1) == {"i-3": SPOT}
