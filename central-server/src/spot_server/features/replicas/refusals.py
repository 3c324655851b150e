"""Telling a client, once a day, that an instance is not terminated, and what can be done about it."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands.queries import Command
from spot_server.features.commands.rules import TRANSIENT_ERRORS
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.termination import is_final_image
from spot_server.words import CommandKind, CommandStatus, Severity, TerminationRefusal

_REMEDIES = {
    TerminationRefusal.NOT_OURS: "Set these tags if it is ours to end, or end it yourself",
    TerminationRefusal.HOLDS_HANDLE: "Move the address to the primary, or turn auto-terminate off to keep the instance",
}


def tell_refusal(tx: Transaction, command: Command) -> None:
    """Notify the client when this command's answer says that an instance stays which should go. It is asked for again all the same."""
    if command.status is not CommandStatus.FAILED:
        return
    if command.kind is CommandKind.TERMINATE_INSTANCE and command.error_code in _REMEDIES:
        _tell(tx, command, "termination_refused", _REMEDIES[TerminationRefusal(command.error_code)])
    elif is_final_image(command) and command.error_class not in TRANSIENT_ERRORS:
        _tell(
            tx, command, "final_image_failed", "It is kept until its final image is made: mend what stands in the way, or end it yourself"
        )


def _tell(tx: Transaction, command: Command, kind: str, remedy: str) -> None:
    instance_id = command.payload.get("instance_id")
    agent = load_agent(tx, command.agent_id)
    notify(
        tx,
        client_id=command.client_id,
        agent_id=command.agent_id,
        severity=Severity.WARNING,
        kind=kind,
        text=f"{instance_id} of {agent.logical_agent_id} is not terminated: {command.error_text}. {remedy}. It will be tried again.",
        dedupe_key=f"{kind}/{instance_id}/{command.error_code}/{tx.now.date()}",
    )
