"""Where a new instance may go and where it should: values in, a ranked list out, with the reason for every refusal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spot_server.words import Mode


@dataclass(frozen=True, slots=True)
class Place:
    """A market to launch in: one spot pool, or on-demand capacity of one type in one AZ."""

    instance_type: str
    az_id: str
    mode: Mode

    @property
    def key(self) -> str:
        """The place as one word, for lists of places that were tried."""
        return f"{self.mode}/{self.instance_type}/{self.az_id}"


@dataclass(frozen=True, slots=True)
class Offer:
    """A place with its price, None while nobody reported one."""

    place: Place
    usd_per_hour: Decimal | None
    cooling_until: datetime | None = None
    """Until when the pool is left alone because it had no capacity; None: it is not."""
    boot_seconds: float | None = None
    """How long instances took there from launch to ready, by our own measurements; None: not known, or not asked for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What EC2 says an instance type is."""

    vcpu: int
    memory_mib: int
    architectures: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for. `primary` is where the workload runs now."""

    primary: Place
    architecture: str
    mode: Mode | None = None
    """None: spot, and on-demand when no spot pool is left."""
    instance_type: str | None = None
    az_id: str | None = None
    bound_by: str | None = None
    """What cannot leave the primary's AZ, in words for a person; None: nothing."""
    stays_in_zone: bool = False
    """What the workload needs is in the primary's AZ: any place there is better than one elsewhere."""
    is_standby: bool = False
    """A standby must not share the primary's fate: it differs in AZ, and in type where types allow."""
    is_last_resort: bool = False
    """The primary is being taken away: where nothing else is left its own stock will do, though never its own pool, and so will a pool
    that had no capacity a moment ago."""
    is_urgent: bool = False
    """What boots fastest is worth more than what costs least."""
    excluded: frozenset[str] = frozenset()
    """Keys of places that were tried and refused."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A place that was not chosen, and why, for a person."""

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """The suitable offers, best first, and every refusal."""

    suitable: tuple[Offer, ...]
    refused: tuple[Refusal, ...]


def list_offers(
    *,
    instance_types: Iterable[str],
    az_ids: Iterable[str],
    spot_usd_per_hour: Mapping[tuple[str, str], Decimal],
    on_demand_usd_per_hour: Mapping[str, Decimal],
    cooling_until: Mapping[tuple[str, str], datetime] | None = None,
    boot_seconds: Mapping[tuple[str, str], float] | None = None,
) -> list[Offer]:
    """Return every market that the agent's types and subnets reach.

    Spot prices, cool-downs and boot times are keyed by (type, AZ id), prices on demand by type.
    """
    cooling, boots = cooling_until or {}, boot_seconds or {}
    zones = sorted(set(az_ids))
    offers = []
    for instance_type in sorted(set(instance_types)):
        for az_id in zones:
            key = (instance_type, az_id)
            boot, spot = boots.get(key), Place(instance_type, az_id, Mode.SPOT)
            offers.append(Offer(spot, spot_usd_per_hour.get(key), cooling.get(key), boot))
            on_demand = Place(instance_type, az_id, Mode.ON_DEMAND)
            offers.append(Offer(on_demand, on_demand_usd_per_hour.get(instance_type), boot_seconds=boot))
    return offers


def rank_offers(offers: Sequence[Offer], wish: Wish, shapes: Mapping[str, Shape]) -> Ranking:
    """Sort the offers into suitable ones, best first, and refused ones with their reasons."""
    suitable = []
    refused = []
    unreachable = _unreachable(offers, wish)
    missing = _types_missing_somewhere(offers)
    for offer in offers:
        reason = unreachable or _refusal(offer, wish, shapes) or _why_not_offered(offer, wish, missing)
        if reason is None:
            suitable.append(offer)
        else:
            refused.append(Refusal(offer.place, reason))
    suitable.sort(key=lambda offer: _rank(offer, wish))
    return Ranking(tuple(suitable), tuple(refused))


def _unreachable(offers: Sequence[Offer], wish: Wish) -> str | None:
    """Return why what was asked for is out of this agent's reach altogether, or None."""
    zones = sorted({offer.place.az_id for offer in offers})
    if wish.az_id is not None and wish.az_id not in zones:
        return f"az_id {wish.az_id!r} is none of this agent's subnets ({', '.join(zones)}): an AZ id such as use1-az1 is expected"
    if wish.instance_type is not None and wish.instance_type not in {offer.place.instance_type for offer in offers}:
        return f"instance_type {wish.instance_type!r} is not in allowed_instance_types"
    return None


def _refusal(offer: Offer, wish: Wish, shapes: Mapping[str, Shape]) -> str | None:
    place = offer.place
    if place.key in wish.excluded:
        return "tried already for this move"
    unasked = _not_asked_for(place, wish)
    if unasked is not None:
        return unasked
    is_same_stock = shares_fate(place, wish.primary)
    if place == wish.primary or (is_same_stock and wish.primary.mode is Mode.UNKNOWN):
        return "the workload runs there now"
    if wish.is_standby and is_same_stock and not wish.is_last_resort:
        return "a standby there would be lost together with the primary"
    if not wish.is_standby and place.mode is Mode.SPOT and offer.usd_per_hour is None:
        return "no price was reported"
    if offer.cooling_until is not None and not wish.is_last_resort:
        return f"no spot capacity there of late: left alone until {offer.cooling_until:%Y-%m-%dT%H:%M:%SZ}"
    return _unfit(place.instance_type, wish, shapes)


def _types_missing_somewhere(offers: Sequence[Offer]) -> frozenset[tuple[str, str]]:
    """Return (type, AZ id) of which EC2 reports no spot price, although it does for the type in another zone: it is not offered there.

    EC2 names a spot price for every zone that offers a type for spot. A type that has none anywhere may be sold on demand alone.
    """
    priced = {(one.place.instance_type, one.place.az_id) for one in offers if one.place.mode is Mode.SPOT and one.usd_per_hour is not None}
    sold = {instance_type for instance_type, _az_id in priced}
    every = {(one.place.instance_type, one.place.az_id) for one in offers}
    return frozenset(pair for pair in every if pair[0] in sold and pair not in priced)


def _why_not_offered(offer: Offer, wish: Wish, missing: frozenset[tuple[str, str]]) -> str | None:
    """Only a planned move is choosy: a standby, and all the more a rescue, rather asks EC2 once too often."""
    place = offer.place
    is_planned = not wish.is_standby and not wish.is_last_resort
    if not is_planned or (place.instance_type, place.az_id) not in missing:
        return None
    return f"{place.instance_type} is not offered in {place.az_id}, by EC2's spot prices"


def _not_asked_for(place: Place, wish: Wish) -> str | None:
    """Return what of the wish the place does not meet, or what cannot come along to it."""
    if wish.mode is not None and place.mode is not wish.mode:
        return f"not {wish.mode}"
    if wish.instance_type is not None and place.instance_type != wish.instance_type:
        return f"not {wish.instance_type}"
    if wish.bound_by is not None and place.az_id != wish.primary.az_id:
        return f"{wish.bound_by} binds the agent to {wish.primary.az_id}"
    return f"not in {wish.az_id}" if wish.az_id is not None and place.az_id != wish.az_id else None


def shares_fate(place: Place, primary: Place) -> bool:
    """Return whether both would be lost to the same shortage."""
    # The same type in the same AZ is one stock of machines, whichever way it is paid for.
    return place.instance_type == primary.instance_type and place.az_id == primary.az_id


def _unfit(instance_type: str, wish: Wish, shapes: Mapping[str, Shape]) -> str | None:
    if instance_type == wish.primary.instance_type:
        return None
    shape, own = shapes.get(instance_type), shapes.get(wish.primary.instance_type)
    if shape is None or own is None:
        return "its size is not known yet"
    if wish.architecture not in shape.architectures:
        return f"not {wish.architecture}"
    if shape.vcpu < own.vcpu:
        return f"{shape.vcpu} vCPU, the workload has {own.vcpu}"
    if shape.memory_mib < own.memory_mib:
        return f"{shape.memory_mib} MiB of memory, the workload has {own.memory_mib}"
    return None


_Rank = tuple[bool, float, bool, bool, bool, bool, bool, bool, float, bool, Decimal, str]

BOOT_STEP_SECONDS = 5.0
"""Boot times that differ by less count as equal, and the price decides: the same place differs from itself by as much."""


def _rank(offer: Offer, wish: Wish) -> _Rank:
    place = offer.place
    boot_seconds = offer.boot_seconds if wish.is_urgent else None
    return (
        # What was refused a moment ago comes behind everything else, on-demand too; of several, what has waited longest.
        offer.cooling_until is not None,
        0.0 if offer.cooling_until is None else offer.cooling_until.timestamp(),
        wish.stays_in_zone and place.az_id != wish.primary.az_id,
        wish.is_standby and shares_fate(place, wish.primary),
        # A standby beside its primary is worth less than one that costs more elsewhere.
        wish.is_standby and not wish.stays_in_zone and place.az_id == wish.primary.az_id,
        # On-demand is the fallback unless it was asked for.
        place.mode is not Mode.SPOT,
        wish.is_standby and place.instance_type == wish.primary.instance_type,
        wish.is_urgent and boot_seconds is None,
        0.0 if boot_seconds is None else boot_seconds // BOOT_STEP_SECONDS,
        offer.usd_per_hour is None,
        offer.usd_per_hour or Decimal(0),
        place.key,
    )
