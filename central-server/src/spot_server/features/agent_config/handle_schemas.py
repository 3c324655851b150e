"""Traffic handles on the wire: one flat object whose members depend on its kind."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from spot_server.http.fields import BoundedText, StrictInteger
from spot_server.http.schemas import StrictSchema
from spot_server.words import HandleKind

MOST_HANDLES = 8
"""All of them move while the workload stands still."""

TTL_SECONDS_MAX = 300
"""Of a record that moves: resolvers lead clients to an instance that serves no more for as long."""

TTL_SECONDS_DEFAULT = 30
HOOK_BOUND_SECONDS_MAX = 110
"""Within `MovePolicy.traffic_bound_seconds`."""

HOOK_BOUND_SECONDS_DEFAULT = 30


@dataclass(frozen=True, slots=True)
class Members:
    """What a handle of one kind has, besides its kind: what must be there, what may be, and what it is known by."""

    required: tuple[str, ...]
    defaults: dict[str, Any] = field(default_factory=dict)
    identity: tuple[str, ...] = ()


MEMBERS: dict[HandleKind, Members] = {
    HandleKind.ELASTIC_IP: Members(("allocation_id",)),
    HandleKind.SECONDARY_PRIVATE_IP: Members(("private_ip",), identity=("private_ip",)),
    HandleKind.TARGET_GROUP: Members(("target_group_arn",), {"port": None}, identity=("target_group_arn", "port")),
    HandleKind.ROUTE53_RECORD: Members(
        ("hosted_zone_id", "record_name"),
        {"address": "public", "ttl_seconds": TTL_SECONDS_DEFAULT},
        identity=("hosted_zone_id", "record_name"),
    ),
    HandleKind.HOOK: Members(("name",), {"bound_seconds": HOOK_BOUND_SECONDS_DEFAULT}, identity=("name",)),
}
"""An Elastic IP is known by its kind alone: EC2 associates one with an instance's primary address, and a second one replaces the first."""


def _require_ipv4(value: str) -> None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError as error:
        raise ValidationError(f"expected an IPv4 address such as 10.0.0.50, not {value!r}") from error


def _matching(pattern: str, example: str) -> validate.Regexp:
    return validate.Regexp(pattern, error=f"expected something like {example}, not {{input!r}}")


class _ShapedText(BoundedText):
    """Text of which `shape` says whether it can be meant."""

    def __init__(self, shape: Callable[[str], object], **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        super().__init__(**kwargs)
        self.validators.append(shape)


def _of(kind: HandleKind, text: str) -> dict[str, str]:
    return {"description": f"Of {kind}: {text}"}


class TrafficHandleSchema(StrictSchema):
    """What clients reach the workload by; see docs/handles.md."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf([kind.value for kind in HandleKind], error="expected one of {choices}, not {input!r}"),
    )
    allocation_id = BoundedText(least=1, most=64, metadata=_of(HandleKind.ELASTIC_IP, "the address's allocation id, eipalloc-…"))
    private_ip = _ShapedText(
        _require_ipv4, least=7, most=15, metadata=_of(HandleKind.SECONDARY_PRIVATE_IP, "the address, of the primary's subnet.")
    )
    target_group_arn = _ShapedText(
        _matching(r"^arn:[a-z-]+:elasticloadbalancing:[^:]+:\d+:targetgroup/.+$", "arn:aws:elasticloadbalancing:…:targetgroup/…"),
        least=1,
        most=256,
        metadata=_of(HandleKind.TARGET_GROUP, "the ARN of a target group whose targets are instances."),
    )
    port = StrictInteger(
        least=1, most=65_535, allow_none=True, metadata=_of(HandleKind.TARGET_GROUP, "the port; left out: the target group's own.")
    )
    hosted_zone_id = BoundedText(least=1, most=32, metadata=_of(HandleKind.ROUTE53_RECORD, "the hosted zone, Z…"))
    record_name = _ShapedText(
        _matching(r"^[A-Za-z0-9_*-]+(\.[A-Za-z0-9_-]+)+\.?$", "www.example.com"),
        least=1,
        most=255,
        metadata=_of(HandleKind.ROUTE53_RECORD, "the full name of a plain A record: no alias, no weights."),
    )
    ttl_seconds = StrictInteger(
        least=1, most=TTL_SECONDS_MAX, metadata=_of(HandleKind.ROUTE53_RECORD, "its time to live, part of each move's downtime.")
    )
    address = fields.String(
        validate=validate.OneOf(["public", "private"], error="expected one of {choices}, not {input!r}"),
        metadata=_of(HandleKind.ROUTE53_RECORD, "which of the instance's addresses the record names."),
    )
    name = _ShapedText(
        _matching(r"^[A-Za-z0-9_.-]+$", "external-dns"),
        least=1,
        most=64,
        metadata=_of(HandleKind.HOOK, "what the daemon's TRAFFIC_COMMAND is told to move, in SPOT_HANDLE."),
    )
    bound_seconds = StrictInteger(
        least=1, most=HOOK_BOUND_SECONDS_MAX, metadata=_of(HandleKind.HOOK, "when the hook is killed with all that it started.")
    )

    @validates_schema
    def require_its_members(self, data: dict[str, Any], **_kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Refuse a handle that lacks what its kind needs, or says what only another kind has."""
        members = MEMBERS[HandleKind(data["kind"])]
        known = {"kind", *members.required, *members.defaults}
        wrong = {name: [f"a {data['kind']} needs this"] for name in members.required if name not in data}
        wrong |= {name: [f"not a member of a {data['kind']}; its members are {', '.join(sorted(known))}"] for name in set(data) - known}
        if wrong:
            raise ValidationError(wrong)

    @post_load
    def fill_in(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - marshmallow's own options
        """Say what was left out, so that everybody reads the same."""
        return {**MEMBERS[HandleKind(data["kind"])].defaults, **data}


def refuse_twins(handles: Sequence[dict[str, Any]]) -> None:
    """Refuse two handles that would be moved into each other's way."""
    seen: dict[tuple[Any, ...], int] = {}
    for index, handle in enumerate(handles):
        identity = ("kind", *MEMBERS[HandleKind(handle["kind"])].identity)
        key = tuple(handle[name] for name in identity)
        if key in seen:
            told = " and ".join(f"{name} {handle[name]!r}" for name in identity)
            raise ValidationError(f"expected each handle once; number {index} has the {told} of number {seen[key]}")
        seen[key] = index
