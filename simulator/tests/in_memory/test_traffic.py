"""Workloads, addresses and probers in a region: what is worked out between changes is what happened write by write."""

import random
from typing import Any

import pytest

from in_memory.place import LONGEST_IMAGE_SECONDS, Place
from spot_simulator.base_image import START_GUARD
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.truth import Truth
from spot_simulator.probe_rules import Probe, downtime_seconds, outages, overlaps

INTERVAL_SECONDS = 0.05


class WriteByWrite:
    """A prober that sends every write as an event of its own, beside the one of the region."""

    def __init__(self, place: Place, public_ip: str) -> None:
        self._place, self._public_ip = place, public_ip
        self.log: list[Probe] = []
        self.held: dict[str, list[int]] = {}
        self._began_seconds = place.scheduler.monotonic_seconds()
        self._write()

    def _write(self) -> None:
        number, now = len(self.log) + 1, self._place.scheduler.now()
        acceptor = self._place.region.traffic.acceptor_behind(self._public_ip)
        if acceptor is None:
            self.log.append(Probe(number, now, None, ok=False, instance_id=None))
        else:
            self.held.setdefault(acceptor.instance_id, []).append(number)
            self.log.append(Probe(number, now, now, ok=True, instance_id=acceptor.instance_id))
        due_seconds = self._began_seconds + number * INTERVAL_SECONDS
        self._place.scheduler.after(due_seconds - self._place.scheduler.monotonic_seconds(), self._write)


def disturb(place: Place, dice: random.Random, ids: list[str], allocation_id: str) -> None:
    """Do one random thing to what is served, or to the address."""
    instance_id = dice.choice(ids)
    host = place.host(instance_id)
    host.run[START_GUARD] = ""
    doings: list[Any] = [
        lambda: place.ec2.associate_address(AllocationId=allocation_id, InstanceId=instance_id),
        lambda: host.stop_service("workload"),
        lambda: host.start_service("workload"),
        lambda: place.region.init.kill_service(host.machine, "workload"),
    ]
    dice.choice(doings)()


@pytest.mark.parametrize("seed", range(8))
def test_the_region_s_prober_agrees_with_one_that_sends_every_write(seed: int) -> None:
    place, dice = Place(seed), random.Random(seed)
    image_id = place.base_image()
    ids = [place.boot(image_id) for _ in range(3)]
    for instance_id in ids[:2]:
        place.serve(instance_id)
    allocation_id, public_ip = place.address()
    place.wait(dice.random())
    place.region.traffic.probe(public_ip)
    every = WriteByWrite(place, public_ip)

    for _ in range(25):
        disturb(place, dice, ids, allocation_id)
        place.wait(dice.choice([0.0, 0.3, 2.0, 9.0]) * dice.random())
    place.wait(20.0)

    found, truth = place.region.traffic.figures(public_ip), Truth(place.region, "agent")
    log = [probe for probe in every.log if probe.sent_at < place.scheduler.now()]
    assert found.sent == len(log)
    assert list(found.acknowledged) == [probe.number for probe in log if probe.ok]
    assert list(found.outages) == outages(log, 0.2)
    assert list(found.overlaps) == overlaps(log)
    assert found.downtime_seconds == pytest.approx(downtime_seconds(log, 0.2, log[0].sent_at, log[-1].sent_at))
    for instance_id in ids:
        held = [number for number in every.held.get(instance_id, []) if number <= len(log)]
        assert list(truth.held(instance_id, public_ip)) == held


def test_writes_after_an_image_are_lost_with_the_instance_and_those_before_are_not() -> None:
    place = Place()
    primary = place.boot(place.base_image())
    place.serve(primary)
    allocation_id, public_ip = place.address()
    place.move(allocation_id, primary)
    place.region.traffic.probe(public_ip)
    place.wait(10.0)
    image_id = place.ec2.create_image(InstanceId=primary, Name="of-life", NoReboot=True)["ImageId"]
    place.wait(LONGEST_IMAGE_SECONDS)
    place.region.control.lose(primary)
    acknowledged = place.region.traffic.figures(public_ip).acknowledged

    clone = place.boot(image_id)
    place.serve(clone)
    place.move(allocation_id, clone)
    held = Truth(place.region, "agent").held(clone, public_ip)

    assert len(acknowledged) == (10.0 + LONGEST_IMAGE_SECONDS) / INTERVAL_SECONDS
    lost = place.region.traffic.lost(public_ip, held)
    assert lost.pairs == ((201, len(acknowledged)),)
    assert len(held) > 200


def test_a_clone_s_writes_do_not_reach_its_parent() -> None:
    place = Place()
    parent = place.boot(place.base_image())
    place.serve(parent)
    image_id = place.ec2.create_image(InstanceId=parent, Name="copy", NoReboot=True)["ImageId"]
    place.wait(LONGEST_IMAGE_SECONDS)
    clone = place.boot(image_id)
    place.serve(clone)
    allocation_id, public_ip = place.address()
    place.move(allocation_id, clone)
    place.region.traffic.probe(public_ip)

    place.wait(5.0)

    truth = Truth(place.region, "agent")
    assert truth.held(parent, public_ip) == NumberRanges()
    assert len(truth.held(clone, public_ip)) == 100


def test_a_released_address_has_no_more_writes() -> None:
    place = Place()
    allocation_id, public_ip = place.address()
    place.region.traffic.probe(public_ip)
    place.wait(1.0)

    place.ec2.release_address(AllocationId=allocation_id)
    place.wait(10.0)

    assert place.region.traffic.figures(public_ip).sent == 20


def test_an_address_has_one_prober() -> None:
    place = Place()
    _, public_ip = place.address()
    place.region.traffic.probe(public_ip)

    with pytest.raises(ValueError, match="prober"):
        place.region.traffic.probe(public_ip)
