"""A game day as a person sees it: the plan before, the figures after."""

from __future__ import annotations

import json
from typing import Any

from spotctl.api import Json
from spotctl.texts import clean, pairs, table

ACTIVE = frozenset({"requested", "injecting", "playing", "closing"})
MOST_PLACES = 5


def plan_lines(plan: Json) -> list[str]:
    """Return a dry run's plan: what is met, done, paid and called."""
    loss = plan["loses_writes_since"]
    members: list[tuple[str, Any]] = [
        ("plays", f"{plan['kind']} against {plan['instance_id']} in {plan['place']}, by {plan['played_by']}"),
        ("response", plan["response"]),
        ("takes over", _successor(plan)),
        ("steps", ", ".join(plan["steps"]) or "none"),
        ("loss", "nothing that the server knows of" if loss is None else f"everything written since {loss} (--accept-data-loss)"),
        ("costs", _cost(plan)),
    ]
    if plan["shortage"] is not None:
        short = plan["shortage"]
        members.append(("no capacity", f"{short['mode']}/{short['instance_type']}/{short['az_id']}, given back at the end"))
    lines = pairs(members)
    if plan["replica_id"] is None:
        places = [[place["place"], clean(place["usd_per_hour"])] for place in plan["places"][:MOST_PLACES]]
        lines += ["", *table(["PLACE, IN THIS ORDER", "USD PER HOUR"], places), f"places that do not fit: {len(plan['refused'])} (--json)"]
    calls = [[call["service"], call["operation"], json.dumps(call["parameters"], sort_keys=True)] for call in plan["calls"]]
    return [
        *lines,
        "",
        *table(["CALL TO", "OPERATION", "PARAMETERS"], calls),
        "",
        f"EC2 calls of the response: {', '.join(plan['ec2_calls'])}",
    ]


def _successor(plan: Json) -> str:
    if plan["replica_id"] is not None:
        return f"replica {plan['replica_id']}, which is ready"
    return f"a new instance from image {plan['image_id']}"


def _cost(plan: Json) -> str:
    if plan["most_extra_usd"] is None:
        return "not known: nobody reported a price for the first place"
    held = f" (a replica held for {plan['held_seconds']} s)" if plan["held_seconds"] else ""
    return f"up to {plan['most_extra_usd']} USD beyond the workload itself{held}; AWS's fee for FIS is not counted"


def detail_lines(game_day: Json) -> list[str]:
    """Return one game day with what was measured."""
    members: list[tuple[str, Any]] = [
        ("game day", game_day["game_day_id"]),
        ("status", game_day["status"] + (f" ({game_day['failure']})" if game_day["failure"] else "")),
        ("plays", f"{game_day['kind']} against {game_day['instance_id']}, by {game_day['played_by']}"),
        ("asked by", f"{game_day['initiated_by']}, {game_day['requested_at']}"),
        ("detection", seconds(game_day["detection_ms"])),
        ("replica ready", seconds(game_day["ready_ms"])),
        ("promotion", seconds(game_day["promotion_ms"])),
        ("serving", seconds(game_day["serving_ms"])),
        ("downtime", _downtime(game_day)),
        (
            "lost",
            "nothing that the server knows of"
            if game_day["loss_window_seconds"] is None
            else f"{game_day['loss_window_seconds']} s of writes",
        ),
    ]
    probe = game_day["probe"]
    if probe is not None:
        writes = "" if probe.get("lost_writes_count") is None else f", {probe['lost_writes_count']} acknowledged writes lost"
        members.append(("outside probe", f"{seconds(probe.get('downtime_ms'))} of downtime{writes} ({probe.get('source')})"))
    if game_day["switch_id"] is not None:
        members.append(("switch", game_day["switch_id"]))
    return pairs(members)


def _downtime(game_day: Json) -> str:
    basis = {"quiesced": "by the daemons' own word", "instance_end": "from the instance's end, the most it can be"}
    said = basis.get(str(game_day["downtime_basis"]))
    return seconds(game_day["downtime_ms"]) + (f" ({said})" if said else "")


def history_lines(game_days: list[Json]) -> list[str]:
    """Return the agent's game days as a table."""
    if not game_days:
        return ["no game day was ever played against this agent"]
    headers = ["REQUESTED", "KIND", "STATUS", "DETECTION", "PROMOTION", "DOWNTIME", "BY", "GAME DAY"]
    rows = [
        [
            game_day["requested_at"],
            game_day["kind"],
            game_day["status"],
            seconds(game_day["detection_ms"]),
            seconds(game_day["promotion_ms"]),
            seconds(game_day["downtime_ms"]),
            game_day["initiated_by"],
            game_day["game_day_id"],
        ]
        for game_day in game_days
    ]
    return table(headers, rows)


def seconds(value_ms: int | None) -> str:
    """Write milliseconds as seconds; `-` for none."""
    return "-" if value_ms is None else f"{value_ms / 1000:.2f} s"
