"""`spotctl rollback`: back to where an agent was before a move."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.commands.cancel import TAKEN_BACK, take_back
from spotctl.commands.switch import COMPLETED
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent
from spotctl.moves import ACTIVE, finish, loss_text, rollback_lines
from spotctl.options import agent_option, differences_option, request_id_option, shared, wait_option, yes_option
from spotctl.session import Session

OLD_INSTANCE, LAST_GOOD_IMAGE = "old_instance", "last_good_image"


@click.command()
@agent_option()
@click.option("--switch", "switch_id", metavar="SWITCH_ID", help="The move to undo; default: the agent's last.")
@click.option("--to-image", is_flag=True, help="Not to the old instance, but to a new one from the newest image made before the move.")
@click.option("--accept-data-loss", is_flag=True, help="Go on although writes are lost; without it the server refuses and says which.")
@click.option("--dry-run", is_flag=True, help="Show the way back and what it loses, and touch nothing.")
@differences_option
@yes_option
@wait_option
@request_id_option
@shared
def rollback(  # noqa: PLR0913 - one parameter for each option
    session: Session,
    *,
    agent_name: str,
    switch_id: str | None,
    to_image: bool,
    accept_data_loss: bool,
    accept_differences: bool,
    dry_run: bool,
    is_agreed: bool,
    is_awaited: bool,
    request_id: str | None,
) -> None:
    """Undo a move: taken back while it runs; once it completed, a planned move onto the instance that it left.

    When that instance is gone, --to-image launches a new one from the newest image made before the move, and says what is lost.
    """
    api = session.api()
    agent = find_agent(api, agent_name)
    move = _move_of(api, agent, switch_id)
    if move["status"] in ACTIVE:
        _take_back(session, api, agent, move, dry_run=dry_run, is_agreed=is_agreed, is_awaited=is_awaited)
        return
    body = {
        "to": LAST_GOOD_IMAGE if to_image else OLD_INSTANCE,
        "accept_data_loss": accept_data_loss,
        "accept_differences": accept_differences,
    }
    where = ("agents", agent["agent_id"], "switches", move["switch_id"], "rollback")
    request = {**body, "request_id": request_id or session.surroundings.new_request_id()}
    if dry_run or not is_agreed:
        plan = api.post(*where, body={**request, "dry_run": True})
        lines = rollback_lines(agent, move, plan)
        if dry_run:
            session.show(plan, lines)
            return
        for line in lines:
            session.say(line)
        loss = loss_text(plan["loses_writes_since"], plan["loss_window_seconds"], move["carry"])
        session.confirm(f"Go back with {agent['logical_agent_id']}? {loss[:1].upper()}{loss[1:]}.", is_agreed=False)
    finish(session, api, api.post(*where, body=request), is_awaited=is_awaited, expected=COMPLETED)


def _take_back(session: Session, api: Api, agent: Json, move: Json, *, dry_run: bool, is_agreed: bool, is_awaited: bool) -> None:
    if dry_run:
        session.show(move, [f"switch {move['switch_id']} runs: it would be taken back, as `spotctl cancel` does"])
        return
    session.confirm(f"Take switch {move['switch_id']} of {agent['logical_agent_id']} back?", is_agreed=is_agreed)
    finish(session, api, take_back(api, agent, move), is_awaited=is_awaited, expected=TAKEN_BACK)


def _move_of(api: Api, agent: Json, switch_id: str | None) -> Json:
    """Return the move that was named, else the one that runs, else the last one that completed."""
    chosen = switch_id or agent["active_switch_id"]
    if chosen is not None:
        return api.get("agents", agent["agent_id"], "switches", chosen)
    for move in api.items("switch-history", agent_id=agent["agent_id"]):
        if move["status"] == "completed":
            return api.get("agents", agent["agent_id"], "switches", move["switch_id"])
    raise CommandFailed(f"{agent['logical_agent_id']} was never moved: there is nothing to undo", ExitCode.NOT_FOUND)
