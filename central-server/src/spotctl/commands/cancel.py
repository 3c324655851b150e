"""`spotctl cancel`: take a move back before its promotion."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.errors import Refused
from spotctl.lookups import find_agent, find_switch
from spotctl.moves import finish
from spotctl.options import agent_option, shared, wait_option, yes_option
from spotctl.session import Session

TAKEN_BACK = frozenset({"cancelled", "rolled_back"})


@click.command()
@agent_option()
@click.option("--switch", "switch_id", metavar="SWITCH_ID", help="Default: the move that runs.")
@yes_option
@wait_option
@shared
def cancel(session: Session, *, agent_name: str, switch_id: str | None, is_agreed: bool, is_awaited: bool) -> None:
    """Take a move back, as long as the new instance is not the primary. Harmless when it is taken back already."""
    api = session.api()
    agent = find_agent(api, agent_name)
    move = find_switch(api, agent, switch_id)
    if move["status"] not in TAKEN_BACK:
        session.confirm(f"Take switch {move['switch_id']} of {agent['logical_agent_id']} back?", is_agreed=is_agreed)
        move = take_back(api, agent, move)
    finish(session, api, move, is_awaited=is_awaited, expected=TAKEN_BACK)


def take_back(api: Api, agent: Json, move: Json) -> Json:
    """Cancel a move. The page has no request_id: when an answer was lost, the refusal of the repeat is what the first try did."""
    try:
        return api.post("agents", agent["agent_id"], "switches", move["switch_id"], "cancel")
    except Refused as refused:
        now = api.get("agents", agent["agent_id"], "switches", move["switch_id"])
        if refused.slug == "state-conflict" and now["status"] in TAKEN_BACK:
            return now
        raise
