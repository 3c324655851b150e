"""What a move from an image loses: everything written after the moment whose state the image holds. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.image_queries import find_image
from spot_server.features.switches import queries
from spot_server.features.switches.queries import Switch
from spot_server.moments import read_told_moment
from spot_server.words import RESCUE_TRIGGERS, Carry, Severity, StepName, StepStatus


def writes_lost_since(tx: Transaction, agent: Agent, image_id: str | None) -> datetime | None:
    """Return the moment after which writes are not in the image; None for a stateless agent, which has none to lose.

    None also with `volume`: the volumes hold everything, unless they are gone (`note_volume_loss`).

    For `rsync` and `hook` that is what is lost if the last pass cannot be made, because the old instance is gone before.
    """
    if agent.carry in {Carry.STATELESS, Carry.VOLUME} or image_id is None:
        return None
    image = find_image(tx, agent.agent_id, image_id)
    # A base image holds nothing of the agent's state.
    return agent.created_at if image is None else image.started_at


def note_loss(tx: Transaction, agent: Agent, switch: Switch, image_id: str | None) -> Switch:
    """Keep with the switch what it loses by going on from `image_id`, or to an old instance, and say so; harmless when known already.

    A person who asked for it was shown the loss before; a rescue asks nobody, so its client is told.
    """
    since = _lost_since(tx, agent, switch, image_id)
    if since is None or since == switch.loses_writes_since:
        return switch
    window_seconds = round((tx.now - since).total_seconds())
    noted = queries.update_switch(tx, switch, loses_writes_since=since, loss_window_seconds=window_seconds)
    data = {
        "switch_id": noted.switch_id,
        "image_id": image_id,
        "loses_writes_since": since.isoformat(),
        "loss_window_seconds": window_seconds,
    }
    tx.emit("loss_window", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=noted.from_instance_id, data=data)
    if noted.trigger in RESCUE_TRIGGERS:
        _tell(tx, agent, noted, image_id, since)
    return noted


def _lost_since(tx: Transaction, agent: Agent, switch: Switch, image_id: str | None) -> datetime | None:
    if _is_brought_along(tx, switch):
        return None
    if switch.is_call_back:
        return None if agent.carry in {Carry.STATELESS, Carry.VOLUME} else datetime.fromisoformat(switch.timing[queries.CALLS_BACK])
    if image_id is None or _is_taken_after_the_last_write(tx, switch, image_id):
        return None
    return writes_lost_since(tx, agent, image_id)


def note_volume_loss(tx: Transaction, agent: Agent, switch: Switch, copied: Mapping[str, Any]) -> Switch:
    """Keep with the switch what it loses by going on from older snapshots, because a volume was gone; and say so."""
    state_at = copied.get("state_at")
    since = read_told_moment(state_at)
    if copied.get("is_fresh") is not False or since is None:
        return switch
    window_seconds = round((tx.now - since).total_seconds())
    noted = queries.update_switch(tx, switch, loses_writes_since=since, loss_window_seconds=window_seconds)
    data = {"switch_id": noted.switch_id, "loses_writes_since": state_at, "loss_window_seconds": window_seconds}
    tx.emit("loss_window", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=noted.from_instance_id, data=data)
    snapshots = ", ".join(map(str, copied.get("snapshot_ids") or []))
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="writes_lost",
        text=(
            f"a data volume of {agent.logical_agent_id} is gone: switch {noted.switch_id} goes on from snapshots ({snapshots}), "
            f"{window_seconds} s old: everything written since {state_at} is lost"
        ),
        dedupe_key=f"writes_lost/{agent.agent_id}/{noted.switch_id}",
    )
    return noted


def note_undo_loss(tx: Transaction, agent: Agent, switch: Switch, *, is_sure: bool) -> Switch:
    """Keep with the switch what is lost by going back from a new side that served, or may have; and say so.

    Since its promotion: before that it was not told to serve. What the move lost by going forward it does not lose.
    """
    promoted = next(step for step in queries.list_steps(tx, switch.switch_id) if step.name is StepName.PROMOTE)
    since = promoted.finished_at or tx.now
    window_seconds = round((tx.now - since).total_seconds())
    noted = queries.update_switch(tx, switch, loses_writes_since=since, loss_window_seconds=window_seconds)
    data = {
        "switch_id": noted.switch_id,
        "is_sure": is_sure,
        "loses_writes_since": since.isoformat(),
        "loss_window_seconds": window_seconds,
    }
    tx.emit("writes_lost", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=noted.to_instance_id, data=data)
    did = "served" if is_sure else "may have served"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="writes_lost",
        text=(
            f"switch {noted.switch_id} of {agent.logical_agent_id} is taken back although {noted.to_instance_id} {did}: what it "
            f"acknowledged between {since.isoformat()} and {tx.now.isoformat()} is not on {noted.from_instance_id}"
        ),
        dedupe_key=f"writes_lost/{agent.agent_id}/{noted.switch_id}",
    )
    return noted


def is_all_brought_along(tx: Transaction, switch: Switch) -> bool:
    """Tell whether a complete move is known to have lost nothing: by its last pass, or by an image that is younger than any write."""
    if switch.loses_writes_since is not None:
        return False
    sync = next((step for step in queries.list_steps(tx, switch.switch_id) if step.name is StepName.SYNC), None)
    if sync is not None:
        return sync.status is StepStatus.DONE
    return switch.image_id is not None and _is_taken_after_the_last_write(tx, switch, switch.image_id)


def _is_brought_along(tx: Transaction, switch: Switch) -> bool:
    """Tell whether everything written came along with the last pass, or may yet: it is lost once that pass is left out."""
    sync = next((step for step in queries.list_steps(tx, switch.switch_id) if step.name is StepName.SYNC), None)
    return sync is not None and sync.status not in {StepStatus.SKIPPED, StepStatus.FAILED}


def _is_taken_after_the_last_write(tx: Transaction, switch: Switch, image_id: str) -> bool:
    """Tell whether this very move made the image, once its old side had confirmed that it writes no more."""
    image = find_image(tx, switch.agent_id, image_id)
    is_own = image is not None and image.switch_id == switch.switch_id
    return is_own and switch.quiesced_at is not None and switch.carry is Carry.IMAGE_AFTER_QUIESCE


def _tell(tx: Transaction, agent: Agent, switch: Switch, image_id: str | None, since: datetime) -> None:
    by = f"{switch.to_instance_id}, whose state is" if switch.is_call_back else f"image {image_id},"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL,
        kind="writes_lost",
        text=(
            f"switch {switch.switch_id} rescues {agent.logical_agent_id} with {by} {switch.loss_window_seconds} s old: "
            f"everything written since {since.isoformat()} is lost once it takes over"
        ),
        dedupe_key=f"writes_lost/{agent.agent_id}/{agent.epoch}/{image_id or switch.to_instance_id}",
    )
