"""A move as a person sees it: where to, what is lost, how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spotctl.api import Api, Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.session import Session
from spotctl.texts import clean, differences_table, pairs, place, span, table

ACTIVE = frozenset({"running", "rolling_back"})
POLL_SECONDS = 1.0
MOST_PLACES = 5

_LOSS_OF_CARRY = {
    "stateless": "nothing of its disk comes along: the workload is set up as stateless",
    "rsync": "no write to its configured paths is lost: they come along to the last byte; the rest of its disk is as old as the image",
    "volume": "no write to its data volumes is lost: they move, or last snapshots of them do; the rest of its disk is as old as the image",
    "image_after_quiesce": "no write is lost: it stops writing first, and goes on when the image is made and the new instance has booted",
}


def loss_text(loses_writes_since: str | None, loss_window_seconds: float | None, carry: str) -> str:
    """Say what a move loses, before a person confirms it."""
    if loses_writes_since is not None:
        window = "" if loss_window_seconds is None else f" ({span(loss_window_seconds)})"
        return f"everything written since {loses_writes_since}{window} is lost"
    return _LOSS_OF_CARRY.get(carry, f"nothing that the server knows of (carry {carry})")


def plan_lines(agent: Json, carry: str, plan: Json, window_seconds: float | None) -> list[str]:
    """Return a dry run's plan for a person."""
    primary = agent["primary"] or {}
    first, *others = plan["suitable"]
    fallback = f", else one of {len(others)} other places" if others else ""
    members = [
        ("agent", f"{agent['logical_agent_id']} ({agent['agent_id']}), epoch {agent['epoch']}"),
        ("from", f"{place(primary.get('mode'), primary.get('instance_type'), primary.get('az_id'))} ({primary.get('instance_id')})"),
        ("to", f"{_place_of(first)} at {_usd(first)}{fallback}"),
        ("image", "a new one is made" if plan["takes_image"] else plan["image_id"]),
        ("steps", ", ".join(plan["steps"])),
        ("loss", loss_text(plan["loses_writes_since"], window_seconds, carry)),
    ]
    members.append(("outage", _outage_text(plan, carry)))
    if plan.get("copy_seconds") is not None:
        basis = "as measured" if plan["copy_basis"] == "measured" else "an assumption from the volumes' size"
        told = (
            f"the data volumes are copied to another AZ: about {span(plan['copy_seconds'])} ({basis}), most of it while the workload serves"
        )
        members.append(("copy", told))
    places = table(["PLACE", "USD PER HOUR"], [[_place_of(offer), _usd(offer)] for offer in plan["suitable"][:MOST_PLACES]])
    more = len(plan["suitable"]) - MOST_PLACES
    return [
        *pairs(members),
        "",
        *places,
        *([f"and {more} more"] if more > 0 else []),
        f"places that do not fit: {len(plan['refused'])} (--json)",
    ]


def _outage_text(plan: Json, carry: str) -> str:
    if plan.get("outage_seconds") is not None:
        basis = "its own moves" if plan["outage_basis"] == "moves" else "its own images and launches"
        return f"about {span(plan['outage_seconds'])}, the median of {basis}"
    takes = ": it stands still while its image is made and the new instance boots, which takes minutes"
    return f"not measured on this agent yet{takes if carry == 'image_after_quiesce' else ''}"


def rollback_lines(agent: Json, move: Json, plan: Json) -> list[str]:
    """Return for a person what going back on a completed move would do."""
    there = place(move["from_mode"], move["from_instance_type"], move["from_az_id"])
    new = f"a new instance in {_place_of(plan['suitable'][0])} from image {plan['image_id']}" if plan["suitable"] else None
    members = [
        ("agent", f"{agent['logical_agent_id']} ({agent['agent_id']}), epoch {agent['epoch']}"),
        ("undoes", f"switch {plan['switch_id']}"),
        ("to", new or f"{there} ({plan['to_instance_id']}), which lives"),
        ("steps", ", ".join(plan["steps"])),
        ("loss", loss_text(plan["loses_writes_since"], plan["loss_window_seconds"], move["carry"])),
    ]
    return pairs(members)


def promotion_lines(agent: Json, replica: Json, carry: str, plan: Json) -> list[str]:
    """Return for a person what a handover to a replica would do, need and lose."""
    fitness = "yes: its standby check passed"
    if plan["replica_status"] != "ready":
        fitness = "no: its standby check has not passed, which needs --force"
    elif plan["needs_force"]:
        fitness += "; but the primary is silent: --force with --accept-data-loss has its instance ended first"
    unlike = ", ".join(clean(one["field"]) for one in plan["differences"])
    members = [
        ("agent", f"{agent['logical_agent_id']} ({agent['agent_id']}), epoch {agent['epoch']}"),
        ("to", f"{place(replica['mode'], replica['instance_type'], replica['az_id'])} ({clean(plan['instance_id'])})"),
        ("image", plan["image_id"]),
        ("ready", fitness),
        ("unlike", f"{unlike}: needs --accept-differences" if unlike else "no difference is known"),
        ("steps", ", ".join(plan["steps"])),
        ("loss", loss_text(plan["loses_writes_since"], plan["loss_window_seconds"], carry)),
    ]
    return pairs(members)


def _place_of(offer: Json) -> str:
    return place(offer["mode"], offer["instance_type"], offer["az_id"])


def _usd(offer: Json) -> str:
    return f"{clean(offer['usd_per_hour'])} USD" if offer["usd_per_hour"] is not None else "a price that nobody reported"


def switch_lines(switch: Json) -> list[str]:
    """Return one move with its steps for a person."""
    members: list[tuple[str, Any]] = [
        ("switch", switch["switch_id"]),
        ("status", switch["status"] + (f" ({switch['failure']})" if switch["failure"] else "")),
        ("trigger", switch["trigger"]),
        ("from", f"{place(switch['from_mode'], switch['from_instance_type'], switch['from_az_id'])} ({switch['from_instance_id']})"),
        ("to", f"{place(switch['to_mode'], switch['to_instance_type'], switch['to_az_id'])} ({clean(switch['to_instance_id'])})"),
    ]
    if switch["waiting_reason"]:
        members.append(("waits for", switch["waiting_reason"]))
    if switch["downtime_seconds"] is not None:
        members.append(("downtime", f"{switch['downtime_seconds']:.1f} s, as the daemons saw it"))
    if switch["loses_writes_since"] is not None:
        members.append(("loss", loss_text(switch["loses_writes_since"], switch["loss_window_seconds"], switch["carry"])))
    steps = [[step["name"], step["status"], clean(step["actor_instance_id"] or step["actor"])] for step in switch["steps"]]
    lines = [*pairs(members), "", *table(["STEP", "STATUS", "BY"], steps)]
    if switch["differences"]:
        accepted = ", which was accepted" if switch["accepts_differences"] else ""
        lines += ["", f"the new instance is not like the old one{accepted}:", *differences_table(switch["differences"])]
    return lines


def await_switch(session: Session, api: Api, switch: Json) -> Json:
    """Return the move when it is over, telling a person of each step meanwhile."""
    told: set[tuple[str, str]] = set()
    while True:
        for line in _news(switch, told):
            session.say(line)
        if switch["status"] not in ACTIVE:
            return switch
        session.clock.sleep(POLL_SECONDS)
        switch = api.get("agents", switch["agent_id"], "switches", switch["switch_id"])


def _news(switch: Json, told: set[tuple[str, str]]) -> Iterator[str]:
    for step in switch["steps"]:
        mark = (step["name"], step["status"])
        if step["status"] != "pending" and mark not in told:
            told.add(mark)
            yield f"{step['name']:<8} {step['status']}"


def finish(session: Session, api: Api, switch: Json, *, is_awaited: bool, expected: frozenset[str]) -> None:
    """Show a move that was begun, after its end if that was asked for. Raises CommandFailed when it did not end as `expected`."""
    last = await_switch(session, api, switch) if is_awaited else switch
    session.show(last, switch_lines(last))
    if is_awaited and last["status"] not in expected:
        text = f"switch {last['switch_id']} ended as {last['status']}: {last['failure'] or 'without a reason'}"
        raise CommandFailed(text, ExitCode.ENDED_OTHERWISE)
