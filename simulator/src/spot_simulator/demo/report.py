"""The table at the end: per move what it cost, as the outside prober saw it; per workload what was paid. Pure text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_simulator.demo.books import Move


@dataclass(frozen=True, slots=True)
class Cost:
    """What a workload cost by the region's own bill, and what the same hours cost on demand."""

    name: str
    paid_usd: Decimal
    on_demand_usd: Decimal


def moves_table(moves: Sequence[Move]) -> list[str]:
    """Return one block per move: who, why, from, to, downtime, lost writes, and the time of each step."""
    lines = [
        f"{'workload':<9}{'scene':<34}{'from':<26}{'to':<26}{'status':<12}{'downtime':>9}{'lost writes':>13}",
    ]
    for move in moves:
        switch = move.switch
        lost = "-" if move.lost_writes is None else str(move.lost_writes)
        lines.append(
            f"{move.name:<9}{move.scene:<34}{_place(switch, 'from'):<26}{_place(switch, 'to'):<26}"
            f"{switch['status']:<12}{move.prober_downtime_seconds:>7.2f} s{lost:>13}"
        )
        lines.append(f"{'':<9}steps: {steps_text(switch['steps'])}")
    return lines


def steps_text(steps: Sequence[dict[str, Any]]) -> str:
    """Return the steps with their seconds, such as `image 12.1, launch 0.9, ...`."""
    parts = []
    for step in steps:
        if step["status"] == "skipped":
            parts.append(f"{step['name']} -")
        elif step["intent_at"] and step["finished_at"]:
            parts.append(f"{step['name']} {_seconds(step['intent_at'], step['finished_at']):.1f}")
        elif step["status"] in {"undone", "failed"}:
            parts.append(f"{step['name']} {step['status']}")
    return ", ".join(parts)


def costs_table(costs: Sequence[Cost], region_hours: Decimal) -> list[str]:
    """Return what was paid against on demand for the same hours: an estimate, and labelled so."""
    lines = [f"ESTIMATE, price x hours of {region_hours:.3f} h of real machine time (images and addresses are not counted):"]
    for cost in costs:
        saved = Decimal(0) if not cost.on_demand_usd else (1 - cost.paid_usd / cost.on_demand_usd) * 100
        lines.append(f"  {cost.name:<9} paid {cost.paid_usd:.6f} USD, on demand {cost.on_demand_usd:.6f} USD, saved {saved:.1f} %")
    return lines


def _place(switch: dict[str, Any], side: str) -> str:
    mode, kind, zone = (switch.get(f"{side}_{part}") for part in ("mode", "instance_type", "az_id"))
    return "-" if mode is None else f"{mode}/{kind or '?'}/{zone or '?'}"


def _seconds(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
