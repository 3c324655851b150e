"""`spotctl kept`: the instances that moves left and nothing ends."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.options import request_id_option, shared, yes_option
from spotctl.session import Session
from spotctl.texts import clean, place, table


@click.command()
@click.option("--end", "instance_id", metavar="INSTANCE_ID", help="End this one.")
@yes_option
@request_id_option
@shared
def kept(session: Session, *, instance_id: str | None, is_agreed: bool, request_id: str | None) -> None:
    """List the instances that nothing ends by itself, with what they cost; or have one ended."""
    api = session.api()
    listed = list(api.items("kept-instances"))
    if instance_id is None:
        session.show({"items": listed}, _lines(listed))
        return
    chosen = _named(listed, instance_id)
    image = "" if chosen["launched_by_server"] else " A last image of it is made first, because we did not launch it."
    session.confirm(f"End {instance_id} of {chosen['logical_agent_id']} for good?{image}", is_agreed=is_agreed)
    ended = _end(session, api, chosen, request_id)
    session.show(ended, [f"{instance_id} is being ended, as soon as EC2 shows that it is ours and that no traffic handle leads to it"])


def _end(session: Session, api: Api, chosen: Json, request_id: str | None) -> Json:
    body = {"request_id": request_id or session.surroundings.new_request_id()}
    return api.post("agents", chosen["agent_id"], "instances", chosen["instance_id"], "terminate", body=body)


def _named(listed: list[Json], instance_id: str) -> Json:
    for row in listed:
        if row["instance_id"] == instance_id:
            return row
    expected = ", ".join(str(row["instance_id"]) for row in listed) or "none is kept"
    raise CommandFailed(f"--end: {instance_id!r} is not kept; expected one of: {expected}", ExitCode.NOT_FOUND)


def _lines(listed: list[Json]) -> list[str]:
    if not listed:
        return ["no instance is kept"]
    rows = [
        [
            str(row["instance_id"]),
            str(row["logical_agent_id"]),
            place(row["mode"], row["instance_type"], row["az_id"]),
            clean(row["usd_per_day"]),
            str(row["left_at"]),
            f"asked for by {row['end_asked_by']}" if row["end_asked_at"] else "-",
        ]
        for row in listed
    ]
    return table(["INSTANCE", "AGENT", "PLACE", "USD PER DAY", "LEFT AT", "END"], rows)
