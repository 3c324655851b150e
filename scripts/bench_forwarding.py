#!/usr/bin/env python3
"""Measure what an Elastic IP of the region of processes adds to an answer: through the address and directly, while EC2 is asked beside it.

Usage: scripts/bench_forwarding.py [--answers 200]
Prints medians in milliseconds and their difference. Nothing is asserted: read ratios where the machine is busy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulator/tests"))

from conformance.behaviour import Behaviour
from conformance.http_region import HttpRegion
from conformance.world import World, service
from spot_simulator.clock import SystemClock

CLOCK = SystemClock()


def timed_ms(world: World, ip: str) -> float:
    """Ask a workload once; return how long its answer took."""
    begun_seconds = CLOCK.monotonic_seconds()
    world.ask(ip)
    return (CLOCK.monotonic_seconds() - begun_seconds) * 1e3


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the forwarding of an Elastic IP.")
    parser.add_argument("--answers", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, HttpRegion(Path(directory) / "state") as region:
        world = World(region)
        instance_id = world.launch_and_boot(service("workload", Behaviour.SERVES))
        private_ip = world.seen(instance_id)["private_ip"]
        address = region.ec2.allocate_address(Domain="vpc")
        region.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)
        world.wait_for_answer(address["PublicIp"], instance_id)
        is_over = threading.Event()

        def read() -> None:
            while not is_over.is_set():
                region.ec2.describe_instances()

        reader = threading.Thread(target=read)
        reader.start()
        pairs = [(timed_ms(world, address["PublicIp"]), timed_ms(world, private_ip)) for _ in range(options.answers)]
        is_over.set()
        reader.join()
    through_ms, direct_ms = (median(times) for times in zip(*pairs, strict=True))
    print(f"through the address {through_ms:.2f} ms, directly {direct_ms:.2f} ms, added {through_ms - direct_ms:.2f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
