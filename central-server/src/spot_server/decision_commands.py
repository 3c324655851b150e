"""What the command line says of decisions: models side by side, and a stored decision made once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Transaction
from spot_server.features.decisions import registry, service
from spot_server.features.decisions.registry import ModelReport
from spot_server.features.decisions.service import Replay
from spot_server.settings import Settings

T = TypeVar("T")

_HEADINGS = ("model", "as", "decisions", "switch", "agreed", "failed", "ms", "price", "moves", "done", "lost in a day", "downtime s")


def compare_models(settings: Settings, days: int) -> str:
    """Return a table of what each model did over the last days."""
    reports = _read(settings, lambda tx: registry.compare_models(tx, days))
    return model_table(reports) if reports else f"no model decided anything in the last {days} days"


def model_table(reports: Sequence[ModelReport]) -> str:
    """Return the reports as lines of columns."""
    rows = [_HEADINGS, *(_row(report) for report in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _row(report: ModelReport) -> tuple[str, ...]:
    failed = report.failed_count + report.slow_count + report.off_schema_count
    return (
        report.model.name,
        "shadow" if report.is_shadow else "acting",
        str(report.decision_count),
        str(report.switch_count),
        _share(report.agreed_share),
        str(failed),
        f"{report.latency_ms:.2f}",
        _share(report.price_share_of_on_demand),
        str(report.moves.begun),
        str(report.moves.completed),
        str(report.moves.lost_within_day),
        f"{report.moves.downtime_ms / 1000:.1f}",
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def replay_decision(settings: Settings, decision_id: str) -> tuple[str, bool]:
    """Return what a stored decision says, and what its model says of the same input now; and whether both are the same."""
    clock = SystemClock()
    found: Replay = _read(settings, lambda tx: service.replay(tx, decision_id, clock))
    stored, now = found.recorded.decision, found.asked.decision
    lines = [
        f"decision {stored.decision_id} of {found.model.name} about agent {stored.agent_id}, tick {stored.last_tick_at:%Y-%m-%dT%H:%M:%SZ}",
        f"input {stored.input_sha256}: as stored",
        f"{now.action} {now.target or ''}".rstrip() + f", confidence {now.confidence:g}",
        now.reasoning,
        *(f"  not {key}: {reason}" for key, reason in sorted(now.rejected.items())),
        "the same answer as then" if not found.differences else "NOT the same answer as then:",
        *(f"  {difference}" for difference in found.differences),
    ]
    return "\n".join(lines), not found.differences


def _read(settings: Settings, use_case: Callable[[Transaction], T]) -> T:
    database = build_database(settings, SystemClock())
    try:
        return database.read(use_case)
    finally:
        database.engine.dispose()
