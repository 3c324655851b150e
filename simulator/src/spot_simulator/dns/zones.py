"""Hosted zones: what was asked for shows in them at once, name servers answer with it when the change is in sync."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from spot_simulator.dns.resolver import Resolver, Told
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.model.delays import Delay
from spot_simulator.model.names import seeded_hex
from spot_simulator.ports import Ground

_ID_CHARACTERS = 13


class Action(StrEnum):
    """What a change does with a record."""

    CREATE = "CREATE"
    UPSERT = "UPSERT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Wish:
    """One change of a batch; ``name`` is whole, see ``whole_name``."""

    action: Action
    name: str
    told: Told


@dataclass(slots=True)
class Change:
    """A batch that was taken."""

    change_id: str
    submitted_at: datetime
    is_in_sync: bool = False


@dataclass(slots=True)
class Zone:
    """A zone with its A records by name. ``answered`` is the number of the batch that name servers know of each name."""

    zone_id: str
    name: str
    records: dict[str, Told] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)


def whole_name(name: str) -> str:
    """Return a name as zones compare it: in small letters, with the final dot."""
    return name.lower().rstrip(".") + "."


class Zones:
    """Every method is called with the region's lock held."""

    def __init__(self, resolver: Resolver, ground: Ground) -> None:
        """Start with none."""
        self._resolver, self._ground = resolver, ground
        self.by_id: dict[str, Zone] = {}
        self.changes: dict[str, Change] = {}

    def add(self, name: str) -> tuple[Zone, Change]:
        """Make a zone; name servers know it when the change is in sync, which nobody here waits for."""
        zone = Zone(self._id("Z", len(self.by_id)), whole_name(name))
        self.by_id[zone.zone_id] = zone
        return zone, self._begin(zone, ())

    def find(self, zone_id: str) -> Zone:
        """Return a zone. Raise ``Ec2Error`` if there is none."""
        zone = self.by_id.get(zone_id)
        if zone is None:
            raise Ec2Error("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}")
        return zone

    def change(self, zone: Zone, wishes: Sequence[Wish]) -> Change:
        """Take a batch: all of it, or nothing."""
        records = dict(zone.records)
        for wish in wishes:
            _apply(zone, records, wish)
        zone.records = records
        return self._begin(zone, [wish.name for wish in wishes])

    def _begin(self, zone: Zone, names: Sequence[str]) -> Change:
        number = len(self.changes)
        change = Change(self._id("C", number), self._ground.clock.now())
        self.changes[change.change_id] = change
        told = {name: zone.records.get(name) for name in names}
        self._ground.log.append("record-change", change_id=change.change_id, names=list(names))
        self._ground.timeline.after(
            self._ground.delays.seconds(Delay.RECORD_SYNC, number), lambda: self._settle(zone, change, number, told)
        )
        return change

    def _settle(self, zone: Zone, change: Change, number: int, told: dict[str, Told | None]) -> None:
        """Let name servers answer with a batch. A later one of the same name that was faster stands."""
        with self._ground.lock:
            change.is_in_sync = True
            self._ground.log.append("record-in-sync", change_id=change.change_id)
            for name, answer in told.items():
                if number >= zone.answered.get(name, 0):
                    zone.answered[name] = number
                    self._resolver.hear(name, answer)

    def _id(self, prefix: str, number: int) -> str:
        return prefix + seeded_hex(self._ground.delays.seed, prefix, number, _ID_CHARACTERS).upper()


def _apply(zone: Zone, records: dict[str, Told], wish: Wish) -> None:
    if wish.name != zone.name and not wish.name.endswith(f".{zone.name}"):
        raise Ec2Error("InvalidChangeBatch", f"[RRSet with DNS name {wish.name} is not permitted in zone {zone.name}]")
    match wish.action:
        case Action.CREATE if wish.name in records:
            raise Ec2Error(
                "InvalidChangeBatch", f"[Tried to create resource record set [name='{wish.name}', type='A'] but it already exists]"
            )
        case Action.DELETE if records.get(wish.name) != wish.told:
            raise Ec2Error(
                "InvalidChangeBatch", f"[Tried to delete resource record set [name='{wish.name}', type='A'] but it was not found]"
            )
        case Action.DELETE:
            del records[wish.name]
        case _:
            records[wish.name] = wish.told
