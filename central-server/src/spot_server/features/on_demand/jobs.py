"""Reading the price list once a day for every region that can be read."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.market_ports import MarketGateway
from spot_server.features.on_demand.queries import NewPrice, read_list_at, store_prices
from spot_server.features.price_pulls.queries import Access, Reach, list_reaches
from spot_server.features.price_pulls.service import tell_refused
from spot_server.features.pricing.market_rules import LINUX
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings
from spot_server.words import OnDemandSource

LOOK_PERIOD_SECONDS = 600.0
"""Between two looks whether some region's prices are too old; also the pause after a list that could not be read."""


class PriceListReader:
    """The job. The prices of a region and product are stored in one transaction, so they are all of the same age."""

    def __init__(self, gateway: MarketGateway) -> None:
        """`gateway` leads to the clients' accounts; the list itself is the same for all."""
        self._gateway = gateway

    def __call__(self, context: JobContext) -> str:
        """One look. No call to AWS is made inside a transaction."""
        reaches = context.database.read(list_reaches)
        due = [
            (reach, product)
            for reach in reaches
            for product in sorted({LINUX, *reach.types})
            if self._is_due(context, reach.region, product)
        ]
        count = sum(for_each(due, lambda one: self._refresh(context, *one)))
        return f"read {count} on-demand prices" if count else ""

    @staticmethod
    def _is_due(context: JobContext, region: str, product: str) -> bool:
        read_at = context.database.read(partial(read_list_at, region=region, product=product))
        return read_at is None or context.clock.now() - read_at >= timedelta(seconds=context.settings.on_demand_refresh_seconds)

    def _refresh(self, context: JobContext, reach: Reach, product: str) -> int:
        """Read the list by the first role that may; return how many prices it has."""
        for access in reach.accesses:
            try:
                market = self._gateway.market(access.role, reach.region)
                told = [price for page in market.on_demand_prices(product) for price in page]
            except ActFailed as error:
                self._note_refusal(context, reach.region, access, error)
                continue
            prices = [NewPrice(reach.region, price.instance_type, product, price.usd_per_hour, price.effective_at) for price in told]
            return context.database.write(partial(store_prices, prices=prices, source=OnDemandSource.PRICE_LIST))
        return 0

    def _note_refusal(self, context: JobContext, region: str, access: Access, error: ActFailed) -> None:
        context.log.warning("price_list_not_read", client_id=access.client_id, region=region, error=str(error))
        if error.error_class is ErrorClass.NOT_AUTHORIZED:
            self._gateway.forget(access.role, region)
            context.database.write(lambda tx: tell_refused(tx, access, region, "read on-demand prices", error.code))


def price_list_job(_settings: Settings, gateway: MarketGateway) -> Job:
    """Return the job."""
    return Job("read_price_list", LOOK_PERIOD_SECONDS, PriceListReader(gateway))
