"""Whether the state of a workload came along: acknowledged writes, and data volumes. Read from the world, not from the server's books."""

from collections.abc import Mapping, Sequence
from http.client import HTTPException
from typing import Any

from spot_simulator.demo.world import World
from spot_simulator.probe_report import read_held_numbers, read_log
from spot_simulator.probe_rules import lost_writes
from system.client import persist

Row = Mapping[str, Any]


def losses(world: World, name: str) -> list[str]:
    """Return what is wrong with a workload's writes: it does not answer, or lacks some that the prober was told are on the disk."""
    probes, _torn = read_log(world.prober_log(name))
    try:
        held = read_held_numbers(f"http://{world.public_ips[name]}:8080")
    except (OSError, HTTPException, ValueError) as error:
        return [f"{name} does not answer: {error}"]
    last = max(held, default=0)
    lost = lost_writes([probe for probe in probes if probe.number < last], held)
    return [f"{name}: {len(lost)} acknowledged writes are lost, the first is {lost[0]}"] if lost else []


def data_volumes(world: World, name: str) -> list[Row]:
    """Return a workload's volumes that are no instance's root; copies have their source's tags."""
    volumes = persist(world.region, "GET", "/state")["volumes"]
    return [one for one in volumes if one["disk_of"] is None and one["tags"].get("Name") == name]


def volume_faults(name: str, volumes: Sequence[Row], primary_id: str, mount_point: str, *, expected_count: int) -> list[str]:
    """Return what is wrong with the data volumes of a workload that has one: it is mounted where the PRIMARY is, all others are free."""
    held = [(one["volume_id"], one["instance_id"], one["mount_point"]) for one in volumes if one["instance_id"] is not None]
    where = [(instance_id, place) for _volume_id, instance_id, place in held]
    found = [] if where == [(primary_id, mount_point)] else [f"{name}: the PRIMARY is {primary_id}, attached and mounted are {held}"]
    if len(volumes) != expected_count:
        found.append(f"{name}: there are {len(volumes)} data volumes, {expected_count} are accounted for")
    return found
