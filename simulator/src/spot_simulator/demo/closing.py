"""The end of the day: read the three books, compare them, and print the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_simulator.demo.books import AgentBooks, disagreements, move_disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.report import Cost, costs_table, moves_table
from spot_simulator.demo.world import Workload, World
from spot_simulator.model.catalogue import on_demand_usd_per_hour
from spot_simulator.probe_report import good_answers, overlaps, read_log


def close_the_books(day: Day, say: Callable[[str], None]) -> list[str]:
    """Print the table and return every disagreement; an empty list is a good day."""
    state = day.world.region.get("/state")
    found: list[str] = []
    costs = []
    for workload in day.world.settings.workloads:
        books = _read_books(day, workload, state)
        found += disagreements(books)
        costs.append(_cost(workload, books, day.world.region.get("/billing")))
    carry = {workload.name: workload.carry for workload in day.world.settings.workloads}
    for move in day.moves:
        found += move_disagreements(move, carry[move.name])
    found += strangers(day.world, state)
    for line in moves_table(day.moves):
        say(line)
    hours = Decimal(str((_moment(state["now"]) - _moment(state["started_at"])).total_seconds())) / 3600
    for line in costs_table(costs, hours):
        say(line)
    return found


def _read_books(day: Day, workload: Workload, state: dict[str, Any]) -> AgentBooks:
    agent = day.world.server.get(f"/agents/{day.agents[workload.name]}")["agent"]
    promotions = [event for event in _all_events(day, agent["agent_id"]) if event["kind"] == "promoted"]
    probes, _torn = read_log(day.world.prober_log(workload.name))
    answers = good_answers(probes)
    address = next(item for item in state["addresses"] if item["public_ip"] == day.world.public_ips[workload.name])
    return AgentBooks(
        name=workload.name,
        carry=workload.carry,
        server_primary_id=None if agent["primary"] is None else agent["primary"]["instance_id"],
        server_epoch=agent["epoch"],
        server_promotion_count=len(promotions),
        holder_instance_id=address["holder_instance_id"],
        region_instances=tuple(_instances_of(workload.name, day, state)),
        last_answering_id=answers[-1].instance_id if answers else None,
        overlap_count=len(overlaps(probes)),
    )


def _all_events(day: Day, agent_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        query = {"limit": 500} | ({} if cursor is None else {"cursor": cursor})
        page = day.world.server.get(f"/agents/{agent_id}/events", **query)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def _instances_of(name: str, day: Day, state: dict[str, Any]) -> list[dict[str, Any]]:
    first = day.world.first_instances[name]
    return [
        item for item in state["instances"] if item["instance_id"] == first or item["tags"].get("spot-optimizer:logical-agent-id") == name
    ]


def strangers(world: World, state: dict[str, Any]) -> list[str]:
    """Return instances that run and belong to no workload: nothing that we made may be without an owner."""
    names = {workload.name for workload in world.settings.workloads}
    return [
        f"instance {item['instance_id']} runs and belongs to nobody"
        for item in state["instances"]
        if item["state"] != "terminated"
        and item["tags"].get("spot-optimizer:logical-agent-id") not in names
        and item["tags"].get("Name") not in names
    ]


def _cost(workload: Workload, books: AgentBooks, bill: dict[str, Any]) -> Cost:
    own = {item["instance_id"] for item in books.region_instances}
    lines = [line for line in bill["instances"] if line["instance_id"] in own]
    hourly = on_demand_usd_per_hour(workload.instance_type) or Decimal(0)
    starts = [_moment(line["from"]) for line in lines if line["from"]]
    ends = [_moment(line["to"]) for line in lines if line["to"]]
    hours = Decimal(str((max(ends) - min(starts)).total_seconds())) / 3600
    return Cost(workload.name, sum((Decimal(line["usd"]) for line in lines), start=Decimal(0)), hourly * hours)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
