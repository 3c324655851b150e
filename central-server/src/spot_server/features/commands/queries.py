"""Reading and writing command rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, bindparam, func, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import commands
from spot_server.words import OPEN_COMMAND_STATUSES, Actor, ClosedBecause, CommandKind, CommandStatus, StepName


@dataclass(frozen=True, slots=True)
class Command:
    """One instruction to one instance's daemon (or, for the control role, to the server itself)."""

    command_id: str
    client_id: str
    agent_id: str
    instance_id: str
    request_id: str
    kind: CommandKind
    actor: Actor
    priority: int
    epoch: int
    payload: dict[str, Any]
    payload_sha256: str
    status: CommandStatus
    switch_id: str | None
    step: StepName | None
    replica_id: str | None
    issued_at: datetime
    deadline_at: datetime | None
    first_delivered_at: datetime | None
    last_delivered_at: datetime | None
    finished_at: datetime | None
    outcome: dict[str, Any] | None
    closed_because: ClosedBecause | None

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self.status in OPEN_COMMAND_STATUSES

    @property
    def result(self) -> dict[str, Any]:
        """What a command that succeeded brought; empty otherwise."""
        return dict((self.outcome or {}).get("result") or {})

    @property
    def error_class(self) -> str | None:
        """The class of error of a command that failed, from the table in docs/agent-protocol.md."""
        error = (self.outcome or {}).get("error") or {}
        return error.get("class")

    @property
    def error_code(self) -> str | None:
        """The code of error of a command that failed: AWS's own, or ours in snake_case."""
        error = (self.outcome or {}).get("error") or {}
        return error.get("code")

    @property
    def error_text(self) -> str:
        """The failure in one line for a person."""
        error = (self.outcome or {}).get("error") or {}
        return ": ".join(str(error[key]) for key in ("class", "code", "message") if error.get(key)) or self.status.value


IS_OPEN = commands.c.open_instance_id > ""
"""Neither answered nor given up. Not `IS NOT NULL`: for that SQLite reads the table from end to end, whatever the index."""

_COLUMNS = [commands.c[name] for name in Command.__dataclass_fields__]


def _command(row: Row[*tuple[Any, ...]]) -> Command:
    return Command(*row)


_COMMAND = select(*_COLUMNS).where(commands.c.command_id == bindparam("command_id"))


def load_command(tx: Transaction, command_id: str) -> Command | None:
    """Return the command, or None."""
    row = tx.execute(_COMMAND, {"command_id": command_id}).one_or_none()
    return None if row is None else _command(row)


_COMMANDS = select(*_COLUMNS).where(commands.c.command_id.in_(bindparam("command_ids", expanding=True)))


def load_commands(tx: Transaction, command_ids: Collection[str]) -> dict[str, Command]:
    """Return those of these commands that exist, by id; one statement for all."""
    if not command_ids:
        return {}
    return {row.command_id: _command(row) for row in tx.execute(_COMMANDS, {"command_ids": sorted(command_ids)})}


_BY_REQUEST = select(*_COLUMNS).where(commands.c.agent_id == bindparam("agent_id"), commands.c.request_id == bindparam("request_id"))


def find_by_request(tx: Transaction, agent_id: str, request_id: str) -> Command | None:
    """Return the command that an earlier identical request made, or None."""
    row = tx.execute(_BY_REQUEST, {"agent_id": agent_id, "request_id": request_id}).one_or_none()
    return None if row is None else _command(row)


def newest_attempt(tx: Transaction, agent_id: str, prefix: str) -> Command | None:
    """Return the command with the highest number among the request ids `prefix`/1, `prefix`/2 and so on, or None."""
    return next(iter(newest_attempts(tx, agent_id, prefix, most=1)), None)


_NEWEST_ATTEMPTS = (
    select(*_COLUMNS)
    .where(
        commands.c.agent_id == bindparam("agent_id"),
        commands.c.request_id > bindparam("before_first"),
        commands.c.request_id < bindparam("after_last"),
    )
    .order_by(func.length(commands.c.request_id).desc(), commands.c.request_id.desc())
    .limit(bindparam("most", type_=Integer))
)


def newest_attempts(tx: Transaction, agent_id: str, prefix: str, *, most: int) -> list[Command]:
    """Return up to `most` of the commands with the request ids `prefix`/1, `prefix`/2 and so on, the highest number first."""
    attempts = {"before_first": f"{prefix}/", "after_last": f"{prefix}0"}  # "0" comes right after "/"
    return [_command(row) for row in tx.execute(_NEWEST_ATTEMPTS, {"agent_id": agent_id, **attempts, "most": most})]


def launches_of_replica(tx: Transaction, agent_id: str, replica_id: str) -> list[Command]:
    """Return every launch that was asked for on behalf of this replica, whatever became of it."""
    asked = commands.c.request_id
    first = f"replica/{replica_id}/launch"
    rows = tx.execute(select(*_COLUMNS).where(commands.c.agent_id == agent_id, asked > f"{first}/", asked < f"{first}0").order_by(asked))
    return [_command(row) for row in rows]


_OPEN_OF_AGENT = select(*_COLUMNS).where(commands.c.agent_id == bindparam("agent_id"), IS_OPEN, commands.c.kind == bindparam("kind"))


def open_commands_of_agent(tx: Transaction, agent_id: str, kind: CommandKind) -> list[Command]:
    """Return the agent's commands of this kind that nobody has answered yet, whoever has them."""
    return [_command(row) for row in tx.execute(_OPEN_OF_AGENT, {"agent_id": agent_id, "kind": kind})]


_OPEN_OF_INSTANCE = (
    select(*_COLUMNS)
    .where(commands.c.open_instance_id == bindparam("instance_id"), commands.c.agent_id == bindparam("agent_id"))
    .order_by(commands.c.priority.desc(), commands.c.issued_at, commands.c.command_id)
)


def open_commands_of_instance(tx: Transaction, agent_id: str, instance_id: str) -> list[Command]:
    """Return what this instance's daemon has not answered yet, most urgent first, then oldest first."""
    return [_command(row) for row in tx.execute(_OPEN_OF_INSTANCE, {"agent_id": agent_id, "instance_id": instance_id})]


_OPEN_OF_SWITCH = select(*_COLUMNS).where(commands.c.switch_id == bindparam("switch_id"), IS_OPEN)


def open_commands_of_switch(tx: Transaction, switch_id: str) -> list[Command]:
    """Return the commands of this switch that were neither answered nor given up."""
    return [_command(row) for row in tx.execute(_OPEN_OF_SWITCH, {"switch_id": switch_id})]


_OPEN_OF_ACTOR = (
    select(*_COLUMNS)
    .where(IS_OPEN, commands.c.actor == bindparam("actor"))
    .order_by(commands.c.priority.desc(), commands.c.issued_at)
    .limit(bindparam("most", type_=Integer))
)


def open_commands_of_actor(tx: Transaction, actor: Actor, *, most: int) -> list[Command]:
    """Return up to `most` unanswered commands of one kind of actor, most urgent first."""
    return [_command(row) for row in tx.execute(_OPEN_OF_ACTOR, {"actor": actor, "most": most})]


_FAILED_OF_CLIENT = select(*_COLUMNS).where(
    commands.c.client_id == bindparam("client_id"),
    commands.c.actor == bindparam("actor"),
    commands.c.status == CommandStatus.FAILED,
    commands.c.finished_at >= bindparam("since"),
)
_FAILED_OF_AGENT = _FAILED_OF_CLIENT.where(commands.c.agent_id == bindparam("agent_id"))


def failures_of_actor(tx: Transaction, client_id: str, actor: Actor, *, since: datetime, agent_id: str | None = None) -> list[Command]:
    """Return what this kind of actor answered `failed` at `since` or later, for the client or for one agent of it."""
    asked = {"client_id": client_id, "actor": actor, "since": since, "agent_id": agent_id}
    return [_command(row) for row in tx.execute(_FAILED_OF_CLIENT if agent_id is None else _FAILED_OF_AGENT, asked)]


_INSERT = insert(commands)


def answers_of_agent(tx: Transaction, agent_id: str, kinds: Collection[CommandKind], *, since: datetime, until: datetime) -> list[Command]:
    """Return the agent's commands of these kinds that were issued after `since` and over by `until`, the last to end first."""
    where = (
        commands.c.agent_id == agent_id,
        commands.c.issued_at > since,
        commands.c.issued_at <= until,
        commands.c.kind.in_(kinds),
        commands.c.finished_at <= until,
    )
    found = tx.execute(select(*_COLUMNS).where(*where).order_by(commands.c.finished_at.desc(), commands.c.issued_at.desc()))
    return [_command(row) for row in found]


def insert_command(tx: Transaction, command: Command) -> None:
    """Store a new command."""
    values = {name: getattr(command, name) for name in Command.__dataclass_fields__}
    tx.execute(_INSERT, {**values, "open_instance_id": command.instance_id if command.is_open else None})


_THESE = commands.c.command_id.in_(bindparam("command_ids", expanding=True))
_DELIVERED = (
    update(commands)
    .where(_THESE, IS_OPEN)
    .values(
        status=CommandStatus.DELIVERED,
        last_delivered_at=bindparam("now"),
        delivery_count=commands.c.delivery_count + 1,
    )
)
_FIRST_DELIVERED = update(commands).where(_THESE, commands.c.first_delivered_at.is_(None)).values(first_delivered_at=bindparam("now"))


_STILL_OPEN = select(commands.c.command_id).where(_THESE, IS_OPEN)


def mark_delivered(tx: Transaction, delivered: Sequence[Command], now: datetime) -> list[Command]:
    """Note that these commands go out in an answer that may or may not arrive, and return them without those that were closed meanwhile."""
    command_ids = [command.command_id for command in delivered]
    if tx.execute(_DELIVERED, {"command_ids": command_ids, "now": now}).rowcount != len(command_ids):
        # The rows that were marked are ours until the commit, so that nobody closes another one after this look.
        still_open = {row.command_id for row in tx.execute(_STILL_OPEN, {"command_ids": command_ids})}
        delivered = [command for command in delivered if command.command_id in still_open]
    # Nothing takes a first delivery back: one that was read needs no look whether it is there still.
    first = [command.command_id for command in delivered if command.first_delivered_at is None]
    if first:
        tx.execute(_FIRST_DELIVERED, {"command_ids": first, "now": now})
    return list(delivered)


_CLOSE = update(commands).where(commands.c.command_id == bindparam("this_command_id"), IS_OPEN)


def close_command(
    tx: Transaction,
    command: Command,
    *,
    status: CommandStatus,
    outcome: dict[str, Any] | None,
    payload: dict[str, Any],
    closed_because: ClosedBecause | None = None,
) -> bool:
    """End an open command; False when somebody else already did."""
    values = {
        "status": status,
        "outcome": outcome,
        "payload": payload,
        "closed_because": closed_because,
        "finished_at": tx.now,
        "open_instance_id": None,
    }
    return tx.execute(_CLOSE, {**values, "this_command_id": command.command_id}).rowcount == 1


def replace_payload(tx: Transaction, command_id: str, payload: dict[str, Any]) -> None:
    """Change what is kept of a finished command's payload."""
    tx.execute(update(commands).where(commands.c.command_id == command_id).values(payload=payload))


def raise_priority(tx: Transaction, command_id: str, priority: int) -> None:
    """Have a command go before those of a lower priority, unless it does so already."""
    tx.execute(update(commands).where(commands.c.command_id == command_id, commands.c.priority < priority).values(priority=priority))


def attach_late_outcome(tx: Transaction, command_id: str, outcome: dict[str, Any]) -> None:
    """Keep what a daemon said of a command that was given up before: evidence, not a change of status."""
    tx.execute(update(commands).where(commands.c.command_id == command_id).values(outcome=outcome))
