"""`spotctl rollback`: back to where an agent was before a move."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.commands.cancel import TAKEN_BACK, take_back
from spotctl.commands.switch import begin
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent
from spotctl.moves import ACTIVE, finish
from spotctl.options import agent_option, request_id_option, shared, wait_option, yes_option
from spotctl.session import Session
from spotctl.texts import place


@click.command()
@agent_option()
@click.option("--switch", "switch_id", metavar="SWITCH_ID", help="The move to undo; default: the agent's last.")
@yes_option
@wait_option
@request_id_option
@shared
def rollback(
    session: Session, *, agent_name: str, switch_id: str | None, is_agreed: bool, is_awaited: bool, request_id: str | None
) -> None:
    """Undo a move: taken back while it runs; once it completed, a planned move to the place that it left.

    The way back of a completed move is a new instance in the old place, made as every planned move is, with what is lost shown first.
    """
    api = session.api()
    agent = find_agent(api, agent_name)
    move = _move_of(api, agent, switch_id)
    if move["status"] in ACTIVE:
        session.confirm(f"Take switch {move['switch_id']} of {agent['logical_agent_id']} back?", is_agreed=is_agreed)
        finish(session, api, take_back(api, agent, move), is_awaited=is_awaited, expected=TAKEN_BACK)
        return
    if move["status"] != "completed":
        text = f"switch {move['switch_id']} is {move['status']}: there is nothing to undo; expected one that completed or runs"
        raise CommandFailed(text, ExitCode.REFUSED)
    target = {"mode": move["from_mode"], "instance_type": move["from_instance_type"], "az_id": move["from_az_id"]}
    session.say(f"back to {place(**target)}, which switch {move['switch_id']} left")
    begin(session, api, agent, {"target": target}, is_agreed=is_agreed, is_awaited=is_awaited, request_id=request_id)


def _move_of(api: Api, agent: Json, switch_id: str | None) -> Json:
    chosen = switch_id or agent["active_switch_id"]
    if chosen is None:
        page = api.get("switch-history", agent_id=agent["agent_id"], limit=1)
        if not page["items"]:
            raise CommandFailed(f"{agent['logical_agent_id']} was never moved: there is nothing to undo", ExitCode.NOT_FOUND)
        chosen = page["items"][0]["switch_id"]
    return api.get("agents", agent["agent_id"], "switches", chosen)
