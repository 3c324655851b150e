"""`spotctl switch`: a planned move. The plan is shown, with what is lost, before anybody confirms it."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.lookups import find_agent
from spotctl.moves import finish, loss_text, plan_lines
from spotctl.options import agent_option, differences_option, request_id_option, shared, target_options, wait_option, yes_option
from spotctl.session import Session
from spotctl.texts import moment


@click.command()
@agent_option()
@target_options
@click.option("--dry-run", is_flag=True, help="Show the plan and touch nothing.")
@differences_option
@yes_option
@wait_option
@request_id_option
@shared
def switch(  # noqa: PLR0913 - one for each option
    session: Session,
    *,
    agent_name: str,
    target: Json,
    dry_run: bool,
    accept_differences: bool,
    is_agreed: bool,
    is_awaited: bool,
    request_id: str | None,
) -> None:
    """Move an agent to the cheapest suitable place, or to the one that the options name."""
    api = session.api()
    agent = find_agent(api, agent_name)
    if dry_run:
        plan, lines, _loss = read_plan(session, api, agent, target)
        session.show(plan, lines)
        return
    wish = {"target": target, "accept_differences": accept_differences}
    begin(session, api, agent, wish, is_agreed=is_agreed, is_awaited=is_awaited, request_id=request_id)


def read_plan(session: Session, api: Api, agent: Json, target: Json) -> tuple[Json, list[str], str]:
    """Return a dry run's plan, its lines for a person, and what is lost."""
    body = {"request_id": session.surroundings.new_request_id(), "target": target, "dry_run": True}
    plan = api.post("agents", agent["agent_id"], "switch", body=body)
    carry = str(api.get("agents", agent["agent_id"], "config")["carry"])
    since = plan["loses_writes_since"]
    window_seconds = None if since is None else (session.clock.now() - moment(since)).total_seconds()
    return plan, plan_lines(agent, carry, plan, window_seconds), loss_text(since, window_seconds, carry)


def begin(session: Session, api: Api, agent: Json, wish: Json, *, is_agreed: bool, is_awaited: bool, request_id: str | None) -> None:
    """Begin a move once a person agreed to its plan. `wish` holds the target, and what is accepted."""
    if not is_agreed:
        _plan, lines, loss = read_plan(session, api, agent, wish["target"])
        for line in lines:
            session.say(line)
        session.confirm(f"Move {agent['logical_agent_id']}? {loss[:1].upper()}{loss[1:]}.", is_agreed=False)
    body = {"request_id": request_id or session.surroundings.new_request_id(), **wish}
    begun = api.post("agents", agent["agent_id"], "switch", body=body)
    finish(session, api, api.get("agents", agent["agent_id"], "switches", begun["switch_id"]), is_awaited=is_awaited, expected=COMPLETED)


COMPLETED = frozenset({"completed"})
