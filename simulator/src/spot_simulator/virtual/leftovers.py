"""What is left in EC2 when all is mended and still: things that somebody answers for, and nothing of what is there for a moment only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spot_simulator.machine import State
from spot_simulator.memory.truth import Truth
from spot_simulator.virtual.carrier import KEY_PATH, SESSION_PATH, STAGING_FILE
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet
from spot_simulator.volumes.records import Volume

TAG_MANAGED = "spot-optimizer:managed"
TAG_AGENT_ID = "spot-optimizer:agent-id"
_AGENTS = "SELECT agent_id, logical_agent_id FROM agents"
_TOLD = "SELECT 1 FROM notifications WHERE kind = 'stray_quarantined' AND instr(dedupe_key, ?)"
Finding = tuple[str, str]


class Leftovers:
    """Looks at the region's books alone; what a person was told is in the server's."""

    def __init__(self, fleet: Fleet, truth: Truth) -> None:
        """Note the images that people made, with their snapshots, before anything happened: the product answers for the rest."""
        self._fleet, self._truth, books = fleet, truth, fleet.region.books
        self._given = frozenset((*books.images, *books.snapshots))
        self._addresses = frozenset(books.addresses)

    def in_the_end(self) -> Iterator[Finding]:
        """Give what is left over, and what is gone that was not ours: (invariant, what it is)."""
        yield from self._images_and_snapshots()
        for volume in self.untold_volumes():
            yield "volumes-left-over-are-told-of", f"{volume.volume_id} is attached to no living instance, and nobody was told"
        yield from self._keys()
        yield from self._addresses_then_and_now()
        yield from (("foreign-is-left-alone", text) for text in self._fleet.foreign.changed())

    def untold_volumes(self) -> list[Volume]:
        """Return the volumes at no living instance that no person was told of. Nobody looks for those of an agent without instances."""
        raw, heard = self._fleet.database.raw, self._heard_agents()
        loose = [volume for volume in self._fleet.region.volumes.by_id.values() if not self._is_used(volume)]
        ours = [volume for volume in loose if volume.volume_id not in self._fleet.foreign.ids]
        return [
            volume
            for volume in ours
            if self._tags(volume.volume_id).get(TAG_AGENT) in {*heard, None} and raw.execute(_TOLD, (volume.volume_id,)).fetchone() is None
        ]

    def _is_used(self, volume: Volume) -> bool:
        holder = self._fleet.region.machines.by_id.get(volume.held_by or "")
        return holder is not None and holder.state is not State.TERMINATED

    def _heard_agents(self) -> set[str | None]:
        machines = self._fleet.region.machines.by_id.values()
        return {self._truth.agent_of(machine.instance_id) for machine in machines if machine.state is State.RUNNING}

    def _tags(self, thing_id: str) -> Mapping[str, str]:
        return self._fleet.region.books.tags(thing_id)

    def _images_and_snapshots(self) -> Iterator[Finding]:
        """The cleanup by age finds what carries all three tags, and lets it go when nothing needs it; what lacks one stays for ever."""
        books, name_of = self._fleet.region.books, dict(self._fleet.database.raw.execute(_AGENTS).fetchall())
        for thing_id in (*books.images, *books.snapshots):
            tags = self._tags(thing_id)
            is_found = tags.get(TAG_MANAGED) == "true" and name_of.get(tags.get(TAG_AGENT_ID), "") == tags.get(TAG_AGENT)
            if thing_id not in self._given and not is_found:
                yield "images-and-snapshots-have-an-owner", f"no cleanup finds {thing_id}, which carries {dict(tags)}"

    def _keys(self) -> Iterator[Finding]:
        """Keys and doors of a copy, and what it brought beside the state, are there for the move alone."""
        disks = self._fleet.region.disks
        for machine in self._fleet.region.machines.by_id.values():
            if machine.state is not State.RUNNING:
                continue
            left = [path for path in (KEY_PATH, SESSION_PATH) if path in disks.runs[machine.instance_id]]
            left += [STAGING_FILE] if STAGING_FILE in disks.roots[machine.instance_id] else []
            if left:
                agent = self._truth.agent_of(machine.instance_id)
                yield "copies-leave-no-keys", f"{machine.instance_id} of {agent} still has {', '.join(left)}"

    def _addresses_then_and_now(self) -> Iterator[Finding]:
        """Addresses are people's: none is allocated, and none is released."""
        now = frozenset(self._fleet.region.books.addresses)
        if now != self._addresses:
            yield "addresses-are-as-they-were", f"allocated {sorted(now - self._addresses)}, released {sorted(self._addresses - now)}"
