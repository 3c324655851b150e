"""Successors that may act on a plan of theirs without the server, and what keeps a move from promoting anybody beside one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spot_server.features.autonomy.rules import Plan


def rivals_of(plans: Iterable[Plan], sides: Sequence[str | None]) -> list[Plan]:
    """Return the plans whose successor is neither side of a move.

    The new side may be promoted by the server and by its plan alike: it is one instance, under one epoch. The old side has been silenced
    or has ended before anybody is promoted.
    """
    return [plan for plan in plans if plan.successor_instance_id not in sides]


def guard_claim(payload: Mapping[str, Any], rivals: Iterable[Plan]) -> dict[str, Any]:
    """Return what an order to move an address says while it may be a rival's claim: it is taken from no claimant, and got exclusively.

    A daemon or a server of another version that knows only `allow_reassociation` takes it from nobody.
    """
    claimed = [plan for plan in rivals if plan.allocation_id == payload.get("allocation_id")]
    if not claimed:
        return dict(payload)
    return {
        **payload,
        "allow_reassociation": False,
        "claimant_instance_ids": sorted({plan.successor_instance_id for plan in claimed}),
        "predecessor_instance_ids": sorted({plan.predecessor_instance_id for plan in claimed}),
    }


def why_not_promoted(rivals: Iterable[Plan], moved_allocation_ids: Iterable[str]) -> str:
    """Return why nobody may be promoted now; empty when no rival is left that could hold the claim.

    An address that this move has got, exclusively, no rival can claim. One that is no handle any more, or was left behind, it can.
    """
    moved = set(moved_allocation_ids)
    left = [plan for plan in rivals if plan.allocation_id not in moved]
    if not left:
        return ""
    plan = left[0]
    return (
        f"{plan.successor_instance_id} may have taken over by itself with {plan.allocation_id}, and has not said otherwise: "
        f"it must be heard, or end"
    )
