"""What the simulated region's control API is asked for a game day: pure, so that a plan shows the very calls that are made later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from spot_server.aws.playing import NOTICE_LEAD_SECONDS, PlannedCall, PlayOrder
from spot_server.words import GameDayKind

SERVICE = "simulated-region"


@dataclass(frozen=True, slots=True)
class RegionCall:
    """One POST to the control API (docs/simulated-region.md)."""

    path: str
    body: Mapping[str, Any]


def play_calls(order: PlayOrder) -> tuple[RegionCall, ...]:
    """Return what makes the event happen. Each may be repeated before the instance has the event."""
    instance = f"/_region/instances/{order.instance_id}"
    notice = RegionCall(f"{instance}/notice", {"action": "terminate", "lead_seconds": NOTICE_LEAD_SECONDS})
    match order.kind:
        case GameDayKind.NOTICE:
            return (notice,)
        case GameDayKind.RECOMMENDATION:
            return (RegionCall(f"{instance}/rebalance", {}),)
        case GameDayKind.LOSS:
            return (RegionCall(f"{instance}/lose", {}),)
        case GameDayKind.CAPACITY_SHORTAGE:
            return (*_capacity(order, is_available=False), notice)
        case _:
            assert_never(order.kind)


def close_calls(order: PlayOrder) -> tuple[RegionCall, ...]:
    """Return what gives back what the game day took for a while."""
    return _capacity(order, is_available=True)


def planned_calls(order: PlayOrder) -> tuple[PlannedCall, ...]:
    """Return every call of the game day, in order."""
    calls = (*play_calls(order), *close_calls(order))
    return tuple(PlannedCall(SERVICE, f"POST {call.path}", call.body) for call in calls)


def _capacity(order: PlayOrder, *, is_available: bool) -> tuple[RegionCall, ...]:
    if order.shortage is None:
        return ()
    market = order.shortage
    body = {"instance_type": market.instance_type, "az_id": market.az_id, "mode": market.mode, "available": is_available}
    return (RegionCall("/_region/capacity", body),)
