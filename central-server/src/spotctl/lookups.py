"""Finding what a person named."""

from __future__ import annotations

from difflib import get_close_matches

from spotctl.api import Api, Json
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode

MOST_NAMED = 5


def find_agent(api: Api, name: str) -> Json:
    """Return the living agent with this logical_agent_id or agent_id. Raises CommandFailed that names those which are near."""
    known = []
    for agent in api.items("agents"):
        if name in (agent["logical_agent_id"], agent["agent_id"]):
            return agent
        known.append(str(agent["logical_agent_id"]))
    near = get_close_matches(name, known, n=MOST_NAMED, cutoff=0.5) or sorted(known)[:MOST_NAMED]
    expected = f"expected one such as {', '.join(near)}" if near else "this client has no agents"
    raise CommandFailed(f"--agent: there is no agent {name!r}; {expected}", ExitCode.NOT_FOUND)


def find_switch(api: Api, agent: Json, switch_id: str | None) -> Json:
    """Return a move of the agent with its steps: the one named, else the one that runs."""
    chosen = switch_id or agent["active_switch_id"]
    if chosen is None:
        text = f"{agent['logical_agent_id']} is not being moved; --switch names an earlier move"
        raise CommandFailed(text, ExitCode.NOT_FOUND)
    return api.get("agents", agent["agent_id"], "switches", chosen)


def replicas_of(api: Api, agent: Json) -> list[Json]:
    """Return the agent's replicas that have not ended, newest first."""
    listed = api.items("replicas")
    return [replica for replica in listed if replica["agent_id"] == agent["agent_id"] and replica["ended_at"] is None]
