"""Showing the instances that nothing ends, and having one ended on a person's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache

from spot_server.db.runner import Transaction
from spot_server.errors import StateConflict
from spot_server.features.agents.queries import Agent, find_agent_of_client, load_agent
from spot_server.features.audit.service import record
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.kept import queries
from spot_server.features.kept.queries import KeptInstance
from spot_server.features.kept.rules import EndFacts, why_not_ended
from spot_server.features.pricing.market_queries import on_demand_usd_per_hour
from spot_server.features.pricing.queries import latest_prices
from spot_server.features.replicas.termination import drive_final_image, drive_termination
from spot_server.features.requests.service import is_repeated
from spot_server.features.switches.queries import active_switch
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import Mode, Role

HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class Shown:
    """A kept instance with what it costs; None where nobody reported a price."""

    kept: KeptInstance
    usd_per_hour: Decimal | None

    @property
    def usd_per_day(self) -> Decimal | None:
        """At the present price."""
        return None if self.usd_per_hour is None else self.usd_per_hour * HOURS_PER_DAY


def list_kept(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[Shown]:
    """Return the client's instances that nothing ends by itself, oldest registration first."""
    rows = queries.list_kept(tx, client_id, after=read_moment_cursor(cursor), most=limit + 1)
    spot_prices = cache(lambda region, kind, product: {p.az_id: p.usd_per_hour for p in latest_prices(tx, region, [kind], product)})
    on_demand = cache(lambda region, kind, product: on_demand_usd_per_hour(tx, region, [kind], product).get(kind))

    def price(instance: Instance) -> Decimal | None:
        if instance.mode is Mode.SPOT:
            found: Decimal | None = spot_prices(instance.region, instance.instance_type, instance.product).get(instance.az_id)
            return found
        return on_demand(instance.region, instance.instance_type, instance.product) if instance.mode is Mode.ON_DEMAND else None

    shown = [Shown(row, price(row.instance)) for row in rows]
    return page_of(shown, limit=limit, position=lambda row: moment_position(row.kept.instance.registered_at, row.kept.instance.instance_id))


def request_end(tx: Transaction, client_id: str, agent_id: str, instance_id: str, *, request_id: str, user_id: str) -> Instance:
    """Have an instance ended that nothing ends by itself; asking again changes nothing, nor does asking for one that is gone.

    What EC2 must say besides (our tags, no traffic handle) is asked by whoever terminates it, right before the act. Raises NotFound,
    StateConflict with why it is not ended, and RequestIdReused.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    instance = load_instance(tx, agent_id, instance_id)
    is_repeated(tx, agent_id, request_id, page="instances/terminate", body={"instance_id": instance_id})
    if instance.role is Role.TERMINATED or instance.end_asked_at is not None:
        return instance
    refusal = why_not_ended(_facts(tx, agent, instance))
    if refusal is not None:
        raise StateConflict(f"instance {instance_id} is not ended: {refusal}", instance_id=instance_id, role=instance.role)
    queries.note_end_asked(tx, instance, user_id)
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=instance_id,
        user_id=user_id,
        action="instance.end_requested",
        reason="asked for by a person",
        pre_state={"role": instance.role, "is_retained": instance.is_retained},
        post_state={"end_asked_at": tx.now.isoformat()},
        request_id=request_id,
    )
    tx.emit("instance_end_requested", client_id=client_id, agent_id=agent_id, instance_id=instance_id, data={"by": user_id})
    advance_end(tx, agent_id, instance_id)
    return load_instance(tx, agent_id, instance_id)


def advance_end(tx: Transaction, agent_id: str, instance_id: str) -> None:
    """Take the next step towards the end that a person asked for; nothing is done while anything speaks against it."""
    agent = load_agent(tx, agent_id, for_update=True)
    instance = load_instance(tx, agent_id, instance_id)
    if instance.role is not Role.ZOMBIE or instance.end_asked_at is None or why_not_ended(_facts(tx, agent, instance)) is not None:
        return
    # The first time that we end an instance which we did not launch, its last state is kept as an image.
    if not instance.launched_by_server and drive_final_image(tx, agent, instance_id) is None:
        return
    drive_termination(tx, agent, instance_id, former_handles=queries.handles_when_left(tx, agent_id, instance_id))


def _facts(tx: Transaction, agent: Agent, instance: Instance) -> EndFacts:
    running = active_switch(tx, agent.agent_id)
    is_side = running is not None and instance.instance_id in {running.from_instance_id, running.to_instance_id}
    primary = primary_of(tx, agent.agent_id)
    is_heard = instance.last_heartbeat_at >= tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    return EndFacts(
        instance_id=instance.instance_id,
        role=instance.role,
        is_released=instance.released_at is not None,
        is_stray=instance.is_stray,
        moved_by=running.switch_id if running is not None and is_side else None,
        is_seen_to=queries.is_seen_to(tx, agent.agent_id, instance.instance_id),
        primary_id=None if primary is None else primary.instance_id,
        is_serving=is_heard and instance.serving is True,
        is_restore_suspected=queries.is_restore_suspected(tx, agent.client_id),
    )
