"""`spotctl promote`: hand over to a standby. What it needs and loses is shown before anybody confirms it."""

from __future__ import annotations

import click

from spotctl.api import Json
from spotctl.commands.switch import COMPLETED
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent, replicas_of
from spotctl.moves import finish, loss_text, promotion_lines
from spotctl.options import agent_option, differences_option, request_id_option, shared, wait_option, yes_option
from spotctl.session import Session


@click.command()
@agent_option()
@click.option("--replica", "replica_id", metavar="REPLICA_ID", help="Default: the one that is ready.")
@click.option("--accept-data-loss", is_flag=True, help="Go on although writes are lost; without it the server refuses and says which.")
@differences_option
@click.option("--force", is_flag=True, help="Promote one whose standby check has not passed; --replica must name it.")
@click.option("--dry-run", is_flag=True, help="Show what the handover needs and loses, and touch nothing.")
@yes_option
@wait_option
@request_id_option
@shared
def promote(  # noqa: PLR0913 - one for each option
    session: Session,
    *,
    agent_name: str,
    replica_id: str | None,
    accept_data_loss: bool,
    accept_differences: bool,
    force: bool,
    dry_run: bool,
    is_agreed: bool,
    is_awaited: bool,
    request_id: str | None,
) -> None:
    """Hand over to a standby that is ready; to one that is not with --force."""
    api = session.api()
    agent = find_agent(api, agent_name)
    replicas = replicas_of(api, agent)
    replica = _only_ready(agent, replicas) if replica_id is None else _named(agent, replicas, replica_id)
    body = {
        "request_id": request_id or session.surroundings.new_request_id(),
        "accept_data_loss": accept_data_loss,
        "accept_differences": accept_differences,
        "force": force,
    }
    where = ("agents", agent["agent_id"], "replicas", replica["replica_id"], "promote")
    if dry_run or not is_agreed:
        plan = api.post(*where, body={**body, "dry_run": True})
        carry = str(api.get("agents", agent["agent_id"], "config")["carry"])
        lines = promotion_lines(agent, replica, carry, plan)
        if dry_run:
            session.show(plan, lines)
            return
        for line in lines:
            session.say(line)
        loss = loss_text(plan["loses_writes_since"], plan["loss_window_seconds"], carry)
        question = f"Hand {agent['logical_agent_id']} over to replica {replica['replica_id']}? {loss[:1].upper()}{loss[1:]}."
        session.confirm(question, is_agreed=False)
    finish(session, api, api.post(*where, body=body), is_awaited=is_awaited, expected=COMPLETED)


def _named(agent: Json, replicas: list[Json], replica_id: str) -> Json:
    for replica in replicas:
        if replica["replica_id"] == replica_id:
            return replica
    expected = ", ".join(f"{replica['replica_id']} ({replica['status']})" for replica in replicas) or "it has none"
    text = f"--replica: {agent['logical_agent_id']} has no standby {replica_id!r}; expected one of: {expected}"
    raise CommandFailed(text, ExitCode.NOT_FOUND)


def _only_ready(agent: Json, replicas: list[Json]) -> Json:
    ready = [replica for replica in replicas if replica["status"] == "ready"]
    if len(ready) == 1:
        return ready[0]
    name = agent["logical_agent_id"]
    if ready:
        listed = ", ".join(str(replica["replica_id"]) for replica in ready)
        raise CommandFailed(f"--replica is needed: {name} has {len(ready)} that are ready; expected one of {listed}", ExitCode.USAGE)
    listed = ", ".join(f"{replica['replica_id']} is {replica['status']}" for replica in replicas) or "it has none"
    raise CommandFailed(f"{name} has no standby that is ready: {listed}", ExitCode.REFUSED)
