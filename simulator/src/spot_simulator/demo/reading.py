"""Reading the three books of a running world: the region's state, the prober's log, the server's answers."""

from __future__ import annotations

from typing import Any

from spot_simulator.demo.apis import JsonApi
from spot_simulator.demo.books import AgentBooks
from spot_simulator.demo.world import Workload, World
from spot_simulator.probe_report import read_log
from spot_simulator.probe_rules import good_answers, overlaps

PAGE_ROWS = 500


def read_all(api: JsonApi, path: str) -> list[dict[str, Any]]:
    """Return every row of a paged list."""
    found: list[dict[str, Any]] = []
    query: dict[str, str | float] = {"limit": PAGE_ROWS}
    while True:
        page = api.get(path, **query)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        query["cursor"] = page["next_cursor"]


def read_books(world: World, agent_id: str, workload: Workload, state: dict[str, Any]) -> AgentBooks:
    """Return what the three books say about one workload; `state` is the region's."""
    agent = world.server.get(f"/agents/{agent_id}")["agent"]
    promotions = [event for event in read_all(world.server, f"/agents/{agent_id}/events") if event["kind"] == "promoted"]
    probes, _torn = read_log(world.prober_log(workload.name))
    answers = good_answers(probes)
    address = next(item for item in state["addresses"] if item["public_ip"] == world.public_ips[workload.name])
    return AgentBooks(
        name=workload.name,
        carry=workload.carry,
        server_primary_id=None if agent["primary"] is None else agent["primary"]["instance_id"],
        server_epoch=agent["epoch"],
        server_promotion_count=len(promotions),
        holder_instance_id=address["holder_instance_id"],
        region_instances=tuple(instances_of(workload.name, world, state)),
        last_answering_id=answers[-1].instance_id if answers else None,
        overlap_count=len(overlaps(probes)),
    )


def instances_of(name: str, world: World, state: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every instance that the region ever ran for a workload."""
    first = world.first_instances[name]
    return [
        item for item in state["instances"] if item["instance_id"] == first or item["tags"].get("spot-optimizer:logical-agent-id") == name
    ]


def strangers(world: World, state: dict[str, Any]) -> list[str]:
    """Return instances that run and belong to no workload: nothing that we made may be without an owner."""
    names = {workload.name for workload in world.settings.workloads}
    return [
        f"instance {item['instance_id']} runs and belongs to nobody"
        for item in state["instances"]
        if item["state"] != "terminated"
        and item["tags"].get("spot-optimizer:logical-agent-id") not in names
        and item["tags"].get("Name") not in names
    ]
