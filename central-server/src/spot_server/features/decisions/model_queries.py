"""The registry of models: versions, which of them decide, and what they did by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Integer, bindparam, func, insert, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import decisions, model_activations, model_days, models, spot_interruption_events, switches
from spot_server.db.upsert import insert_or_ignore, insert_or_update
from spot_server.errors import NotFound
from spot_server.features.decisions.rules import LineUp, RegisteredModel
from spot_server.features.interruptions.rules import TAKING_KINDS
from spot_server.words import SwitchStatus

_NAMES = tuple(RegisteredModel.__dataclass_fields__)
_MODEL_COLUMNS = [models.c[name] for name in _NAMES]


@dataclass(frozen=True, slots=True)
class Activation:
    """A row of the history of which models decide."""

    activation_id: int
    acting_model_id: str
    challenger_model_id: str | None
    challenger_percent: int
    reason: str
    activated_at: datetime
    activated_by: str


_ACTIVATIONS = select(*(model_activations.c[name] for name in Activation.__dataclass_fields__)).order_by(
    model_activations.c.activation_id.desc()
)
_NEWEST_ACTIVATIONS = _ACTIVATIONS.limit(bindparam("most", type_=Integer))


def newest_activations(tx: Transaction, most: int) -> list[Activation]:
    """Return the latest activations, the one that holds first."""
    return [Activation(*row) for row in tx.execute(_NEWEST_ACTIVATIONS, {"most": most})]


def insert_activation(tx: Transaction, **values: Any) -> None:  # noqa: ANN401 - column values
    """Let other models decide from now on."""
    tx.execute(insert(model_activations).values(activated_at=tx.now, **values))


_MODELS = select(*_MODEL_COLUMNS, models.c.description, models.c.created_at, models.c.created_by).order_by(
    models.c.created_at, models.c.model_id
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A registered version with where it comes from."""

    model: RegisteredModel
    description: str
    created_at: datetime
    created_by: str


def list_models(tx: Transaction) -> list[ModelRow]:
    """Return every registered version, oldest first."""
    return [ModelRow(RegisteredModel(*row[: len(_NAMES)]), *row[len(_NAMES) :]) for row in tx.execute(_MODELS)]


_MODEL = select(*_MODEL_COLUMNS).where(models.c.model_id == bindparam("model_id"))


def load_model(tx: Transaction, model_id: str) -> RegisteredModel:
    """Return a registered version; NotFound for an unknown id."""
    row = tx.execute(_MODEL, {"model_id": model_id}).one_or_none()
    if row is None:
        raise NotFound(f"there is no model {model_id}")
    return RegisteredModel(*row)


def insert_model(tx: Transaction, model: RegisteredModel, *, description: str, created_by: str) -> RegisteredModel:
    """Store a version unless there is one of this plug-in and version; return what is stored."""
    row = {
        "model_id": model.model_id,
        "plugin": model.plugin,
        "model_version": model.model_version,
        "parameters": model.parameters,
        "description": description,
        "created_at": tx.now,
        "created_by": created_by,
    }
    insert_or_ignore(tx.connection, models, [row], key=["plugin", "model_version"])
    where = (models.c.plugin == model.plugin, models.c.model_version == model.model_version)
    return RegisteredModel(*tx.execute(select(*_MODEL_COLUMNS).where(*where)).one())


def line_up(tx: Transaction) -> LineUp | None:
    """Return which models decide; None before the first activation."""
    found = newest_activations(tx, 1)
    if not found:
        return None
    holds = found[0]
    challenger = None if holds.challenger_model_id is None else load_model(tx, holds.challenger_model_id)
    return LineUp(load_model(tx, holds.acting_model_id), challenger, holds.challenger_percent)


COUNTS = (
    "decision_count",
    "switch_count",
    "replica_count",
    "failed_count",
    "slow_count",
    "off_schema_count",
    "agreed_count",
    "compared_count",
    "latency_us",
    "priced_count",
    "price_ppm_of_on_demand",
)


def add_to_days(tx: Transaction, day: date, sums: Mapping[tuple[str, bool], Mapping[str, int]]) -> None:
    """Add to the day's metrics, by (model, whether it was a shadow)."""
    rows = [{"model_id": model_id, "day": day, "is_shadow": is_shadow, **counts} for (model_id, is_shadow), counts in sorted(sums.items())]
    insert_or_update(tx.connection, model_days, rows, key=["model_id", "day", "is_shadow"], add=COUNTS)


_SUMS = (
    select(model_days.c.model_id, model_days.c.is_shadow, *(func.sum(model_days.c[name]) for name in COUNTS))
    .where(model_days.c.day >= bindparam("since"))
    .group_by(model_days.c.model_id, model_days.c.is_shadow)
)


def sums_since(tx: Transaction, since: date) -> dict[tuple[str, bool], dict[str, int]]:
    """Return the metrics since that day, by (model, whether it was a shadow)."""
    return {
        (model_id, is_shadow): dict(zip(COUNTS, map(int, counts), strict=True))
        for model_id, is_shadow, *counts in tx.execute(_SUMS, {"since": since})
    }


@dataclass(frozen=True, slots=True)
class MoveCounts:
    """What became of the moves that a model began: how many, how many completed, and their downtime together."""

    begun: int = 0
    completed: int = 0
    downtime_ms: int = 0
    lost_within_day: int = 0
    """New instances that EC2 took within 24 hours of the move."""


_OUTCOMES = (
    select(decisions.c.model_id, switches.c.status, func.count(), func.coalesce(func.sum(switches.c.downtime_ms), 0))
    .join(switches, switches.c.switch_id == decisions.c.switch_id)
    .where(decisions.c.acted_at > bindparam("since"))
    .group_by(decisions.c.model_id, switches.c.status)
)
_MOVED = (
    select(decisions.c.model_id, switches.c.initiated_at, func.min(spot_interruption_events.c.received_at))
    .join(switches, switches.c.switch_id == decisions.c.switch_id)
    .join(
        spot_interruption_events,
        (spot_interruption_events.c.agent_id == switches.c.agent_id)
        & (spot_interruption_events.c.instance_id == switches.c.to_instance_id),
    )
    .where(
        decisions.c.acted_at > bindparam("since"),
        spot_interruption_events.c.kind.in_(TAKING_KINDS),
        spot_interruption_events.c.game_day_id.is_(None),
    )
    .group_by(decisions.c.model_id, switches.c.switch_id, switches.c.initiated_at)
)
"""One row for each new instance that was taken: its notice and its end are two events of one loss."""
DAY_SECONDS = 86_400.0


def moves_since(tx: Transaction, since: datetime) -> dict[str, MoveCounts]:
    """Return what became of the moves that decisions began after `since`, by model."""
    begun: dict[str, list[int]] = {}
    for model_id, status, count, downtime_ms in tx.execute(_OUTCOMES, {"since": since}):
        sums = begun.setdefault(model_id, [0, 0, 0, 0])
        sums[0] += count
        sums[2] += int(downtime_ms)
        if status is SwitchStatus.COMPLETED:
            sums[1] += count
    for model_id, initiated_at, lost_at in tx.execute(_MOVED, {"since": since}):
        if (lost_at - initiated_at).total_seconds() <= DAY_SECONDS:
            begun[model_id][3] += 1
    return {model_id: MoveCounts(*sums) for model_id, sums in begun.items()}
