"""Whether a new instance is like the old one, field by field, from what EC2 says of both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from spot_server.features.replicas.likeness_rules import has_cpu_credits

Document = Mapping[str, Any]
"""What a daemon read of its own instance in EC2: the `configuration` of docs/agent-protocol.md."""

_PLAIN_FIELDS = ("security_group_ids", "iam_instance_profile_arn", "key_name", "detailed_monitoring", "ebs_optimized")
_VOLUME_FIELDS = ("volume_type", "size_gib", "iops", "throughput_mib_per_second")
_STRICTER_TOKENS = ("optional", "required")
NOT_READ = "not read"
READ = "read"
ROOT = "root"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which the new instance is not like the old one. `old` and `new` are JSON values; None: there is none."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """Return it for a person."""
        return f"{self.field}: {json.dumps(self.old, sort_keys=True)} before, {json.dumps(self.new, sort_keys=True)} now"


def compare(old: Document, new: Document | None) -> tuple[Difference, ...]:
    """Return where `new` is not like `old`; a new side that was not read differs as a whole.

    What only makes it safer is no difference: a metadata service that demands version 2 where it did not before, a volume that is
    encrypted now. What the old side's daemon does not say is not compared.
    """
    if new is None:
        return (Difference("configuration", READ, NOT_READ),)
    found = [Difference(name, old[name], new[name]) for name in _PLAIN_FIELDS if name in old and name in new and old[name] != new[name]]
    return (*found, *_metadata(old, new), *_credits(old, new), *_tags(old, new), *_volumes(old, new))


def is_told_in_full(old: Document, new: Document | None) -> bool:
    """Tell whether the new side said all that the old one did, so that nothing is worth waiting for."""
    return new is not None and (new.get("volumes") is not None or old.get("volumes") is None)


def _metadata(old: Document, new: Document) -> Iterator[Difference]:
    before, after = old.get("metadata_options") or {}, new.get("metadata_options") or {}
    for name in sorted(before.keys() & after.keys()):
        is_stricter = name == "HttpTokens" and (before[name], after[name]) == _STRICTER_TOKENS
        if before[name] != after[name] and not is_stricter:
            yield Difference(f"metadata_options.{name}", before[name], after[name])


def _credits(old: Document, new: Document) -> Iterator[Difference]:
    """An instance of a type without credits has none to compare."""
    if not all(has_cpu_credits(str(side.get("instance_type"))) for side in (old, new)):
        return
    before, after = old.get("cpu_credits"), new.get("cpu_credits")
    if before is not None and before != after:
        yield Difference("cpu_credits", before, after)


def _tags(old: Document, new: Document) -> Iterator[Difference]:
    if "tags" not in old or "tags" not in new:
        return
    before, after = old["tags"], new["tags"]
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(f"tags.{name}", before.get(name), after.get(name))


def _volumes(old: Document, new: Document) -> Iterator[Difference]:
    if old.get("volumes") is None:
        return
    if new.get("volumes") is None:
        yield Difference("volumes", READ, NOT_READ)
        return
    before, after = _by_name(old), _by_name(new)
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield Difference(f"volumes.{name}", before.get(name), after.get(name))
        else:
            yield from _volume(name, before[name], after[name])


def _by_name(side: Document) -> dict[str, Document]:
    """Volumes by device name; images name the root device differently, so that it has one name here."""
    root = side.get("root_device_name")
    return {ROOT if device == root else device: volume for device, volume in side["volumes"].items()}


def _volume(name: str, before: Document, after: Document) -> Iterator[Difference]:
    for setting in _VOLUME_FIELDS:
        if before.get(setting) != after.get(setting):
            yield Difference(f"volumes.{name}.{setting}", before.get(setting), after.get(setting))
    if before.get("encrypted") and not after.get("encrypted"):
        yield Difference(f"volumes.{name}.encrypted", True, False)
    elif before.get("encrypted") and before.get("kms_key_id") != after.get("kms_key_id"):
        yield Difference(f"volumes.{name}.kms_key_id", before.get("kms_key_id"), after.get("kms_key_id"))
