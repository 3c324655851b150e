"""What a run measured: from what EC2 did to what the product did about it, and what the outside prober saw."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from spot_simulator.virtual.fleet import Fleet

_ANSWER = "SELECT initiated_at, serving_at FROM switches WHERE from_instance_id = ? AND initiated_at >= ? ORDER BY initiated_at LIMIT 1"


@dataclass(frozen=True, slots=True)
class Figures:
    """All in seconds, in no order. A notice that was answered by no move is in none of the first two."""

    detections: tuple[float, ...]
    """From a notice until a move of the instance began."""
    promotions: tuple[float, ...]
    """From a notice until the new primary served."""
    downtimes: tuple[float, ...]
    """Each outage that a prober saw through a handle, after the first good answer."""


def figures_of(fleet: Fleet) -> Figures:
    """Read the figures of a run that is over."""
    detections, promotions = [], []
    for at, kind, facts in fleet.region.log.entries:
        if kind != "notice":
            continue
        row = fleet.database.raw.execute(_ANSWER, (facts["instance_id"], at.strftime("%Y-%m-%d %H:%M:%S.%f"))).fetchone()
        if row is None:
            continue
        detections.append((_moment(row[0]) - at).total_seconds())
        if row[1] is not None:
            promotions.append((_moment(row[1]) - at).total_seconds())
    fronts = [front for member in fleet.members for front in member.fronts]
    outages = [outage for front in fronts for outage in fleet.region.traffic.figures(front).outages]
    return Figures(tuple(detections), tuple(promotions), tuple(outage.seconds for outage in outages))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed. ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]
