"""Restored databases: an epoch in tags above the saved one is noted, and the sweeper only reports until a person confirms it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import restore_holds
from spot_server.db.upsert import insert_or_ignore
from spot_server.errors import NotFound, StateConflict
from spot_server.features.agents.queries import Agent, find_agent_of_client
from spot_server.features.audit.service import record
from spot_server.features.notifications.service import notify
from spot_server.features.sweeper.queries import load_agents
from spot_server.words import Severity


@dataclass(frozen=True, slots=True)
class RestoreHold:
    """What was seen of one agent. It holds the sweeper back from the whole client while `seen_epoch` is not confirmed."""

    agent_id: str
    client_id: str
    instance_id: str
    saved_epoch: int
    seen_epoch: int
    noted_at: datetime
    confirmed_epoch: int
    confirmed_at: datetime | None
    confirmed_by: str | None

    @property
    def is_holding(self) -> bool:
        """Whether a person has yet to confirm it."""
        return self.seen_epoch > self.confirmed_epoch


_HOLDS = (
    select(*(restore_holds.c[name] for name in RestoreHold.__dataclass_fields__))
    .where(restore_holds.c.client_id == bindparam("client_id"))
    .order_by(restore_holds.c.noted_at, restore_holds.c.agent_id)
)


def list_holds(tx: Transaction, client_id: str) -> list[RestoreHold]:
    """Return the client's holds, confirmed ones too, the oldest first."""
    return [RestoreHold(*row) for row in tx.execute(_HOLDS, {"client_id": client_id})]


@dataclass(frozen=True, slots=True)
class AheadTags:
    """Tags that know a newer epoch than the database. `saved_epoch` is 0 for an agent that the database does not know."""

    client_id: str
    agent_id: str
    saved_epoch: int
    instance_id: str
    seen_epoch: int


def note_restore(tx: Transaction, agent: Agent, instance_id: str, seen_epoch: int) -> bool:
    """Hold the sweeper back from this client, and tell; False when as much was known. The caller holds the agent's row."""
    ahead = AheadTags(agent.client_id, agent.agent_id, agent.epoch, instance_id, seen_epoch)
    why = f"The tags of {instance_id} carry epoch {seen_epoch} of {agent.logical_agent_id}, the database {agent.epoch}"
    return _note(tx, ahead, why)


def note_unknown_agent(tx: Transaction, client_id: str, agent_id: str, instance_id: str, seen_epoch: int) -> bool:
    """Do the same for an agent of which the database knows nothing: it was made after the backup, and given this epoch."""
    why = f"The tags of {instance_id} carry epoch {seen_epoch} of agent {agent_id}, which the database does not know"
    return _note(tx, AheadTags(client_id, agent_id, 0, instance_id, seen_epoch), why)


def _note(tx: Transaction, ahead: AheadTags, why: str) -> bool:
    row = {
        "agent_id": ahead.agent_id,
        "client_id": ahead.client_id,
        "instance_id": ahead.instance_id,
        "saved_epoch": ahead.saved_epoch,
        "seen_epoch": 0,
        "noted_at": tx.now,
        "confirmed_epoch": 0,
    }
    insert_or_ignore(tx.connection, restore_holds, [row], key=["agent_id"])
    values = {"seen_epoch": ahead.seen_epoch, "saved_epoch": ahead.saved_epoch, "instance_id": ahead.instance_id, "noted_at": tx.now}
    statement = update(restore_holds).where(
        restore_holds.c.agent_id == ahead.agent_id,
        # What a tag names as an agent's id is only a word: another client's hold is not touched.
        restore_holds.c.client_id == ahead.client_id,
        restore_holds.c.seen_epoch < ahead.seen_epoch,
    )
    if tx.execute(statement.values(values)).rowcount == 0:
        return False
    data = {"saved_epoch": ahead.saved_epoch, "seen_epoch": ahead.seen_epoch}
    tx.emit("restore_suspected", client_id=ahead.client_id, agent_id=ahead.agent_id, instance_id=ahead.instance_id, data=data)
    notify(
        tx,
        client_id=ahead.client_id,
        agent_id=ahead.agent_id if ahead.saved_epoch else None,
        severity=Severity.CRITICAL,
        kind="restore_suspected",
        text=(
            f"{why}: it was probably restored from a backup. Instances that nobody seems to own are reported and left alone until a person "
            "confirms this epoch."
        ),
        dedupe_key=f"restore_suspected/{ahead.agent_id}/{ahead.seen_epoch}",
    )
    return True


def newer_epoch(tx: Transaction, agent_id: str) -> RestoreHold | None:
    """Return what says that the database is older than the world about this agent, unless a person has confirmed it."""
    hold = _find_hold(tx, agent_id)
    return hold if hold is not None and hold.is_holding else None


def why_not_rescued(hold: RestoreHold) -> str:
    """Say to a person why what is lost on EC2's word is not rescued, and what to do."""
    return (
        f"it is not rescued, for the tags of {hold.instance_id} carry epoch {hold.seen_epoch}, the database {hold.saved_epoch}: it was "
        "probably restored from a backup, and that instance may be the primary. Confirm this epoch to have the agent rescued"
    )


def confirm_restore(tx: Transaction, client_id: str, agent_id: str, *, epoch: int, user_id: str) -> RestoreHold:
    """A person has seen to the agent: the sweeper may act again. The same again changes nothing.

    StateConflict for another epoch than the one that was seen: what is confirmed must be what was looked at.
    """
    hold = _find_hold(tx, agent_id)
    if hold is not None and hold.client_id == client_id and not load_agents(tx, [agent_id]):
        saved = f"none for an agent {agent_id}"
    else:
        saved = str(find_agent_of_client(tx, client_id, agent_id, for_update=True).epoch)
        hold = _find_hold(tx, agent_id)
    if hold is None or hold.client_id != client_id:
        raise NotFound(f"nothing was noted about agent {agent_id}")
    if epoch != hold.seen_epoch:
        raise StateConflict(f"the tags carry epoch {hold.seen_epoch}, not {epoch}", seen_epoch=hold.seen_epoch)
    if not hold.is_holding:
        return hold
    values = {"confirmed_epoch": epoch, "confirmed_at": tx.now, "confirmed_by": user_id}
    tx.execute(update(restore_holds).where(restore_holds.c.agent_id == agent_id).values(values))
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=hold.instance_id,
        user_id=user_id,
        action="restore.confirmed",
        reason=f"epoch {epoch} in tags, {saved} in the database",
        pre_state={"confirmed_epoch": hold.confirmed_epoch},
        post_state={"confirmed_epoch": epoch},
    )
    tx.emit("restore_confirmed", client_id=client_id, agent_id=agent_id, instance_id=hold.instance_id, data={"epoch": epoch})
    confirmed = _find_hold(tx, agent_id)
    assert confirmed is not None  # noqa: S101 - the update above just found it
    return confirmed


def _find_hold(tx: Transaction, agent_id: str) -> RestoreHold | None:
    row = tx.execute(select(restore_holds).where(restore_holds.c.agent_id == agent_id)).one_or_none()
    return None if row is None else RestoreHold(**row._asdict())
