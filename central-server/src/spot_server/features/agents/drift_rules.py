"""Whether the primary is still what a new instance would be launched as, and the specification that takes its present state over."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from spot_server.features.switches.configuration_rules import Difference, Document, compare

_FIELDS = ("security_group_ids", "iam_instance_profile_arn", "key_name", "metadata_options", "tags")
"""What both a launch specification and a primary's configuration have. Volumes and monitoring are launched as the primary's anyway."""

_NEVER_LOOSER = "HttpTokens"
"""Every instance is launched with version 2 of the metadata service only, whatever its primary allows."""


def drift_of(specification: Document | None, configuration: Document | None) -> tuple[Difference, ...] | None:
    """Return in what a new instance (`new`) would not be like the primary (`old`); None where one of them is not known.

    It is what a planned move would find between both sides, and be taken back for.
    """
    if specification is None or configuration is None:
        return None
    return compare(_sides(configuration), _sides(specification))


def taken_over(specification: Document, configuration: Document) -> dict[str, Any]:
    """Return the specification with what the primary has now; network, subnets, and what the primary's daemon did not say, stay."""
    taken = {name: configuration[name] for name in _FIELDS if name in configuration and name != "metadata_options"}
    if "metadata_options" in specification:
        has = configuration.get("metadata_options") or {}
        known = specification["metadata_options"].items()
        taken["metadata_options"] = {name: value if name == _NEVER_LOOSER else has.get(name, value) for name, value in known}
    return {**specification, **taken}


def digest_of(differences: Sequence[Difference]) -> str:
    """Return a name (32 hex digits) for these differences, by which each is told once."""
    text = json.dumps([asdict(one) for one in differences], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _sides(document: Document) -> Mapping[str, Any]:
    shown = {name: document[name] for name in _FIELDS if name in document}
    if shown.get("security_group_ids") is not None:
        # A set to EC2, whose order means nothing.
        shown["security_group_ids"] = sorted(shown["security_group_ids"])
    return shown
