"""Bodies made from the interface's description: plausible ones, and those with one thing wrong in them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

SAMPLE_TEXT = {"date-time": "2026-01-01T00:00:00Z", "decimal": "0.0351"}
DEEPEST = 6

SAMPLE_OF_NAME: dict[str, Any] = {
    "architectures": ["x86_64"],
    "allowed_instance_types": ["m5.large"],
    "aws_role_arn": "arn:aws:iam::123456789012:role/spot",
    "az_id": "use1-az1",
    "az_name": "us-east-1a",
    "client_id": None,
    "epoch": 1,
    "expires_at": "2030-01-01T00:00:00Z",
    "instance_id": "i-mine",
    "instance_type": "m5.large",
    "kind": None,
    "launch_specification": {
        "vpc_id": "vpc-1",
        "subnets": {"use1-az1": "subnet-1"},
        "security_group_ids": ["sg-1"],
        "metadata_options": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "tags": {"team": "shop"},
    },
    "logical_agent_id": "web-1",
    "logical_agent_id_pattern": None,
    "notice_id": "0" * 64,
    "on_demand_discount_ratio": "0.28",
    "owner": None,
    "prices": [
        {
            "region": "us-east-1",
            "az_id": "use1-az1",
            "az_name": "us-east-1a",
            "instance_type": "m5.large",
            "product": "Linux/UNIX",
            "spot_usd_per_hour": "0.0351",
            "effective_at": "2026-01-01T00:00:00Z",
        }
    ],
    "region": "us-east-1",
    "role": "PRIMARY",
    "time_zone": "Europe/Berlin",
    "traffic_handles": [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}],
    "uses_left": None,
}
"""What the description alone does not tell; None: left out unless the description has a word for it."""


def sample(document: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> Any:
    """Return a value that the schema describes, with every property that it names."""
    schema = resolved(document, schema)
    if depth > DEEPEST:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            members = {name: _member(document, name, below, depth + 1) for name, below in schema.get("properties", {}).items()}
            return {name: value for name, value in members.items() if value is not None}
        case "array":
            return [sample(document, schema.get("items", {}), depth + 1)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return SAMPLE_TEXT.get(schema.get("format", ""), "x-1")


def _member(document: dict[str, Any], name: str, schema: dict[str, Any], depth: int) -> Any:
    if "enum" not in resolved(document, schema) and name in SAMPLE_OF_NAME:
        return SAMPLE_OF_NAME[name]
    return sample(document, schema, depth)


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references, also where they are wrapped to say that null is allowed."""
    for wrapper in ("allOf", "anyOf"):
        if wrapper in schema:
            return resolved(document, next(part for part in schema[wrapper] if part.get("type") != "null"))
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def with_one_wrong(body: Any, wrong: Any) -> Iterator[tuple[str, Any]]:
    """Yield where and what: the body with `wrong` in the place of each value in it, at any depth."""
    for path in _paths(body):
        changed = copy.deepcopy(body)
        place = changed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = wrong
        yield ".".join(map(str, path)), changed


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    below: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        below = iter(value.items())
    elif isinstance(value, list):
        below = iter(enumerate(value))
    for step, inner in below:
        yield (*before, step)
        yield from _paths(inner, (*before, step))
