"""The registry of models: registering a version, letting it decide, going back, and comparing what they did."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from spot_server.clock import Clock
from spot_server.db.runner import Transaction
from spot_server.decision_models.loading import ModelUnusable
from spot_server.errors import FieldInvalid, StateConflict
from spot_server.features.decisions import model_queries
from spot_server.features.decisions.jobs import open_registry
from spot_server.features.decisions.making import Models
from spot_server.features.decisions.model_queries import Activation, ModelRow, MoveCounts
from spot_server.features.decisions.rules import RegisteredModel

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class NewModel:
    """A version to be registered."""

    plugin: str
    model_version: str
    parameters: dict[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class NewActivation:
    """Which models are to decide."""

    acting_model_id: str
    challenger_model_id: str | None
    challenger_percent: int
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All versions, and which of them decide, the latest activation first."""

    models: list[ModelRow]
    activations: list[Activation]


def read_registry(tx: Transaction) -> Registry:
    """Return the registry."""
    return Registry(model_queries.list_models(tx), model_queries.newest_activations(tx, 50))


def check_model(models: Models, new: NewModel, clock: Clock) -> None:
    """Make the model once, within the bound, and forget it; FieldInvalid when it cannot be made. Never inside a transaction."""
    try:
        models.try_making(new.plugin, new.parameters, clock)
    except ModelUnusable as reason:
        raise FieldInvalid("plugin", new.plugin, f"a decision model that takes these parameters: {reason}") from reason


def register_model(tx: Transaction, new: NewModel, *, by: str) -> ModelRow:
    """Keep a version that was checked; the same one again changes nothing. StateConflict for one with other parameters."""
    model = RegisteredModel(str(uuid.uuid4()), new.plugin, new.model_version, new.parameters)
    stored = model_queries.insert_model(tx, model, description=new.description, created_by=by)
    if stored.parameters != new.parameters:
        raise StateConflict(
            f"{stored.name} is registered with other parameters, and never changes: choose another model_version", model_id=stored.model_id
        )
    return next(row for row in model_queries.list_models(tx) if row.model.model_id == stored.model_id)


def activate(tx: Transaction, new: NewActivation, *, by: str) -> Activation:
    """Let these models decide from the next tick on. NotFound for an unknown id, FieldInvalid for what cannot be meant."""
    open_registry(tx)
    model_queries.load_model(tx, new.acting_model_id)
    if new.challenger_model_id is None and new.challenger_percent:
        raise FieldInvalid("challenger_percent", new.challenger_percent, "0 without a challenger_model_id")
    if new.challenger_model_id is not None:
        model_queries.load_model(tx, new.challenger_model_id)
    if new.challenger_model_id == new.acting_model_id:
        raise FieldInvalid("challenger_model_id", new.challenger_model_id, "another model than the acting one")
    model_queries.insert_activation(
        tx,
        acting_model_id=new.acting_model_id,
        challenger_model_id=new.challenger_model_id,
        challenger_percent=new.challenger_percent,
        reason=new.reason,
        activated_by=by,
    )
    return model_queries.newest_activations(tx, 1)[0]


def roll_back(tx: Transaction, *, reason: str, by: str) -> Activation:
    """Let those decide that did before the last change; StateConflict when there was none."""
    found = model_queries.newest_activations(tx, 50)
    if not found:
        raise StateConflict("no model was ever activated")
    present = _choice(found[0])
    earlier = next((one for one in found[1:] if _choice(one) != present), None)
    if earlier is None:
        raise StateConflict("no other model has decided before", acting_model_id=found[0].acting_model_id)
    return activate(tx, NewActivation(*_choice(earlier), reason or f"back to what held before {found[0].activated_at:%Y-%m-%d}"), by=by)


def _choice(activation: Activation) -> tuple[str, str | None, int]:
    return activation.acting_model_id, activation.challenger_model_id, activation.challenger_percent


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a model did since a day, acting or as a shadow. Shares are 0..1; None where nothing was counted."""

    model: RegisteredModel
    is_shadow: bool
    decision_count: int
    switch_count: int
    replica_count: int
    failed_count: int
    slow_count: int
    off_schema_count: int
    agreed_share: float | None
    """Of the decisions that another model made too: how many were the same."""
    latency_ms: float
    price_share_of_on_demand: float | None
    """What the agents for which it was asked paid where they ran, by the price on demand."""
    moves: MoveCounts
    """Of the moves that it began; a shadow begins none."""


def compare_models(tx: Transaction, days: int) -> list[ModelReport]:
    """Return what every model did in the last `days` days, acting before shadow."""
    since = tx.now - timedelta(days=days)
    models = {row.model.model_id: row.model for row in model_queries.list_models(tx)}
    moves = model_queries.moves_since(tx, since)
    sums = model_queries.sums_since(tx, since.date())
    return [
        _report(models[model_id], counts, MoveCounts() if is_shadow else moves.get(model_id, MoveCounts()), is_shadow=is_shadow)
        for (model_id, is_shadow), counts in sorted(sums.items(), key=lambda pair: (pair[0][1], models[pair[0][0]].name))
    ]


def _report(model: RegisteredModel, counts: Mapping[str, int], moves: MoveCounts, *, is_shadow: bool) -> ModelReport:
    priced, compared = counts["priced_count"], counts["compared_count"]
    return ModelReport(
        model=model,
        is_shadow=is_shadow,
        decision_count=counts["decision_count"],
        switch_count=counts["switch_count"],
        replica_count=counts["replica_count"],
        failed_count=counts["failed_count"],
        slow_count=counts["slow_count"],
        off_schema_count=counts["off_schema_count"],
        agreed_share=counts["agreed_count"] / compared if compared else None,
        latency_ms=counts["latency_us"] / 1000 / max(1, counts["decision_count"]),
        price_share_of_on_demand=counts["price_ppm_of_on_demand"] / MILLION / priced if priced else None,
        moves=moves,
    )
