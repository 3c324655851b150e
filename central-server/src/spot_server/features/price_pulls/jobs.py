"""The round over all regions that can be read: what changed since the last one, and a week of what is new."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from spot_server.aws.errors import ASSUME_ROLE_PREFIX, ActFailed, ErrorClass
from spot_server.aws.market_ports import MarketGateway, MarketPort, SpotPriceFacts
from spot_server.features.notice_watch.rules import pause_seconds
from spot_server.features.price_pulls import queries, service
from spot_server.features.price_pulls.queries import Access, PulledPool, Reach, list_reaches
from spot_server.features.price_pulls.rules import Change, Question, in_batches, observe, plan_questions
from spot_server.features.pricing.market_queries import store_zone_ids
from spot_server.features.pricing.market_rules import products_asked
from spot_server.features.pricing.rules import BUCKET, Observation, bucket_of, whole_micros
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings

ROWS_PER_BATCH = 500
"""Of one transaction: some 20 ms."""

UNKNOWN_TYPE_CODES = frozenset({"InvalidParameterValue", "InvalidInstanceType"})
"""With these EC2 refuses a whole question for one type that it does not know."""

NOTHING_FOR = timedelta(days=1)
"""How long a type is not asked about after EC2 told nothing of it."""

ZONES_FOR = timedelta(days=1)


@dataclass(slots=True)
class _Hand:
    """A region between two rounds: its zones, the types of which there is nothing, and after troubles until when it is left alone."""

    zone_ids: Mapping[str, str]
    zones_until: datetime | None
    nothing_until: dict[str, datetime]
    tries: int = 0
    pause_until_seconds: float = 0.0


class PricePull:
    """The job. What was read is in the books with how far it goes, so a round that is cut off anywhere is simply gone on with."""

    def __init__(self, gateway: MarketGateway, draw: Callable[[], float] = random.random) -> None:
        """`gateway` leads to the clients' accounts; `draw` returns 0..1."""
        self._gateway = gateway
        self._draw = draw
        self._hands: dict[str, _Hand] = {}

    def __call__(self, context: JobContext) -> str:
        """One round. No call to AWS is made inside a transaction."""
        reaches = context.database.read(list_reaches)
        self._hands = {reach.region: self._hands.get(reach.region, _Hand({}, None, {})) for reach in reaches}
        counts = for_each(reaches, lambda reach: self._visit(context, reach, self._hands[reach.region]))
        return f"pulled {sum(counts)} prices in {len(reaches)} regions" if sum(counts) else ""

    def _visit(self, context: JobContext, reach: Reach, hand: _Hand) -> int:
        """Read one region by the first role that may; return how many prices were new."""
        if context.clock.monotonic_seconds() < hand.pause_until_seconds:
            return 0
        for access in reach.accesses:
            try:
                count = self._read(context, reach, hand, self._gateway.market(access.role, reach.region))
            except ActFailed as error:
                self._note_refusal(context, reach, access, error)
            else:
                hand.tries = 0
                return count
        hand.tries += 1
        hand.pause_until_seconds = context.clock.monotonic_seconds() + pause_seconds(hand.tries, self._draw())
        return 0

    def _note_refusal(self, context: JobContext, reach: Reach, access: Access, error: ActFailed) -> None:
        context.log.warning("prices_not_pulled", client_id=access.client_id, region=reach.region, error=str(error))
        if error.error_class is ErrorClass.NOT_AUTHORIZED:
            self._gateway.forget(access.role, reach.region)
            what = "be assumed to read spot prices" if error.code.startswith(ASSUME_ROLE_PREFIX) else "read spot prices"
            context.database.write(lambda tx: service.tell_refused(tx, access, reach.region, what, error.code))

    def _read(self, context: JobContext, reach: Reach, hand: _Hand, market: MarketPort) -> int:
        self._learn_zones(context, reach.region, hand, market)
        count = 0
        for product, wanted in sorted(reach.types.items()):
            types = sorted(name for name in wanted if not self._is_nothing(hand, name, context.clock.now()))
            pools = context.database.read(partial(queries.list_pulled, region=reach.region, instance_types=types, product=product))
            for question in plan_questions(_pulled_until(types, pools), context.clock.now()):
                count += self._ask(context, reach.region, product, question, hand, market)
        return count

    def _learn_zones(self, context: JobContext, region: str, hand: _Hand, market: MarketPort) -> None:
        now = context.clock.now()
        if hand.zones_until is not None and now < hand.zones_until:
            return
        hand.zone_ids, hand.zones_until = market.zone_ids(), now + ZONES_FOR
        context.database.write(partial(store_zone_ids, region=region, az_ids=hand.zone_ids.values()))

    @staticmethod
    def _is_nothing(hand: _Hand, instance_type: str, now: datetime) -> bool:
        until = hand.nothing_until.get(instance_type)
        return until is not None and now < until

    def _ask(self, context: JobContext, region: str, product: str, question: Question, hand: _Hand, market: MarketPort) -> int:
        """Ask one question and store the answer; return how many prices were new."""
        now = context.clock.now()
        changes = self._changes(question, product, hand, market, now)
        for name in set(question.instance_types) - {instance_type for _az_id, instance_type in changes}:
            hand.nothing_until[name] = now + NOTHING_FOR
        pools = context.database.write(partial(service.find_pools, region=region, product=product, markets=changes))
        of_pools = (_observed(pool, changes[pool.az_id, pool.instance_type], question, now) for pool in pools)
        count = 0
        for batch in in_batches(of_pools, ROWS_PER_BATCH):
            count += context.database.write(partial(service.store_batch, observations=batch))
        until = bucket_of(now) + BUCKET
        context.database.write(lambda tx: service.note_read(tx, region, product, question.instance_types, until))
        return count

    def _changes(
        self, question: Question, product: str, hand: _Hand, market: MarketPort, now: datetime
    ) -> dict[tuple[str, str], list[Change]]:
        """Return the changes of each pool by (AZ id, type). One type that EC2 does not know spoils no others: halves are asked."""
        try:
            pages = market.spot_prices(question.instance_types, products_asked(product), question.since, now)
            return _by_pool((row for page in pages for row in page), hand.zone_ids)
        except ActFailed as error:
            if error.code not in UNKNOWN_TYPE_CODES:
                raise
        names = question.instance_types
        if len(names) == 1:
            return {}
        halves = (names[: len(names) // 2], names[len(names) // 2 :])
        found = [self._changes(Question(half, question.since), product, hand, market, now) for half in halves]
        return found[0] | found[1]


def _pulled_until(types: Iterable[str], pools: Iterable[PulledPool]) -> dict[str, datetime | None]:
    """Return how far each type is read: as far as the one of its pools that is read least, and not at all without any pool."""
    least: dict[str, datetime | None] = {}
    for pool in pools:
        earlier = least.get(pool.instance_type, pool.pulled_until)
        known = None if earlier is None or pool.pulled_until is None else min(earlier, pool.pulled_until)
        least[pool.instance_type] = known
    return {name: least.get(name) for name in types}


def _by_pool(rows: Iterable[SpotPriceFacts], zone_ids: Mapping[str, str]) -> dict[tuple[str, str], list[Change]]:
    changes: dict[tuple[str, str], list[Change]] = {}
    for row in rows:
        az_id, usd_per_hour = zone_ids.get(row.az_name), whole_micros(row.usd_per_hour)
        if az_id is not None and usd_per_hour > 0:
            changes.setdefault((az_id, row.instance_type), []).append(Change(usd_per_hour, row.effective_at))
    return changes


def _observed(pool: PulledPool, changes: list[Change], question: Question, now: datetime) -> list[Observation]:
    since = question.since if pool.pulled_until is None else max(question.since, pool.pulled_until)
    return observe(pool.pool_id, changes, since, now)


def price_pull_job(settings: Settings, gateway: MarketGateway) -> Job:
    """Return the job with its period from the settings."""
    return Job("pull_prices", settings.price_pull_period_seconds, PricePull(gateway))
