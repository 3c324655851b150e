"""The table at the end: per move what it cost, as the outside prober saw it; per workload what was paid. Pure text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_simulator.demo.books import PLANNED_TRIGGERS, Move, Stillness

GAP = "  "
HEADINGS = ("workload", "scene", "from", "to", "status", "took", "downtime", "lost writes")
RIGHT_ALIGNED = frozenset({"took", "downtime", "lost writes"})
STATELESS_MARK, NOTICE_MARK = "*", "+"
FOOTNOTES = {
    STATELESS_MARK: "by choice: a stateless workload leaves its disk behind, and the prober's writes are on it",
    NOTICE_MARK: "after a notice or a loss: what was written after the newest image; with a notice EC2 keeps snapshots",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a workload cost by the region's own bill, and what the same hours cost on demand."""

    name: str
    paid_usd: Decimal
    on_demand_usd: Decimal


def moves_table(moves: Sequence[Move], carry_of: Mapping[str, str]) -> list[str]:
    """Return two lines per move (what it was and cost; the seconds of each step), and what the marks mean."""
    rows = [_cells(move, carry_of[move.name]) for move in moves]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [_line(HEADINGS, widths)]
    indent = " " * widths[0] + GAP
    for move, cells in zip(moves, rows, strict=True):
        lines += [_line(cells, widths), f"{indent}steps: {steps_text(move.switch['steps'])}"]
    marks = {cells[-1][-1] for cells in rows}
    return lines + [f"{mark} {meaning}" for mark, meaning in FOOTNOTES.items() if mark in marks]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    parts = [
        cell.rjust(width) if heading in RIGHT_ALIGNED else cell.ljust(width)
        for heading, cell, width in zip(HEADINGS, cells, widths, strict=True)
    ]
    return GAP.join(parts).rstrip()


def _cells(move: Move, carry: str) -> tuple[str, ...]:
    switch = move.switch
    took = f"{_seconds(switch['initiated_at'], switch['completed_at']):.1f} s" if switch["completed_at"] else "-"
    downtime = f"{move.prober_downtime_seconds:.2f} s"
    return (
        move.name,
        move.scene,
        place_text(switch, "from"),
        place_text(switch, "to"),
        switch["status"],
        took,
        downtime,
        lost_text(move, carry),
    )


def lost_text(move: Move, carry: str) -> str:
    """Return how many acknowledged writes a move lost, with the mark of the footnote that says why that is right."""
    if move.lost_writes is None:
        return "-"
    if not move.lost_writes:
        return "0 "
    if carry == "stateless":
        return f"{move.lost_writes}{STATELESS_MARK}"
    return f"{move.lost_writes}{' ' if move.switch['trigger'] in PLANNED_TRIGGERS else NOTICE_MARK}"


def steps_text(steps: Sequence[dict[str, Any]]) -> str:
    """Return the steps with their seconds, such as `image 12.1, launch 0.9, ...`; `-` was not needed."""
    parts = []
    for step in steps:
        if step["status"] == "skipped":
            parts.append(f"{step['name']} -")
        elif step["status"] in {"undone", "failed"}:
            parts.append(f"{step['name']} {step['status']}")
        elif step["intent_at"] and step["finished_at"]:
            parts.append(f"{step['name']} {_seconds(step['intent_at'], step['finished_at']):.1f}")
    return ", ".join(parts)


def stillness_lines(scenes: Sequence[Stillness]) -> list[str]:
    """Return a line for each scene that moved nothing."""
    return [
        f"{still.name}{GAP}{still.scene}: silent for {still.silent_seconds:.1f} s, {still.switches_begun} moves, "
        f"downtime {still.prober_downtime_seconds:.2f} s, primary {still.primary_after}"
        for still in scenes
    ]


def costs_table(costs: Sequence[Cost], region_hours: Decimal) -> list[str]:
    """Return what was paid against on demand for the same hours: an estimate, and labelled so."""
    lines = [f"ESTIMATE, price x hours of {region_hours:.3f} h of real machine time (images and addresses are not counted):"]
    width = max((len(cost.name) for cost in costs), default=0)
    return lines + [
        f"  {cost.name:<{width}}  paid {cost.paid_usd:.6f} USD, on demand {cost.on_demand_usd:.6f} USD, saved {saved_percent(cost):6.1f} %"
        for cost in costs
    ]


def saved_percent(cost: Cost) -> Decimal:
    """Return the savings in percent; below zero when both sides of a move cost more than the one instance would have."""
    return Decimal(0) if not cost.on_demand_usd else (1 - cost.paid_usd / cost.on_demand_usd) * 100


def place_text(switch: dict[str, Any], side: str) -> str:
    """Return mode, type and AZ id of one side of a move; `-` while it has none."""
    mode, kind, zone = (switch.get(f"{side}_{part}") for part in ("mode", "instance_type", "az_id"))
    return "-" if mode is None else f"{mode}/{kind or '?'}/{zone or '?'}"


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
