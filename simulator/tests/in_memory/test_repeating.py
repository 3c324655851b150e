"""A run is a function of its seed."""

import random
from typing import Any

from in_memory.place import Place
from spot_simulator.snapshot_of_state import region_bill, region_state


def history(seed: int) -> tuple[list[dict[str, object]], dict[str, Any], dict[str, Any], int]:
    """Do the same things at the same times, and return everything that can be seen."""
    place, dice = Place(seed), random.Random(0)
    image_id = place.base_image()
    allocation_id, public_ip = place.address()
    place.region.traffic.probe(public_ip)
    ids = [place.boot(image_id) for _ in range(3)]
    for instance_id in ids:
        place.serve(instance_id)
        place.move(allocation_id, instance_id)
    place.ec2.create_image(InstanceId=ids[0], Name="image", NoReboot=True)
    place.region.control.notice(ids[1])
    place.region.control.lose(ids[2])
    place.ec2.describe_spot_price_history(StartTime=place.scheduler.now(), InstanceTypes=["m5.large"])
    place.wait(600 * dice.random())
    sent = len(place.region.traffic.figures(public_ip).acknowledged)
    return place.region.log.after(0), region_state(place.region), region_bill(place.region), sent


def test_the_same_seed_gives_the_same_ids_times_prices_and_writes() -> None:
    assert history(1) == history(1)


def test_another_seed_gives_others() -> None:
    (log, state, bill, _), (other_log, other_state, other_bill, _) = history(1), history(2)

    assert log != other_log
    assert {one["instance_id"] for one in state["instances"]}.isdisjoint(one["instance_id"] for one in other_state["instances"])
    assert bill["usd"] != other_bill["usd"]
