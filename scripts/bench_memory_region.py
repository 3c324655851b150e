#!/usr/bin/env python3
"""Measure the region in memory: how many calls of EC2 a second it answers, one after the other, and what two hours of nothing cost.

Usage: scripts/bench_memory_region.py [--calls 2000]
Prints one line per call. Nothing is asserted: read ratios where the machine is busy.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from spot_simulator.clock import SystemClock
from spot_simulator.memory.programs import ProgramsByName
from spot_simulator.memory.region import MemoryRegion, MemorySettings, World
from spot_simulator.virtual.scheduler import Scheduler

CLOCK = SystemClock()
LAUNCHES = 100
TWO_HOURS_SECONDS = 7200.0


def build(seed: int) -> tuple[Scheduler, MemoryRegion]:
    """Build a region with nothing in it."""
    scheduler = Scheduler(datetime(2026, 1, 1, tzinfo=UTC))
    return scheduler, MemoryRegion(MemorySettings(seed), World(scheduler, scheduler, ProgramsByName({})))


def measure(what: str, calls: int, act: Callable[[int], object]) -> None:
    """Do something many times and print what it cost."""
    began_seconds = CLOCK.monotonic_seconds()
    for number in range(calls):
        act(number)
    each_seconds = (CLOCK.monotonic_seconds() - began_seconds) / calls
    print(f"{what:<44} {each_seconds * 1e6:9.1f} us {1 / each_seconds:10.0f}/s")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the region in memory.")
    parser.add_argument("--calls", type=int, default=2000, help="how often each call is made (default %(default)s)")
    calls = parser.parse_args().calls
    measure("a region built", max(1, calls // 10), build)
    scheduler, region = build(1)
    client, image = region.ec2_client("bench"), region.control.base_image()
    ids: list[str] = []

    def launch(number: int) -> None:
        tags = [{"Key": "agent", "Value": str(number)}]
        specifications = [{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")]
        spot = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
        place = {"ImageId": image.image_id, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        made = client.run_instances(ClientToken=f"token-{number}", InstanceMarketOptions=spot, TagSpecifications=specifications, **place)
        ids.append(made["Instances"][0]["InstanceId"])

    by_tag = [{"Name": "tag:agent", "Values": ["5"]}]
    measure("run_instances", LAUNCHES, launch)
    measure("describe_instances of one", calls, lambda _: client.describe_instances(InstanceIds=[ids[0]]))
    measure(f"describe_instances of {LAUNCHES} by tag", calls, lambda _: client.describe_instances(Filters=by_tag))
    scheduler.run_until(300.0)
    for number in range(10):
        tags = [{"ResourceType": "image", "Tags": [{"Key": "agent", "Value": str(number)}]}]
        client.create_image(InstanceId=ids[0], Name=f"image-{number}", NoReboot=True, TagSpecifications=tags)
    measure("describe_images of 10 by tag", calls, lambda _: client.describe_images(Owners=["self"], Filters=by_tag))
    prices = {"InstanceTypes": ["m5.large"], "ProductDescriptions": ["Linux/UNIX"]}
    measure("first prices of a type (6 pools, 90 days)", 1, lambda _: client.describe_spot_price_history(**prices))
    measure("prices of a type now", calls, lambda _: client.describe_spot_price_history(StartTime=scheduler.now(), **prices))
    host = region.host(region.machines.by_id[ids[0]], pid=0)
    measure("metadata: instance-action", calls, lambda _: host.read_metadata("meta-data/spot/instance-action"))
    address = client.allocate_address(Domain="vpc")
    region.traffic.probe(address["PublicIp"])
    measure("two hours of a region and a prober", 1, lambda _: scheduler.run_until(300.0 + TWO_HOURS_SECONDS))
    measure("the prober's figures of two hours", 1, lambda _: region.traffic.figures(address["PublicIp"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
