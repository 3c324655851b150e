"""One command of the control role, from its claim to its answer. Two transactions, and the act between them in neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never

import structlog

from spot_server.aws.errors import ASSUME_ROLE_PREFIX, ActFailed, AwsFailed, ErrorClass
from spot_server.aws.ports import AwsGateway, ControlRole
from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.clients.service import load_client
from spot_server.features.commands import queries
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.features.commands.queries import Command
from spot_server.features.commands.service import CommandOutcome, record_outcome
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task, wire_time
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import (
    GoAhead,
    Leave,
    LookOnly,
    OpenCommand,
    Trouble,
    admit,
    backoff_seconds,
    is_worth_another_try,
    patience_seconds,
)
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.launching import owner_tags
from spot_server.features.silences.gone_rules import account_of_role
from spot_server.words import Actor, CommandStatus, Severity

MOST_OPEN = 500
"""Open commands that are looked at, the most urgent first; more than an account's API limits let through in a minute."""

LONGEST_MESSAGE_CHARACTERS = 4096
LONGEST_QUOTED_CHARACTERS = 500

log = structlog.get_logger("control_role")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that this process carries out now. `role` is None when the client has none any more."""

    command: Command
    role: ControlRole | None
    region: str
    first_delivered_at: datetime
    default_tags: Mapping[str, str]
    only_look: LookOnly | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The act is over."""

    outcome: CommandOutcome


@dataclass(frozen=True, slots=True)
class ComeBack:
    """The act is under way, or its trouble may pass. `is_trouble`: nothing came of this look."""

    after_seconds: float
    is_trouble: bool


def list_open(tx: Transaction) -> list[OpenCommand]:
    """Return the control role's unanswered commands, the most urgent first."""
    return [
        OpenCommand(command.command_id, command.agent_id, command.kind, command.priority, command.last_delivered_at)
        for command in queries.open_commands_of_actor(tx, Actor.CONTROL_ROLE, most=MOST_OPEN)
    ]


def claim(tx: Transaction, command_id: str) -> Claimed | None:
    """Note the command's delivery, and return what it needs; None when it is answered, or not for us to touch now."""
    command = queries.load_command(tx, command_id)
    if command is None or not command.is_open:
        return None
    agent, client = load_agent(tx, command.agent_id), load_client(tx, command.client_id)
    admission = admit(command_epoch=command.epoch, agent_epoch=agent.epoch, deadline_at=command.deadline_at, now=tx.now)
    only_look: LookOnly | None = None
    match admission:
        case Leave():
            return None
        case LookOnly():
            only_look = admission
        case GoAhead():
            pass
        case _:
            assert_never(admission)
    if not queries.mark_delivered(tx, [command], tx.now):
        return None
    role = None
    if client.aws_role_arn is not None:
        role = ControlRole(client.aws_role_arn, client.aws_external_id, f"spot-optimizer-{client.client_id}")
    return Claimed(
        command=command,
        role=role,
        region=agent.region,
        first_delivered_at=command.first_delivered_at or tx.now,
        default_tags=owner_tags(agent, replica_id=command.replica_id, switch_id=command.switch_id),
        only_look=only_look,
    )


def carry_out(claimed: Claimed, gateway: AwsGateway, *, now: datetime, tries: int, draw: float) -> Answered | ComeBack:
    """Do what the command asks, or look how far it is. Never raises: an error nobody thought of is an answer, not a silence.

    `tries` counts the troubles in a row before this look; `draw` is random, 0..1.
    """
    waited_seconds = (now - claimed.first_delivered_at).total_seconds()
    try:
        handled = _act(claimed, gateway, now, waited_seconds)
    except ActFailed as failed:
        if claimed.only_look is None and _may_pass(claimed, failed, waited_seconds):
            return ComeBack(backoff_seconds(tries + 1, draw), is_trouble=True)
        if claimed.role is not None and failed.error_class is ErrorClass.NOT_AUTHORIZED:
            gateway.forget(claimed.role, claimed.region)
        return _failed(claimed, now, failed)
    except Exception as error:
        log.exception("control_role_act_raised", command_id=claimed.command.command_id, kind=claimed.command.kind)
        return _failed(claimed, now, ActFailed(ErrorClass.UNEXPECTED, type(error).__name__, str(error)))
    match handled:
        case Done(result):
            return Answered(_outcome(claimed, now, "succeeded", None, result))
        case NotYet(reason, look_again_seconds):
            failed_at_last = _out_of_patience(claimed, reason, waited_seconds)
            return ComeBack(look_again_seconds, is_trouble=False) if failed_at_last is None else _failed(claimed, now, failed_at_last)
        case _:
            assert_never(handled)


def _act(claimed: Claimed, gateway: AwsGateway, now: datetime, waited_seconds: float) -> Handled:
    command = claimed.command
    handler = HANDLERS.get(command.kind)
    if handler is None:
        raise ActFailed(ErrorClass.UNKNOWN_KIND, "unknown_kind", f"the control role cannot {command.kind}")
    if claimed.role is None:
        raise ActFailed(ErrorClass.NOT_AUTHORIZED, f"{ASSUME_ROLE_PREFIX}NoRole", "the client has no control role any more")
    task = Task(
        kind=command.kind,
        payload=command.payload,
        waited_seconds=waited_seconds,
        now=now,
        default_tags=claimed.default_tags,
        only_look=claimed.only_look,
        account_id=account_of_role(claimed.role.role_arn),
    )
    return handler(task, gateway.ec2(claimed.role, claimed.region))


def _may_pass(claimed: Claimed, failed: ActFailed, waited_seconds: float) -> bool:
    if not isinstance(failed, AwsFailed):
        return False
    command = claimed.command
    return is_worth_another_try(
        command.kind,
        Trouble(failed.error_class, failed.may_have_acted),
        waited_seconds=waited_seconds,
        patience_seconds=patience_seconds(command.kind, command.payload),
    )


def _out_of_patience(claimed: Claimed, reason: str, waited_seconds: float) -> ActFailed | None:
    if claimed.only_look is not None:
        return ActFailed(claimed.only_look.error_class, claimed.only_look.code, f"{claimed.only_look.message} ({reason})")
    if waited_seconds >= patience_seconds(claimed.command.kind, claimed.command.payload):
        return ActFailed(ErrorClass.RACE, reason, f"not done after {waited_seconds:.0f} s")
    return None


def _failed(claimed: Claimed, now: datetime, failed: ActFailed) -> Answered:
    error = {"class": failed.error_class.value, "code": failed.code, "message": failed.message[:LONGEST_MESSAGE_CHARACTERS]}
    return Answered(_outcome(claimed, now, "failed", error, {}))


def _outcome(claimed: Claimed, now: datetime, outcome: str, error: dict[str, Any] | None, result: dict[str, Any]) -> CommandOutcome:
    return CommandOutcome(
        request_id=claimed.command.request_id,
        outcome=outcome,
        error=error,
        result=result,
        started_at=wire_time(claimed.first_delivered_at),
        finished_at=wire_time(now),
    )


def record(tx: Transaction, claimed: Claimed, outcome: CommandOutcome) -> CommandStatus:
    """Record the answer as a daemon's is recorded, which moves on whatever waits for it; tell the client when its role was refused."""
    command = claimed.command
    status = record_outcome(tx, command.agent_id, CONTROL_ROLE_INSTANCE_ID, command.command_id, outcome)
    if outcome.error is not None and outcome.error["class"] == ErrorClass.NOT_AUTHORIZED:
        _tell_refusal(tx, claimed, outcome.error)
    return status


def _tell_refusal(tx: Transaction, claimed: Claimed, error: dict[str, Any]) -> None:
    """Notify the client once a day for the role, and for each kind of act."""
    command = claimed.command
    code = str(error["code"])
    what = "AssumeRole" if code.startswith(ASSUME_ROLE_PREFIX) else command.kind.value
    arn = "of this client" if claimed.role is None else claimed.role.role_arn
    quoted = str(error["message"])[:LONGEST_QUOTED_CHARACTERS]
    text = (
        f"The control role {arn} was refused {what} ({code.removeprefix(ASSUME_ROLE_PREFIX)}: {quoted}). "
        "For now the daemons act in its place where they can. Check its trust policy, its external id and its permissions."
    )
    notify(
        tx,
        client_id=command.client_id,
        agent_id=command.agent_id,
        severity=Severity.WARNING,
        kind="control_role_refused",
        text=text,
        dedupe_key=f"control_role_refused/{command.client_id}/{what}/{tx.now.date()}",
    )
