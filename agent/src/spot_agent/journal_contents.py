"""What the journal holds, as one frozen value, and the pure changes that are made to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from spot_agent.model import JsonObject, Role
from spot_agent.timestamps import to_wire

FORMAT = 1
COMMANDS_KEPT = 200
UNSENT_KEPT = 50
NOTICES_KEPT = 50


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A command that was started. `answer` is None until it has an outcome: then it is what the server is told."""

    request_id: str
    command_id: str
    kind: str
    started_at: str
    answer: JsonObject | None = None
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class UnsentReport:
    """A report that the server has not acknowledged. `key` is unique: the same report is kept once."""

    key: str
    kind: str
    body: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandoverRecord:
    """A handover to the named successor that this primary began without the server. `handed_over_at`: it gave its role up for good."""

    plan_id: str
    epoch: int
    successor_instance_id: str
    association_id: str
    begun_at: str
    handed_over_at: str | None = None
    is_released: bool = False
    """Its mark is in EC2, and the address is free."""


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim that this successor began without the server. `claimed_at`: EC2 gave it the address."""

    plan_id: str
    epoch: int
    predecessor_instance_id: str
    replica_id: str
    allocation_id: str
    begun_at: str
    handed_over_at: str | None = None
    claimed_at: str | None = None


@dataclass(frozen=True, slots=True)
class JournalContents:
    """Everything that must outlive the process.

    `quiesced` means: must not serve until told; true for all but a PRIMARY that may serve. `registration_attempted`:
    a registration was sent whose answer is not known. `end_announced`: EC2 said that it would terminate, stop or
    hibernate this instance. `freezing`: the workload may be held still for an image, and is to be thawed.
    `volumes`: what must be mounted before the workload starts, as mount_volumes was told.
    `served_epoch`: the last epoch under which the workload may have served here, noted before it is started.
    `served_known_from`: from this epoch on `served_epoch` misses nothing; None in a journal that began without it.
    The plan for a time without the server is in `config`, so that both are of one version;
    `plan_seen_at`: when the server was last heard while it stood, to about 10 minutes.
    """

    instance_id: str = ""
    agent_id: str | None = None
    token: str | None = field(default=None, repr=False)
    logical_agent_id: str = ""
    server_url: str = ""
    environment_server_url: str = ""
    role: Role | None = None
    epoch: int = 0
    quiesced: bool = True
    released: bool = False
    registration_attempted: bool = False
    end_announced: bool = False
    freezing: bool = False
    served_epoch: int | None = None
    served_known_from: int | None = None
    commands: tuple[CommandRecord, ...] = ()
    unsent: tuple[UnsentReport, ...] = ()
    known_notices: tuple[str, ...] = ()
    volumes: tuple[JsonObject, ...] = ()
    config: JsonObject | None = None
    plan_seen_at: str | None = None
    handover: HandoverRecord | None = None
    claim: ClaimRecord | None = None

    @property
    def may_serve(self) -> bool:
        """Whether the workload may start on this instance without being told."""
        return self.role is Role.PRIMARY and not self.quiesced

    def has_served_under(self, epoch: int) -> bool | None:
        """Whether the workload may have served here under this epoch, as a promotion gave it; None: this journal does not know."""
        if self.served_epoch == epoch:
            return True
        is_known = self.served_known_from is not None and self.served_known_from <= epoch
        return False if is_known else None

    def command(self, request_id: str) -> CommandRecord | None:
        """The record of `request_id`, if this journal still holds it."""
        return next((record for record in self.commands if record.request_id == request_id), None)


def with_started(contents: JournalContents, record: CommandRecord) -> JournalContents:
    """Note the start of a command; the oldest acknowledged record makes room, then the oldest of all."""
    if contents.command(record.request_id) is not None:
        return contents
    return replace(contents, commands=_bounded_commands((*contents.commands, record)))


def with_answer(contents: JournalContents, request_id: str, answer: JsonObject) -> JournalContents:
    """Note the outcome of a command."""
    return _with_command(contents, request_id, lambda record: replace(record, answer=answer))


def with_acknowledged(contents: JournalContents, request_id: str) -> JournalContents:
    """Note that the server has the outcome."""
    return _with_command(contents, request_id, lambda record: replace(record, is_acknowledged=True))


def with_unsent(contents: JournalContents, report: UnsentReport) -> JournalContents:
    """The oldest goes when there are too many."""
    if any(kept.key == report.key for kept in contents.unsent):
        return contents
    return replace(contents, unsent=(*contents.unsent, report)[-UNSENT_KEPT:])


def without_unsent(contents: JournalContents, key: str) -> JournalContents:
    """Forget a report that arrived."""
    return replace(contents, unsent=tuple(kept for kept in contents.unsent if kept.key != key))


def with_notice(contents: JournalContents, notice_id: str) -> JournalContents:
    """Remember a notice; the oldest is forgotten when there are too many."""
    if notice_id in contents.known_notices:
        return contents
    return replace(contents, known_notices=(*contents.known_notices, notice_id)[-NOTICES_KEPT:])


def _with_command(contents: JournalContents, request_id: str, change: Callable[[CommandRecord], CommandRecord]) -> JournalContents:
    records = tuple(change(record) if record.request_id == request_id else record for record in contents.commands)
    return replace(contents, commands=records)


def _bounded_commands(records: tuple[CommandRecord, ...]) -> tuple[CommandRecord, ...]:
    surplus = len(records) - COMMANDS_KEPT
    if surplus <= 0:
        return records
    finished = [record.request_id for record in records[:-1] if record.is_acknowledged][:surplus]
    kept = tuple(record for record in records if record.request_id not in set(finished))
    return kept[-COMMANDS_KEPT:]


def to_json(contents: JournalContents, saved_at: datetime) -> JsonObject:
    """Plain JSON types only."""
    body = asdict(contents)
    body["role"] = contents.role.value if contents.role else None
    return {"format": FORMAT, "saved_at": to_wire(saved_at), "journal": body}


def from_json(document: object) -> JournalContents:
    """ValueError for anything that this version did not write, so that a damaged journal is never half believed."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError("not a journal of this format")
    body = document.get("journal")
    if not isinstance(body, dict) or not isinstance(body.get("instance_id"), str) or not body["instance_id"]:
        raise ValueError("the journal names no instance")
    known = {spec.name for spec in fields(JournalContents)}
    values: dict[str, Any] = {name: value for name, value in body.items() if name in known}
    if type(values.get("epoch", 0)) is not int or type(values.get("quiesced", True)) is not bool:
        raise ValueError("epoch or quiesced has the wrong type")
    if any(type(values.get(name)) not in {int, type(None)} for name in ("served_epoch", "served_known_from")):
        raise ValueError("an epoch under which the workload served has the wrong type")
    try:
        values["role"] = Role(values["role"]) if values.get("role") else None
        values["commands"] = tuple(CommandRecord(**record) for record in values.get("commands", ()))
        values["unsent"] = tuple(UnsentReport(**report) for report in values.get("unsent", ()))
        values["volumes"] = tuple(dict(volume) for volume in values.get("volumes", ()))
        values["handover"] = HandoverRecord(**values["handover"]) if values.get("handover") else None
        values["claim"] = ClaimRecord(**values["claim"]) if values.get("claim") else None
        values["known_notices"] = tuple(str(notice) for notice in values.get("known_notices", ()))
        return JournalContents(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(str(error)) from error
