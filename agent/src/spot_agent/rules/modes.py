"""Spot or on-demand: two witnesses, and no move while they disagree."""

from __future__ import annotations

from spot_agent.model import JsonObject, Mode
from spot_agent.ports import Found, Reading

_METADATA_WORDS = {"spot": Mode.SPOT, "on-demand": Mode.ON_DEMAND}


def mode_from_metadata(reading: Reading) -> Mode | None:
    """The life-cycle that the metadata service tells; other words (scheduled, capacity-block, ...) are UNKNOWN. None: it tells nothing."""
    if isinstance(reading, Found):
        return _METADATA_WORDS.get(reading.text.strip(), Mode.UNKNOWN)
    return None


def mode_from_api(*, is_described: bool, lifecycle: str | None) -> Mode | None:
    """DescribeInstances leaves InstanceLifecycle out for on-demand. None: EC2 did not answer, was busy, or may not tell us."""
    if not is_described:
        return None
    if lifecycle is None:
        return Mode.ON_DEMAND
    return Mode.SPOT if lifecycle == "spot" else Mode.UNKNOWN


def agreed_mode(metadata: Mode | None, api: Mode | None) -> Mode:
    """What all who said something say; UNKNOWN when they disagree, or nobody did. How an instance is paid for never changes."""
    said = {mode for mode in (metadata, api) if mode is not None}
    return said.pop() if len(said) == 1 else Mode.UNKNOWN


def evidence(metadata: Mode | None, api: Mode | None) -> JsonObject:
    """What each witness said, for the wire; `unknown` stands for one that said nothing too."""
    return {"metadata": (metadata or Mode.UNKNOWN).value, "api": (api or Mode.UNKNOWN).value}
