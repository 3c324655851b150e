"""Computing the risk of every pool, every quarter of an hour."""

from __future__ import annotations

from functools import partial

from spot_server.features.risk import queries, service
from spot_server.features.risk.model import RiskModel
from spot_server.jobs.registry import JobContext


class RiskAnalysis:
    """Computes, and stores batch by batch. A run that is ended anywhere is followed by one that stores what is missing."""

    def __init__(self, model: RiskModel) -> None:
        """`model` is what the shipped coefficients hold."""
        self._model = model

    def __call__(self, context: JobContext) -> str:
        """Compute what is due; most runs find that nothing is."""
        computed_at = service.computation_of(context.clock.now(), context.settings.risk_period_seconds)
        rows = context.database.read(lambda tx: service.compute(tx, self._model, computed_at))
        for start in range(0, len(rows), queries.ROWS_PER_STATEMENT):
            batch = rows[start : start + queries.ROWS_PER_STATEMENT]
            context.database.write(partial(queries.store_risks, rows=batch))
        return f"computed the risk of {len(rows)} pools" if rows else ""
