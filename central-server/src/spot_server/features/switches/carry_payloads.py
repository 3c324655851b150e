"""What the daemons are told for the steps of `rsync` and `hook`, and that they may forget it. The caller holds the agent's row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import find_instance
from spot_server.features.replicas.image_queries import find_image
from spot_server.features.switches import queries
from spot_server.features.switches.decisions import Issue
from spot_server.features.switches.queries import Step, Switch
from spot_server.words import PRIORITY_HOUSEKEEPING, Carry, CommandKind, StepName, StepStatus

FIRST_PASS, LAST_PASS = "first", "last"


def carry_payload(tx: Transaction, switch: Switch, decision: Issue) -> dict[str, Any]:
    """Return the payload of a step's command, from what the steps before it brought."""
    session = {"move_id": switch.switch_id, "session_seconds": tx.policy.sync_session_seconds}
    match decision.kind:
        case CommandKind.OPEN_RECEIVER:
            return {**session, "public_key": _outcome(tx, switch, StepName.KEY).get("public_key")}
        case CommandKind.SEND_STATE if switch.carry is Carry.HOOK:
            return {**_pass_payload(tx, switch, decision), "means": "hook", **_target(tx, switch)}
        case CommandKind.SEND_STATE:
            door = _outcome(tx, switch, StepName.RECEIVER)
            return {
                **_pass_payload(tx, switch, decision),
                **{name: door.get(name) for name in ("host", "port", "user", "host_key")},
                "trusted_before": _trusted_before(tx, switch),
            }
        case _:
            return session


def _pass_payload(tx: Transaction, switch: Switch, decision: Issue) -> dict[str, Any]:
    return {
        "move_id": switch.switch_id,
        "pass": FIRST_PASS if decision.step is StepName.COPY else LAST_PASS,
        "bound_seconds": decision.bound_seconds,
        "wait_seconds": decision.bound_seconds + tx.policy.command_margin_seconds,
    }


def _target(tx: Transaction, switch: Switch) -> dict[str, Any]:
    """Return which instance the state goes to, and its address inside the VPC."""
    new = None if switch.to_instance_id is None else find_instance(tx, switch.agent_id, switch.to_instance_id)
    return {"instance_id": switch.to_instance_id, "host": None if new is None else new.private_ip}


def note_progress(tx: Transaction, switch: Switch, progress: dict[str, Any]) -> None:
    """Show with the pass that runs how far it is; a report that comes late says nothing of a step that is over."""
    name = StepName.COPY if progress.get("pass") == FIRST_PASS else StepName.SYNC
    step = _find(tx, switch, name)
    if step is not None and step.status is StepStatus.RUNNING:
        queries.update_step(tx, switch.switch_id, name, outcome={"progress": progress, "progress_at": tx.now.isoformat()})


def close_side(tx: Transaction, switch: Switch, name: StepName) -> None:
    """Tell the daemon that made a key, opened a receiver or runs a pass to give it up. Nothing waits for the answer."""
    step = _find(tx, switch, name)
    if step is None or step.command_id is None or step.actor_instance_id is None:
        return
    ledger.issue(
        tx,
        NewCommand(
            client_id=switch.client_id,
            agent_id=switch.agent_id,
            instance_id=step.actor_instance_id,
            request_id=f"switch/{switch.switch_id}/{name}/close",
            kind=CommandKind.CLOSE_SYNC,
            priority=PRIORITY_HOUSEKEEPING,
            epoch=load_agent(tx, switch.agent_id).epoch,
            payload={"move_id": switch.switch_id},
            deadline_at=tx.now + timedelta(seconds=tx.policy.terminate_bound_seconds),
        ),
    )


def _trusted_before(tx: Transaction, switch: Switch) -> str | None:
    """Return the moment before which the image holds everything as it was; None when it holds nothing of the agent's state."""
    image = None if switch.image_id is None else find_image(tx, switch.agent_id, switch.image_id)
    return None if image is None else (image.started_at - timedelta(seconds=tx.policy.image_flush_seconds)).isoformat()


def _outcome(tx: Transaction, switch: Switch, name: StepName) -> dict[str, Any]:
    step = _find(tx, switch, name)
    return {} if step is None or step.outcome is None else step.outcome


def _find(tx: Transaction, switch: Switch, name: StepName) -> Step | None:
    return next((step for step in queries.list_steps(tx, switch.switch_id) if step.name is name), None)
