"""What must hold after a storm, beyond the three books: nothing twice, nothing lost, nothing left over. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spot_simulator.demo.day import ENDED

Row = Mapping[str, Any]
REPLICA_TAG = "spot-optimizer:replica-id"
TOKEN_TAG = "spot-optimizer:launch-token"
ENDED_REPLICAS = frozenset({"promoted", "terminated", "failed"})


def doubles(what: str, values: Iterable[Any]) -> list[str]:
    """Return every value that is there more than once."""
    return [f"{what} {value} is there {count} times" for value, count in Counter(values).items() if count > 1]


def event_faults(events: Sequence[Row]) -> list[str]:
    """Return gaps and doubles of a client's event log, and commands issued or finished twice."""
    sequences = [event["sequence"] for event in events]
    expected = list(range(1, len(sequences) + 1))
    found = [] if sequences == expected else [f"event numbers are not 1..{len(sequences)}: {_first_difference(sequences, expected)}"]
    for kind in ("command_issued", "command_finished"):
        found += doubles(f"{kind} of command", (event["data"]["command_id"] for event in events if event["kind"] == kind))
    for kind in ("switch_started", "switch_completed"):
        found += doubles(f"{kind} of switch", (event["data"]["switch_id"] for event in events if event["kind"] == kind))
    return found


def _first_difference(sequences: Sequence[int], expected: Sequence[int]) -> str:
    return next((f"{was} where {wanted} was due" for was, wanted in zip(sequences, expected, strict=True) if was != wanted), "")


def switch_faults(switches: Sequence[Row], acknowledged: Mapping[str, str]) -> list[str]:
    """Return switches that never ended, that exist twice for one request, or that were acknowledged and are gone."""
    found = [f"switch {item['switch_id']} is {item['status']}" for item in switches if item["status"] not in ENDED]
    found += doubles("request", ((item["agent_id"], item["request_id"]) for item in switches))
    known = {item["request_id"]: item["switch_id"] for item in switches}
    found += [
        f"request {request_id} was acknowledged as switch {switch_id}, the history has {known.get(request_id)}"
        for request_id, switch_id in acknowledged.items()
        if known.get(request_id) != switch_id
    ]
    return found


def replica_faults(replicas: Sequence[Row], acknowledged: Mapping[str, str]) -> list[str]:
    """Return replicas that never ended, and those that were acknowledged and are gone."""
    found = [f"replica {item['replica_id']} is {item['status']}" for item in replicas if item["status"] not in ENDED_REPLICAS]
    known = {item["request_id"]: item["replica_id"] for item in replicas}
    found += [
        f"request {request_id} was acknowledged as replica {replica_id}, the list has {known.get(request_id)}"
        for request_id, replica_id in acknowledged.items()
        if known.get(request_id) != replica_id
    ]
    return found


def region_faults(state: Row) -> list[str]:
    """Return what EC2 has twice: instances of one replica or one launch token, images of one name."""
    by_replica: dict[str, set[str]] = defaultdict(set)
    by_token: dict[str, set[str]] = defaultdict(set)
    for item in state["instances"]:
        for tag, book in ((REPLICA_TAG, by_replica), (TOKEN_TAG, by_token)):
            if tag in item["tags"]:
                book[item["tags"][tag]].add(item["instance_id"])
    found = [f"replica {key} has the instances {sorted(ids)}" for key, ids in by_replica.items() if len(ids) > 1]
    found += [f"launch token {key} made the instances {sorted(ids)}" for key, ids in by_token.items() if len(ids) > 1]
    return found + doubles("an image of the name", (image["name"] for image in state["images"]))


def role_faults(instances: Sequence[Row], agent_ids: Iterable[str]) -> list[str]:
    """Return agents that have no PRIMARY, or more than one."""
    count = Counter(item["agent_id"] for item in instances if item["role"] == "PRIMARY")
    return [f"agent {agent_id} has {count[agent_id]} PRIMARY instances" for agent_id in agent_ids if count[agent_id] != 1]


def abandoned_agents(switches: Sequence[Row], instances: Sequence[Row], state: Row) -> set[str]:
    """Return the agents whose PRIMARY EC2 took at the end of its notice while nobody could launch a successor, and the server says so.

    Nobody can bring these back but a person. With a control role there are none: the server itself launches.
    """
    primaries = {item["agent_id"]: item["instance_id"] for item in instances if item["role"] == "PRIMARY"}
    taken = {item["instance_id"] for item in state["instances"] if item["state"] == "terminated" and item["notice"] is not None}
    failed = [item for item in switches if (item["trigger"], item["status"], item["failed_step"]) == ("notice", "failed", "launch")]
    return {
        item["agent_id"]
        for item in failed
        if item["from_instance_id"] == primaries.get(item["agent_id"]) and item["from_instance_id"] in taken
    }
