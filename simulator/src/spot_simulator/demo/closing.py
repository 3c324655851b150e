"""The end of the day: read the three books, compare them, and print the table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_simulator.demo.books import AgentBooks, disagreements, move_disagreements, stillness_disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.report import Cost, costs_table, moves_table, stillness_lines
from spot_simulator.demo.world import Workload
from spot_simulator.model.catalogue import on_demand_usd_per_hour


def close_the_books(day: Day, say: Callable[[str], None]) -> list[str]:
    """Print the table and return every disagreement; an empty list is a good day."""
    state = day.world.region.get("/state")
    found: list[str] = []
    costs = []
    for workload in day.world.settings.workloads:
        books = read_books(day.world, day.agents[workload.name], workload, state)
        found += disagreements(books)
        costs.append(_cost(workload, books, day.world.region.get("/billing")))
    carry = {workload.name: workload.carry for workload in day.world.settings.workloads}
    for move in day.moves:
        found += move_disagreements(move, carry[move.name])
    for still in day.stills:
        found += stillness_disagreements(still)
    found += strangers(day.world, state)
    for line in moves_table(day.moves, carry):
        say(line)
    for line in stillness_lines(day.stills):
        say(line)
    hours = Decimal(str((_moment(state["now"]) - _moment(state["started_at"])).total_seconds())) / 3600
    for line in costs_table(costs, hours):
        say(line)
    return found


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
