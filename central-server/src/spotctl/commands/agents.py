"""`spotctl agents`: all of them, or one with its instances, its replicas and the move that runs."""

from __future__ import annotations

from datetime import datetime

import click

from spotctl.api import Api, Json
from spotctl.lookups import find_agent, replicas_of
from spotctl.moves import switch_lines
from spotctl.options import agent_option, shared
from spotctl.session import Session
from spotctl.texts import age, clean, differences_table, drift_table, pairs, place, span, table

HEADERS = ["AGENT", "STATE", "PRIMARY", "MARKET", "SERVING", "HEARD", "EPOCH", "STANDBYS", "MOVE"]


@click.command()
@agent_option(is_required=False)
@shared
def agents(session: Session, *, agent_name: str | None) -> None:
    """List the agents, or show one with all that belongs to it."""
    api = session.api()
    now = session.clock.now()
    if agent_name is not None:
        document = _read_one(api, agent_name)
        session.show(document, _one_lines(document, now))
        return
    listed = list(api.items("agents"))
    session.show({"items": listed}, table(HEADERS, [_row(agent, now) for agent in listed]) if listed else ["this client has no agents"])


def state_of(agent: Json) -> str:
    """Say in a word how an agent is, the most serious first."""
    if agent["primary"] is None:
        return "no primary"
    if agent["is_offline"]:
        return "offline"
    return "enabled" if agent["enabled"] else "disabled"


def _row(agent: Json, now: datetime) -> list[object]:
    primary = agent["primary"] or {}
    return [
        agent["logical_agent_id"],
        state_of(agent),
        primary.get("instance_id"),
        place(primary.get("mode"), primary.get("instance_type"), primary.get("az_id")) if primary else None,
        _yes_no(primary.get("serving")),
        age(primary.get("last_heartbeat_at"), now),
        agent["epoch"],
        f"{agent['ready_replica_count']} ready of {agent['live_replica_count']}",
        agent["active_switch_id"],
    ]


def _yes_no(value: object) -> str:
    return {True: "yes", False: "no"}.get(bool(value), "?") if value is not None else "?"


def _read_one(api: Api, name: str) -> Json:
    found = find_agent(api, name)
    detail = api.get("agents", found["agent_id"])
    switch_id = detail["agent"]["active_switch_id"]
    switch = None if switch_id is None else api.get("agents", found["agent_id"], "switches", switch_id)
    return {**detail, "replicas": replicas_of(api, found), "active_switch": switch}


def _one_lines(document: Json, now: datetime) -> list[str]:
    agent, settings = document["agent"], document["settings"]
    members = [
        ("agent", agent["logical_agent_id"]),
        ("agent_id", agent["agent_id"]),
        ("state", state_of(agent)),
        ("region", agent["region"]),
        ("epoch", agent["epoch"]),
        ("carry", settings["carry"]),
        ("can be replaced", "yes, there is an image" if agent["has_good_image"] else "no, there is no good image"),
        ("image for an emergency", _image_text(document["guarantee"]["image"])),
    ]
    instances = [
        [
            instance["instance_id"],
            instance["instance_status"],
            place(instance["mode"], instance["instance_type"], instance["az_id"]),
            _yes_no(instance["serving"]),
            age(instance["last_heartbeat_at"], now),
        ]
        for instance in document["instances"]
        if instance["terminated_at"] is None
    ]
    lines = [*pairs(members), "", *table(["INSTANCE", "ROLE", "MARKET", "SERVING", "HEARD"], instances)]
    if document.get("specification_differences"):
        lines += ["", "a new instance would not be like the primary (see spotctl specification):"]
        lines += drift_table(document["specification_differences"])
    lines += _replica_lines(document["replicas"])
    if document["active_switch"] is not None:
        lines += ["", *switch_lines(document["active_switch"])]
    return lines


def _replica_lines(replicas: list[Json]) -> list[str]:
    if not replicas:
        return []
    rows = [
        [
            replica["replica_id"],
            replica["kind"],
            replica["status"],
            clean(replica["instance_id"]),
            place(replica["mode"], replica["instance_type"], replica["az_id"]),
            _likeness_text(replica["differences"]),
        ]
        for replica in replicas
    ]
    lines = ["", *table(["REPLICA", "KIND", "STATUS", "INSTANCE", "MARKET", "LIKE THE PRIMARY"], rows)]
    for replica in replicas:
        if replica["differences"]:
            lines += ["", f"{clean(replica['instance_id'])} is not like the primary:", *differences_table(replica["differences"])]
    return lines


def _image_text(image: Json | None) -> str:
    if image is None:
        return "none"
    return f"{image['image_id']}, {span(image['age_seconds'])} old, {'has booted' if image['has_booted'] else 'never booted'}"


def _likeness_text(differences: list[Json] | None) -> str:
    if differences is None:
        return "not compared"
    return f"no, in {len(differences)}" if differences else "yes"
