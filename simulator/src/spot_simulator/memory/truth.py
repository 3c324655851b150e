"""What is true in a region, for whoever checks it: who served when, who holds what, what is there, and what it costs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import combinations

from spot_simulator.balancing.health import TargetState
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.region import MemoryRegion
from spot_simulator.memory.workload import WRITES_FILE, HeldWrites
from spot_simulator.model.billing import total_usd
from spot_simulator.snapshot_of_state import bill_spans


@dataclass(frozen=True, slots=True)
class Span:
    """An instance did something from ``since`` until ``until`` (None: still)."""

    instance_id: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class DoubleServing:
    """Two instances of one agent accepted writes from ``since`` until ``until`` (None: still)."""

    agent: str
    instance_ids: tuple[str, str]
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that EC2 has; ``made_of`` is the instance behind an image or a volume, the volume behind a snapshot."""

    thing_id: str
    state: str
    tags: dict[str, str]
    made_of: str | None = None


class Truth:
    """Looks, and changes nothing. An agent is known by the value of a tag of its instances."""

    def __init__(self, region: MemoryRegion, agent_tag: str) -> None:
        """``agent_tag`` is the key of that tag."""
        self._region, self._agent_tag = region, agent_tag

    def agent_of(self, instance_id: str) -> str | None:
        """Return the agent that an instance belongs to, by its tags now."""
        return self._region.books.tags(instance_id).get(self._agent_tag)

    def accepting(self) -> dict[str, str | None]:
        """Return {instance id: agent} of all that accept writes now."""
        return {instance_id: self.agent_of(instance_id) for instance_id in self._region.traffic.accepting().values()}

    def serving(self) -> dict[str, list[Span]]:
        """Return by agent when which of its instances accepted writes, in order of the beginning."""
        found: dict[str, list[Span]] = {}
        for machine in self._region.machines.by_id.values():
            agent = self.agent_of(machine.instance_id)
            if agent is not None:
                spans = [Span(machine.instance_id, serving.since, serving.until) for serving in machine.serving]
                found.setdefault(agent, []).extend(spans)
        return {agent: sorted(spans, key=lambda span: (span.since, span.instance_id)) for agent, spans in found.items()}

    def double_serving(self) -> list[DoubleServing]:
        """Return where two instances of one agent accepted writes at once. One that ends as the other begins is a handover."""
        found = []
        for agent, spans in self.serving().items():
            for one, other in combinations(spans, 2):
                since = max(one.since, other.since)
                ends = [until for until in (one.until, other.until) if until is not None]
                if one.instance_id != other.instance_id and all(since < until for until in ends):
                    found.append(DoubleServing(agent, (one.instance_id, other.instance_id), since, min(ends, default=None)))
        return found

    def holders(self) -> dict[str, str | None]:
        """Return {Elastic IP: the instance to which its traffic goes now}."""
        return {public_ip: holder.instance_id if holder else None for public_ip, holder in self._region.addresses.holders.items()}

    def associations(self) -> dict[str, str | None]:
        """Return {Elastic IP: the instance that EC2's book names}."""
        return {entry.public_ip: entry.instance_id for entry in self._region.books.address_entries()}

    def billed(self) -> list[Span]:
        """Return when EC2 charged for which instance."""
        machines = self._region.machines.by_id.values()
        return [Span(machine.instance_id, run.since, run.until) for machine in machines for run in machine.running]

    def usd(self, instance_id: str) -> Decimal:
        """Return what an instance cost until now."""
        region = self._region
        return total_usd(bill_spans(region, region.machines.by_id[instance_id], region.clock.now()))

    def handle_holders(self) -> frozenset[str]:
        """Return the instances that the books of AWS name behind any traffic handle; a target that drains is none."""
        region = self._region
        found = {entry.instance_id for entry in region.books.address_entries() if entry.instance_id is not None}
        found |= {machine.instance_id for machine in region.machines.by_id.values() if machine.assigned_ips}
        targets = [target for group in region.target_groups.by_arn.values() for target in group.targets.values()]
        found |= {target.machine.instance_id for target in targets if target.health.state is not TargetState.DRAINING}
        values = {value for zone in region.zones.by_id.values() for told in zone.records.values() for value in told.values}
        return frozenset(found | {one.instance_id for one in region.machines.by_id.values() if {one.private_ip, one.public_ip} & values})

    def held(self, instance_id: str, front: str) -> NumberRanges:
        """Return the writes through a front that an instance's disk holds now, dead or alive."""
        writes = self._region.disks.roots[instance_id].get(WRITES_FILE)
        return writes.numbers(front) if isinstance(writes, HeldWrites) else NumberRanges()

    def writes_on(self, instance_id: str) -> str | None:
        """Return the data volume on which an instance keeps the writes of its workload now; None if that is its own disk."""
        for volume in self._region.volumes.on_instance(instance_id):
            place = volume.attachment.mount_point if volume.attachment is not None else None
            if place is not None and f"/{WRITES_FILE}".startswith(f"{place}/"):
                return volume.volume_id
        return None

    def instances(self) -> list[Thing]:
        """Return every instance, dead ones too."""
        machines = self._region.machines.by_id.values()
        return [Thing(machine.instance_id, machine.state.value, self._region.books.tags(machine.instance_id)) for machine in machines]

    def images(self) -> list[Thing]:
        """Return every image that is not deregistered."""
        books = self._region.books
        return [Thing(image.image_id, image.state, books.tags(image.image_id), image.source_instance_id) for image in books.images.values()]

    def snapshots(self) -> list[Thing]:
        """Return every snapshot."""
        books = self._region.books
        return [
            Thing(snapshot.snapshot_id, snapshot.state, books.tags(snapshot.snapshot_id), snapshot.volume_id)
            for snapshot in books.snapshots.values()
        ]

    def volumes(self) -> list[Thing]:
        """Return every volume."""
        books = self._region.books
        return [Thing(volume.volume_id, volume.state, books.tags(volume.volume_id), volume.disk_of) for volume in books.volumes.values()]
