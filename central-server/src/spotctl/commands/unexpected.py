"""`spotctl unexpected`: the instances that claim to be an agent which lives elsewhere."""

from __future__ import annotations

import click

from spotctl.api import Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.options import request_id_option, shared, yes_option
from spotctl.session import Session
from spotctl.texts import age, place, table

_QUESTIONS = {
    "approve": "Let {instance} in as a standby of {agent}? It serves only after a handover to it, and what is on its disk is not known.",
    "refuse": "Refuse {instance}, which claims to be {agent}? It goes on being refused, and may be approved later.",
}


@click.command()
@click.option("--approve", "approved_id", metavar="INSTANCE_ID", help="Let this one in, as a standby.")
@click.option("--refuse", "refused_id", metavar="INSTANCE_ID", help="Turn this one away.")
@click.option("--agent", "agent_name", metavar="NAME", help="The agent that it claims to be; needed where one claimed to be several.")
@yes_option
@request_id_option
@shared
def unexpected(
    session: Session, *, approved_id: str | None, refused_id: str | None, agent_name: str | None, is_agreed: bool, request_id: str | None
) -> None:
    """List the instances that registered as an agent which lives on another one; or decide about one."""
    if approved_id is not None and refused_id is not None:
        raise CommandFailed("--approve and --refuse: only one of them can be said", ExitCode.USAGE)
    api = session.api()
    names = {str(agent["agent_id"]): str(agent["logical_agent_id"]) for agent in api.items("agents")}
    listed = [claim for claim in api.items("unexpected-instances") if agent_name in (None, claim["agent_id"], names.get(claim["agent_id"]))]
    instance_id = approved_id or refused_id
    if instance_id is None:
        session.show({"items": listed}, _lines(session, listed, names))
        return
    verdict = "approve" if approved_id is not None else "refuse"
    chosen = _named(listed, names, verdict, instance_id)
    agent = names.get(chosen["agent_id"], str(chosen["agent_id"]))
    session.confirm(_QUESTIONS[verdict].format(instance=instance_id, agent=agent), is_agreed=is_agreed)
    body = {"request_id": request_id or session.surroundings.new_request_id()}
    decided = api.post("agents", chosen["agent_id"], "unexpected-instances", instance_id, verdict, body=body)
    session.show(decided, [f"{instance_id} is {decided['verdict']}; its daemon learns it when it asks again, within 5 minutes"])


def _named(listed: list[Json], names: dict[str, str], verdict: str, instance_id: str) -> Json:
    found = [claim for claim in listed if claim["instance_id"] == instance_id]
    if len(found) > 1:
        agents = ", ".join(names.get(claim["agent_id"], str(claim["agent_id"])) for claim in found)
        raise CommandFailed(f"--agent is needed: {instance_id} claimed to be each of {agents}", ExitCode.USAGE)
    if found:
        return found[0]
    expected = ", ".join(str(claim["instance_id"]) for claim in listed) or "none did"
    raise CommandFailed(f"--{verdict}: {instance_id!r} claimed to be no such agent; expected one of: {expected}", ExitCode.NOT_FOUND)


def _lines(session: Session, listed: list[Json], names: dict[str, str]) -> list[str]:
    if not listed:
        return ["no instance came unexpectedly"]
    now = session.clock.now()
    rows = [
        [
            claim["instance_id"],
            names.get(claim["agent_id"], claim["agent_id"]),
            place("?", claim["instance_type"], claim["az_id"]),
            claim["private_ip"],
            claim["hostname"],
            age(claim["last_seen_at"], now),
            claim["verdict"] or "undecided",
        ]
        for claim in listed
    ]
    return table(["INSTANCE", "CLAIMS TO BE", "PLACE", "ADDRESS", "HOST", "ASKED", "VERDICT"], rows)
