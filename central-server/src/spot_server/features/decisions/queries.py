"""Stored decisions: written in bulk, read by people and by replays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import decision_documents, decisions
from spot_server.db.upsert import insert_or_update
from spot_server.words import Action, AnswerKind, Mode

ROWS_PER_STATEMENT = 200


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A row of `decisions`, its input left out."""

    decision_id: str
    client_id: str
    agent_id: str
    model_id: str
    is_shadow: bool
    action: Action
    target_mode: Mode | None
    target_instance_type: str | None
    target_az_id: str | None
    confidence: float
    reasoning: str
    rejected: dict[str, str]
    answer: AnswerKind
    failure: str | None
    latency_ms: float
    first_tick_at: datetime
    last_tick_at: datetime
    tick_count: int
    input_sha256: str
    held_back_because: str | None
    acted_at: datetime | None
    switch_id: str | None
    replica_id: str | None

    @property
    def target(self) -> str | None:
        """The target's key, None without one."""
        return None if self.target_mode is None else f"{self.target_mode}/{self.target_instance_type}/{self.target_az_id}"


_COLUMNS = [decisions.c[name] for name in StoredDecision.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Latest:
    """As much of the newest decision of an agent and a model as the next one is compared with."""

    decision_id: str
    agent_id: str
    model_id: str
    is_shadow: bool
    action: Action
    target_mode: Mode | None
    target_instance_type: str | None
    target_az_id: str | None
    answer: AnswerKind
    first_tick_at: datetime
    last_tick_at: datetime
    tick_count: int
    held_back_because: str | None
    acted_at: datetime | None

    @property
    def target(self) -> str | None:
        """The target's key, None without one."""
        return None if self.target_mode is None else f"{self.target_mode}/{self.target_instance_type}/{self.target_az_id}"


_LATEST = select(*(decisions.c[name] for name in Latest.__dataclass_fields__)).where(
    decisions.c.agent_id.in_(bindparam("agent_ids", expanding=True)), decisions.c.latest_key.is_not(None)
)


def latest_of(tx: Transaction, agent_ids: Collection[str]) -> dict[tuple[str, str], Latest]:
    """Return the newest decisions about these agents, by (agent, model)."""
    if not agent_ids:
        return {}
    found = (Latest(*row) for row in tx.execute(_LATEST, {"agent_ids": list(agent_ids)}))
    return {(one.agent_id, one.model_id): one for one in found}


def latest_key(agent_id: str, model_id: str) -> str:
    """Return what is unique among the newest decisions; the column is NULL on older ones."""
    return f"{agent_id}/{model_id}"


def retire(tx: Transaction, decision_ids: Sequence[str]) -> None:
    """These are not the newest any more."""
    for start in range(0, len(decision_ids), ROWS_PER_STATEMENT):
        chunk = decision_ids[start : start + ROWS_PER_STATEMENT]
        tx.execute(update(decisions).where(decisions.c.decision_id.in_(chunk)).values(latest_key=None))


_REPEATED = ("confidence", "reasoning", "rejected", "failure", "latency_ms", "last_tick_at", "tick_count", "input_sha256", "input")


def store(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:
    """Insert decisions, all with the same members; those whose id is there already say the same again."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        chunk = rows[start : start + ROWS_PER_STATEMENT]
        insert_or_update(tx.connection, decisions, chunk, key=["decision_id"], replace=_REPEATED)


def count_repeats(tx: Transaction, decision_ids: Sequence[str], tick_at: datetime) -> None:
    """These were said again in this tick. Their reasons and inputs stay as they were stored last."""
    for start in range(0, len(decision_ids), ROWS_PER_STATEMENT):
        chunk = decision_ids[start : start + ROWS_PER_STATEMENT]
        again = update(decisions).where(decisions.c.decision_id.in_(chunk))
        tx.execute(again.values(last_tick_at=tick_at, tick_count=decisions.c.tick_count + 1))


def store_documents(tx: Transaction, documents: dict[str, dict[str, Any]]) -> None:
    """Keep documents by digest; those that are kept already are used once more."""
    rows = [{"document_sha256": named, "document": documents[named], "last_used_at": tx.now} for named in sorted(documents)]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        chunk = rows[start : start + ROWS_PER_STATEMENT]
        insert_or_update(tx.connection, decision_documents, chunk, key=["document_sha256"], replace=["last_used_at"])


def note_outcome(tx: Transaction, decision_id: str, **values: Any) -> None:  # noqa: ANN401 - column values
    """Keep what came of a decision, or why nothing did."""
    tx.execute(update(decisions).where(decisions.c.decision_id == decision_id).values(**values))


def list_decisions(
    tx: Transaction, agent_id: str, *, before: tuple[datetime, str] | None, most: int, with_shadows: bool
) -> list[StoredDecision]:
    """Return up to `most` of the agent's decisions, newest first, from before (first_tick_at, decision_id) on."""
    statement = select(*_COLUMNS).where(decisions.c.agent_id == agent_id)
    if not with_shadows:
        statement = statement.where(decisions.c.is_shadow.is_(False))
    if before is not None:
        moment, decision_id = before
        is_same = (decisions.c.first_tick_at == moment) & (decisions.c.decision_id < decision_id)
        statement = statement.where(or_(decisions.c.first_tick_at < moment, is_same))
    ordered = statement.order_by(decisions.c.first_tick_at.desc(), decisions.c.decision_id.desc())
    return [StoredDecision(*row) for row in tx.execute(ordered.limit(most))]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A stored decision, and the text of the input that it was made from."""

    decision: StoredDecision
    input: str


def find_recorded(tx: Transaction, decision_id: str) -> Recorded | None:
    """Return a decision with its input; None for an unknown id."""
    row = tx.execute(select(*_COLUMNS, decisions.c.input).where(decisions.c.decision_id == decision_id)).one_or_none()
    return None if row is None else Recorded(StoredDecision(*row[:-1]), row[-1])


def load_documents(tx: Transaction, digests: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the documents that are kept of these, by digest."""
    table = decision_documents
    found = select(table.c.document_sha256, table.c.document).where(table.c.document_sha256.in_(sorted(digests)))
    return {row.document_sha256: row.document for row in tx.execute(found)}
