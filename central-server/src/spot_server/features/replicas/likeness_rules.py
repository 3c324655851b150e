"""What a launch is asked for beyond the launch specification, so that the new instance is like the primary: by EC2's word of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.")


def has_cpu_credits(instance_type: str) -> bool:
    """Tell whether EC2 has a credit specification for instances of this type."""
    return instance_type.startswith(_BURSTABLE)


def likeness(configuration: Mapping[str, Any] | None, instance_type: str, devices: Collection[str]) -> dict[str, Any]:
    """Return the members of a launch's payload; empty where nothing is known of the primary.

    `devices`: the volumes that the image brings, by device name. A volume is only ever described anew, never added: what the image does
    not bring would come up empty.
    """
    if configuration is None:
        return {}
    wanted: dict[str, Any] = {}
    if configuration.get("detailed_monitoring"):
        wanted["detailed_monitoring"] = True
    if configuration.get("ebs_optimized"):
        wanted["ebs_optimized"] = True
    if configuration.get("cpu_credits") and has_cpu_credits(instance_type):
        wanted["cpu_credits"] = configuration["cpu_credits"]
    described = configuration.get("volumes") or {}
    volumes = [{"device_name": name, **described[name]} for name in sorted(described) if name in devices]
    if volumes:
        wanted["volumes"] = volumes
    return wanted
