"""The pricing thread: what this instance's pools cost now, as a sample for the server."""

from __future__ import annotations

from dataclasses import dataclass

from spot_agent import metrics
from spot_agent.clock import Clock
from spot_agent.ec2_facts import TypeFacts
from spot_agent.errors import Ec2Failed, ServerFailed
from spot_agent.journal import Journal
from spot_agent.link import Link
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject, Role
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.ports import CentralApi, Ec2
from spot_agent.rules.config import effective_settings
from spot_agent.rules.prices import newest_prices, price_rows, product_of, products_asked, report_id_of, type_rows, watched_types
from spot_agent.settings import Settings
from spot_agent.timestamps import to_wire
from spot_agent.wire import cached_config

RETRY_UNTIL_REGISTERED_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PricingParts:
    """What the pricing thread works with."""

    identity: Identity
    settings: Settings
    api: CentralApi
    ec2: Ec2
    journal: Journal
    live: Live
    link: Link
    clock: Clock
    log: Log


class Pricing:
    """One step is one report. A report that fails is not kept: the next one says what is true then."""

    def __init__(self, parts: PricingParts) -> None:
        self._parts = parts
        self._zone_ids: dict[str, str] = {}
        self._types: dict[str, TypeFacts] = {}

    def step(self) -> Outcome:
        """PRIMARY and REPLICA report; a ZOMBIE's report would be refused."""
        why_not = self._parts.link.why_not()
        if why_not:
            return Idle(why_not, next_after_seconds=RETRY_UNTIL_REGISTERED_SECONDS)
        if self._parts.journal.read().role not in (Role.PRIMARY, Role.REPLICA):
            return Idle("neither PRIMARY nor REPLICA")
        try:
            body = self._report()
        except Ec2Failed as error:
            return Failed("prices_not_read", {"error_class": error.error_class, "code": error.code})
        if not body["prices"]:
            return Idle("EC2 tells no prices")
        try:
            answer = self._parts.api.report("pricing-report", body)
        except ServerFailed as error:
            return self._parts.link.failed("pricing-report", error)
        accepted, refused = answer.get("accepted"), answer.get("refused")
        metrics.PRICES_REPORTED.add(amount=accepted if isinstance(accepted, int) and accepted > 0 else 0)
        if refused:
            self._parts.log.warning("prices_refused", refused=refused)
        return Did("prices_reported", {"rows": len(body["prices"]), "accepted": accepted})

    def _report(self) -> JsonObject:
        identity, now = self._parts.identity, self._parts.clock.now()
        config = cached_config(self._parts.journal.read().config)
        allowed = effective_settings(self._parts.settings, config).allowed_instance_types
        names = watched_types(identity.instance_type, allowed)
        product = product_of(self._parts.live.read().platform_details)
        prices = newest_prices(self._parts.ec2.spot_prices(names, products_asked(product), now))
        self._learn(names)
        return {
            "report_id": report_id_of(identity.instance_id, now),
            "instance_id": identity.instance_id,
            "observed_at": to_wire(now),
            "prices": price_rows(prices, product, identity.region, self._zone_ids),
            "instance_types": type_rows(self._types[name] for name in names if name in self._types),
        }

    def _learn(self, names: tuple[str, ...]) -> None:
        """Zone ids and types do not change: each is asked for once."""
        if not self._zone_ids:
            self._zone_ids = self._parts.ec2.zone_ids()
        missing = [name for name in names if name not in self._types]
        if missing:
            try:
                self._types |= {known.instance_type: known for known in self._parts.ec2.instance_types(missing)}
            except Ec2Failed as error:
                # One type that this region does not have fails the whole call; prices go out without.
                self._parts.log.warning("instance_types_not_described", error_class=error.error_class, code=error.code)
