"""Spot or on-demand: two witnesses, and no move unless they agree."""

from __future__ import annotations

from spot_agent.model import JsonObject, Mode
from spot_agent.ports import Found, Reading

_METADATA_WORDS = {"spot": Mode.SPOT, "on-demand": Mode.ON_DEMAND}


def mode_from_metadata(reading: Reading) -> Mode:
    """The life-cycle that the metadata service tells; other words (scheduled, capacity-block, ...) are UNKNOWN."""
    if isinstance(reading, Found):
        return _METADATA_WORDS.get(reading.text.strip(), Mode.UNKNOWN)
    return Mode.UNKNOWN


def mode_from_api(*, is_described: bool, lifecycle: str | None) -> Mode:
    """DescribeInstances leaves InstanceLifecycle out for on-demand."""
    if not is_described:
        return Mode.UNKNOWN
    if lifecycle is None:
        return Mode.ON_DEMAND
    return Mode.SPOT if lifecycle == "spot" else Mode.UNKNOWN


def agreed_mode(metadata: Mode, api: Mode) -> Mode:
    """Both witnesses or nothing."""
    return metadata if metadata is api else Mode.UNKNOWN


def evidence(metadata: Mode, api: Mode) -> JsonObject:
    """What each witness said, for the wire."""
    return {"metadata": metadata.value, "api": api.value}
