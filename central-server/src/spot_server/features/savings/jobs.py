"""The job that brings the days that are over into the books."""

from __future__ import annotations

from functools import partial

from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.savings import books, service
from spot_server.features.savings.pricing import tariff_of
from spot_server.features.savings.reckoning import Pricing
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings


def savings_job(settings: Settings, catalogue: OnDemandCatalogue) -> Job:
    """Return the job. `catalogue`: the on-demand prices that the server knows."""
    return Job("keep_savings", settings.savings_period_seconds, SavingsKeeper(Pricing(catalogue, tariff_of(settings))))


class SavingsKeeper:
    """Reckons each client's days as soon as they are over in its time zone, those that were missed, and again while late prices may come.

    Each batch of agents is a transaction of its own, so that a run that dies leaves whole days, and the next one goes on after them. Two at
    once write the same rows.
    """

    def __init__(self, pricing: Pricing) -> None:
        """Reckon by these prices."""
        self._pricing = pricing

    def __call__(self, context: JobContext) -> str:
        """Reckon up to `savings_run_days` days of agents."""
        left = context.settings.savings_run_days
        due: list[service.DueDay] = []
        for client_id in context.database.read(books.list_client_ids):
            found = context.database.read(partial(service.due_days, client_id=client_id, most=left))
            left -= sum(len(one.agent_ids) for one in found)
            due += found
            if left <= 0:
                break
        counts = for_each(due, partial(self._keep, context))
        return f"reckoned {sum(counts)} days of agents" if sum(counts) else ""

    def _keep(self, context: JobContext, due: service.DueDay) -> int:
        rows = context.database.read(lambda tx: service.reckon_day(tx, due, self._pricing))
        context.database.write(lambda tx: books.store(tx, rows))
        return len(rows)
