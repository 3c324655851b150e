"""`spotctl gameday`: play an interruption against an agent, for real; the plan is shown before anything is touched."""

from __future__ import annotations

import click

from spotctl.api import Api, Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.game_days import ACTIVE, detail_lines, history_lines, plan_lines
from spotctl.lookups import find_agent
from spotctl.options import agent_option, request_id_option, shared, wait_option, yes_option
from spotctl.session import Session

KINDS = ("notice", "recommendation", "loss", "capacity_shortage")
POLL_SECONDS = 1.0


@click.command()
@agent_option()
@click.option("--kind", type=click.Choice(KINDS), help="What to play; needed unless --history or --stop is said.")
@click.option("--dry-run", is_flag=True, help="Show plan, pools, costs and API calls, and touch nothing.")
@click.option("--accept-data-loss", is_flag=True, help="Go on although the plan says that writes are lost.")
@click.option("--stop-alarm", metavar="ARN", help="A CloudWatch alarm that stops the experiment of AWS FIS.")
@click.option("--history", is_flag=True, help="List the agent's game days instead.")
@click.option("--stop", "is_stop", is_flag=True, help="Put an end to the one that is played now.")
@yes_option
@wait_option
@request_id_option
@shared
def gameday(  # noqa: PLR0913 - one parameter for each option
    session: Session,
    *,
    agent_name: str,
    kind: str | None,
    dry_run: bool,
    accept_data_loss: bool,
    stop_alarm: str | None,
    history: bool,
    is_stop: bool,
    is_agreed: bool,
    is_awaited: bool,
    request_id: str | None,
) -> None:
    """Play an interruption against an agent, measure what becomes of it, and keep the figures."""
    if [kind is not None, history, is_stop].count(True) != 1:
        raise CommandFailed(f"expected exactly one of --kind ({', '.join(KINDS)}), --history and --stop", ExitCode.USAGE)
    api = session.api()
    agent = find_agent(api, agent_name)
    if history:
        listed = list(api.items("agents", agent["agent_id"], "gamedays"))
        session.show({"items": listed}, history_lines(listed))
        return
    if is_stop:
        game_day = _stop(session, api, agent, is_agreed=is_agreed)
    else:
        wish: Json = {"kind": kind, "accept_data_loss": accept_data_loss, "stop_alarm_arn": stop_alarm}
        if dry_run:
            plan = _plan(session, api, agent, wish)
            session.show(plan, plan_lines(plan))
            return
        game_day = _begin(session, api, agent, wish, is_agreed=is_agreed, request_id=request_id)
    _finish(session, api, game_day, is_awaited=is_awaited, expected="stopped" if is_stop else "completed")


def _plan(session: Session, api: Api, agent: Json, wish: Json) -> Json:
    body = {**wish, "request_id": session.surroundings.new_request_id(), "dry_run": True}
    return api.post("agents", agent["agent_id"], "gameday", body=body)


def _begin(session: Session, api: Api, agent: Json, wish: Json, *, is_agreed: bool, request_id: str | None) -> Json:
    if not is_agreed:
        for line in plan_lines(_plan(session, api, agent, wish)):
            session.say(line)
        session.confirm(f"Play this against {agent['logical_agent_id']}, for real?", is_agreed=False)
    body = {**wish, "request_id": request_id or session.surroundings.new_request_id()}
    return api.post("agents", agent["agent_id"], "gameday", body=body)


def _stop(session: Session, api: Api, agent: Json, *, is_agreed: bool) -> Json:
    newest = api.get("agents", agent["agent_id"], "gamedays", limit=1)["items"]
    if not newest or newest[0]["status"] not in ACTIVE:
        raise CommandFailed(f"no game day is played against {agent['logical_agent_id']} now", ExitCode.NOT_FOUND)
    game_day_id = str(newest[0]["game_day_id"])
    session.confirm(f"Stop game day {game_day_id}? What EC2 has announced by now still happens.", is_agreed=is_agreed)
    return api.post("agents", agent["agent_id"], "gamedays", game_day_id, "stop")


def _finish(session: Session, api: Api, game_day: Json, *, is_awaited: bool, expected: str) -> None:
    told = ""
    while is_awaited and game_day["status"] in ACTIVE:
        if game_day["status"] != told:
            told = str(game_day["status"])
            session.say(told)
        session.clock.sleep(POLL_SECONDS)
        game_day = api.get("agents", game_day["agent_id"], "gamedays", game_day["game_day_id"])
    session.show(game_day, detail_lines(game_day))
    if is_awaited and game_day["status"] != expected:
        text = f"game day {game_day['game_day_id']} ended as {game_day['status']}: {game_day['failure'] or 'without a reason'}"
        raise CommandFailed(text, ExitCode.ENDED_OTHERWISE)
