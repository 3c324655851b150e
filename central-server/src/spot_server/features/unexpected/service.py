"""Letting unexpected instances in, or turning them away, on a person's word."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.errors import NotFound, StateConflict
from spot_server.features.agents.queries import find_agent_of_client
from spot_server.features.audit.service import record
from spot_server.features.instances.queries import find_instance
from spot_server.features.requests.service import is_repeated
from spot_server.features.unexpected import queries
from spot_server.features.unexpected.queries import UnexpectedInstance
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import Verdict


def list_claims(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[UnexpectedInstance]:
    """Return the instances that claimed to be one of the client's agents, the latest first, decided ones too."""
    rows = queries.list_claims(tx, client_id, before=read_moment_cursor(cursor), most=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.first_seen_at, row.instance_id))


def decide(
    tx: Transaction, client_id: str, agent_id: str, instance_id: str, verdict: Verdict, *, request_id: str, user_id: str
) -> UnexpectedInstance:
    """Keep what a person says of a claim; the same again changes nothing. Its daemon learns it when it asks again, within 5 minutes.

    Raises NotFound, RequestIdReused, and StateConflict for a deleted agent or once the instance is let in.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    claim = queries.find_claim(tx, agent_id, instance_id)
    if claim is None:
        raise NotFound(f"no instance {instance_id} claimed to be agent {agent_id}")
    is_repeated(tx, agent_id, request_id, page="unexpected-instances", body={"instance_id": instance_id, "verdict": verdict})
    if claim.verdict is verdict:
        return claim
    if agent.is_deleted:
        raise StateConflict("the agent is deleted", agent_id=agent_id)
    known = find_instance(tx, agent_id, instance_id)
    if known is not None:
        raise StateConflict(f"instance {instance_id} was let in and is {known.role} now", instance_id=instance_id, role=known.role)
    queries.decide_claim(tx, claim, verdict, user_id)
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=instance_id,
        user_id=user_id,
        action=f"unexpected_instance.{verdict}",
        reason="decided by a person",
        pre_state={"verdict": claim.verdict},
        post_state={"verdict": verdict},
        request_id=request_id,
    )
    data = {"verdict": verdict, "by": user_id}
    tx.emit("unexpected_instance_decided", client_id=client_id, agent_id=agent_id, instance_id=instance_id, data=data)
    decided = queries.find_claim(tx, agent_id, instance_id)
    assert decided is not None  # noqa: S101 - it was found above, in this transaction
    return decided
