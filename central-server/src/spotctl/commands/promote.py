"""`spotctl promote`: hand over to a standby that is ready."""

from __future__ import annotations

import click

from spotctl.api import Json
from spotctl.commands.switch import COMPLETED
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent, replicas_of
from spotctl.moves import finish
from spotctl.options import agent_option, differences_option, request_id_option, shared, wait_option, yes_option
from spotctl.session import Session
from spotctl.texts import place


@click.command()
@agent_option()
@click.option("--replica", "replica_id", metavar="REPLICA_ID", help="Default: the one that is ready.")
@click.option("--accept-data-loss", is_flag=True, help="Go on although writes are lost; without it the server refuses and says which.")
@differences_option
@click.option("--force", is_flag=True, help="Promote one whose standby check has not passed; --replica must name it.")
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
    is_agreed: bool,
    is_awaited: bool,
    request_id: str | None,
) -> None:
    """Hand over to a ready standby."""
    api = session.api()
    agent = find_agent(api, agent_name)
    if replica_id is None:
        chosen = _only_ready(agent, replicas_of(api, agent))
        replica_id = str(chosen["replica_id"])
        where = place(chosen["mode"], chosen["instance_type"], chosen["az_id"])
        session.say(f"standby {replica_id} ({chosen['instance_id']}) in {where}, image {chosen['image_id']}")
    loss = "Writes that it does not have are lost, as you accepted" if accept_data_loss else "The server refuses if writes would be lost"
    session.confirm(f"Hand {agent['logical_agent_id']} over to replica {replica_id}? {loss}.", is_agreed=is_agreed)
    body = {
        "request_id": request_id or session.surroundings.new_request_id(),
        "accept_data_loss": accept_data_loss,
        "accept_differences": accept_differences,
        "force": force,
    }
    begun = api.post("agents", agent["agent_id"], "replicas", replica_id, "promote", body=body)
    finish(session, api, begun, is_awaited=is_awaited, expected=COMPLETED)


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
