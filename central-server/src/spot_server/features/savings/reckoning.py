"""A day's account of many agents: the books are read, the rules make lines of them, and the lines are added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from spot_server.db.runner import Transaction
from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.savings import queries
from spot_server.features.savings.books import stored_modes
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.figure_rules import Amounts, DayFacts, amounts_of, day_lines
from spot_server.features.savings.image_queries import ImageRow, kept_images, volume_sizes
from spot_server.features.savings.presence_rules import Presence, paid_stretch, purposes_of
from spot_server.features.savings.price_sources import Market, OnDemandKey, on_demand_steps, spot_steps
from spot_server.features.savings.queries import AccountAgent, Happened
from spot_server.features.savings.rules import Comparison, Line, PriceStep, Run, StoredImage, Tariff
from spot_server.words import Mode

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Pricing:
    """The prices that are not in the database."""

    catalogue: OnDemandCatalogue
    tariff: Tariff


@dataclass(frozen=True, slots=True)
class Terms:
    """How a client's days are counted and compared."""

    client_id: str
    time_zone: str
    on_demand_discount_ppm: int

    @property
    def discount_ratio(self) -> Decimal:
        """As a share of the list price: 0.28 is 28 % less."""
        return Decimal(self.on_demand_discount_ppm) / MILLION


@dataclass(frozen=True, slots=True)
class DayAccount:
    """One agent's day: its figures, and every line that they are the sums of."""

    agent: AccountAgent
    day: date
    terms: Terms
    within: Stretch
    comparison_instance_type: str
    amounts: Amounts
    happened: Happened
    unsized_image_count: int
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class DayOrder:
    """A day to be reckoned: of these agents, each for its own time (`withins` by agent id), as one of its client's days."""

    day: date
    terms: Terms
    withins: Mapping[str, Stretch]
    comparison_types: Mapping[str, str]
    """By agent id, where an earlier day says what it is compared with; the others are compared with what they began with."""


def reckon(tx: Transaction, order: DayOrder, pricing: Pricing) -> list[DayAccount]:
    """Return the day's account of every agent in the order; agents that had no account in that time are left out. Writes nothing."""
    if not order.withins:
        return []
    whole = Stretch(min(one.since for one in order.withins.values()), max(one.until for one in order.withins.values()))
    agents = queries.account_agents(tx, order.terms.client_id, whole, sorted(order.withins))
    books = _read_books(tx, agents, whole, order, pricing)
    return [_account(agent, order, books, pricing, tx.now) for agent in agents]


@dataclass(frozen=True, slots=True)
class _Books:
    """What was read for all agents at once."""

    presences: Mapping[str, list[Presence]]
    images: Mapping[str, list[ImageRow]]
    volume_sizes: Mapping[tuple[str, str], Mapping[str, int]]
    happened: Mapping[str, Happened]
    comparisons: Mapping[str, OnDemandKey]
    spot: Mapping[Market, list[PriceStep]]
    on_demand: Mapping[OnDemandKey, PriceStep]


def _read_books(tx: Transaction, agents: Sequence[AccountAgent], whole: Stretch, order: DayOrder, pricing: Pricing) -> _Books:
    ids = [agent.agent_id for agent in agents]
    present = _with_stored_modes(tx, queries.presences(tx, agents, whole), order.day)
    began_with = queries.first_types(tx, ids)
    compared = {}
    for agent in agents:
        instance_type = order.comparison_types.get(agent.agent_id) or began_with.get(agent.agent_id) or ""
        compared[agent.agent_id] = (agent.region, instance_type, _product(present.get(agent.agent_id, ())))
    ran = [one for found in present.values() for one in found]
    wanted = {(one.region, one.instance_type, one.product) for one in ran if one.mode is Mode.ON_DEMAND} | set(compared.values())
    return _Books(
        presences=present,
        images=kept_images(tx, ids, whole),
        volume_sizes=volume_sizes(tx, ids),
        happened=queries.happenings(tx, ids, whole),
        comparisons=compared,
        spot=spot_steps(tx, {_market(one) for one in ran if one.mode is Mode.SPOT}, whole),
        on_demand=on_demand_steps(tx, wanted, pricing.catalogue),
    )


def _with_stored_modes(tx: Transaction, present: Mapping[str, list[Presence]], day: date) -> Mapping[str, list[Presence]]:
    """Take an instance whose mode is not known now for what it was when this day was stored: doubts of today change no day before them."""
    doubtful = [agent_id for agent_id, found in present.items() if any(one.mode is Mode.UNKNOWN for one in found)]
    modes = stored_modes(tx, doubtful, day)
    if not modes:
        return present
    return {
        agent_id: [
            replace(one, mode=modes.get((agent_id, one.instance_id), one.mode)) if one.mode is Mode.UNKNOWN else one for one in found
        ]
        for agent_id, found in present.items()
    }


def _product(present: Sequence[Presence]) -> str:
    return present[0].product if present else queries.LINUX


def _account(agent: AccountAgent, order: DayOrder, books: _Books, pricing: Pricing, now: datetime) -> DayAccount:
    within, compared = order.withins[agent.agent_id], books.comparisons[agent.agent_id]
    stored = [_stored(image, books.volume_sizes, now) for image in books.images.get(agent.agent_id, [])]
    facts = DayFacts(
        within=within,
        runs=[_run(one, books, now) for one in books.presences.get(agent.agent_id, [])],
        images=stored,
        address_count=agent.address_count,
        held=Stretch(agent.created_at, max(agent.created_at, agent.deleted_at or now)),
        tariff=pricing.tariff,
        comparison=Comparison(compared[1], books.on_demand.get(compared), order.terms.discount_ratio),
    )
    lines = day_lines(facts)
    return DayAccount(
        agent=agent,
        day=order.day,
        terms=order.terms,
        within=within,
        comparison_instance_type=compared[1],
        amounts=amounts_of(lines, is_comparable=facts.comparison.price is not None),
        happened=books.happened.get(agent.agent_id, Happened()),
        unsized_image_count=sum(image.size_gib is None for image in stored),
        lines=lines,
    )


def _market(one: Presence) -> Market:
    return (one.region, one.az_id, one.instance_type, one.product)


def _run(one: Presence, books: _Books, now: datetime) -> Run:
    steps: Sequence[PriceStep] = ()
    match one.mode:
        case Mode.SPOT:
            steps = books.spot.get(_market(one), ())
        case Mode.ON_DEMAND:
            step = books.on_demand.get((one.region, one.instance_type, one.product))
            steps = () if step is None else (step,)
        case Mode.UNKNOWN:
            steps = ()
    return Run(one.instance_id, one.instance_type, one.az_id, one.mode, paid_stretch(one, now), purposes_of(one), steps)


def _stored(image: ImageRow, sizes: Mapping[tuple[str, str], Mapping[str, int]], now: datetime) -> StoredImage:
    """Say how large an image's volumes are: those of the instance that it was made of, else of the agent's newest, which is like it."""
    volumes = sizes.get((image.agent_id, image.source_instance_id or "")) or sizes.get((image.agent_id, "")) or {}
    found = [volumes[device] for device in image.device_names if device in volumes] if image.device_names else list(volumes.values())
    until = image.kept_until or now
    return StoredImage(image.image_id, sum(found) if found else None, Stretch(image.kept_since, max(image.kept_since, until)))
