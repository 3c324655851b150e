"""Making images in the background. Each use case takes the agent's row first and may be repeated."""

from __future__ import annotations

from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import load_daemons
from spot_server.features.commands.demands import Demand, press
from spot_server.features.commands.queries import Command
from spot_server.features.images import queries
from spot_server.features.images.rules import (
    FAILURES_BEFORE_ALARM,
    Newest,
    Schedule,
    Surroundings,
    anchor_of,
    due_at,
    image_name,
    why_not_now,
)
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.notifications.service import notify
from spot_server.features.replicas.image_queries import last_deregistered_at, newest_image
from spot_server.features.replicas.launching import choose_image, owner_tags
from spot_server.features.switches.queries import active_switch
from spot_server.features.volumes.queries import primary_volumes
from spot_server.features.volumes.rules import devices_of
from spot_server.words import PRIORITY_EMERGENCY, PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus, Severity

REFRESH_PREFIX = "refresh_image/"
ATTEMPTS_READ = 20
CODE_IMAGE_FAILED = "image_failed"


def refresh_image(tx: Transaction, *, agent_id: str) -> str | None:
    """Ask for another image of the agent if one is due and nothing stands in the way; return what was done, or None.

    One is due at once where an emergency finds nothing to launch from while the primary is still there.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    primary = primary_of(tx, agent_id)
    if primary is None or agent.is_deleted:
        return None
    newest = _newest(tx, agent_id)
    surroundings = _surroundings(tx, agent, primary)
    wanted_at = tx.now if surroundings.is_last_chance else due_at(_schedule(tx, agent, primary, newest))
    if wanted_at is None or tx.now < wanted_at or why_not_now(surroundings) is not None:
        return None
    prefix = REFRESH_PREFIX + anchor_of(newest)
    attempts = command_queries.newest_attempts(tx, agent_id, prefix, most=ATTEMPTS_READ)
    payload = _payload(tx, agent, primary, newest, attempts)
    bound_seconds = tx.policy.image_bound_seconds
    # An image that was made and taken away since is no answer to this demand.
    asked_since = last_deregistered_at(tx, agent_id)
    demand = Demand(
        prefix,
        Act.REFRESH_IMAGE,
        CommandKind.CREATE_IMAGE,
        primary.instance_id,
        payload,
        bound_seconds,
        priority=PRIORITY_EMERGENCY if surroundings.is_last_chance else PRIORITY_HOUSEKEEPING,
        asked_since=asked_since,
    )
    press(tx, agent, demand)
    _tell_failures(tx, agent, anchor_of(newest), attempts)
    asked = command_queries.newest_attempts(tx, agent_id, prefix, most=1)
    is_new = bool(asked) and asked[0].issued_at == tx.now
    return f"{agent.logical_agent_id}: image asked for" if is_new else None


def withdraw_refresh(tx: Transaction, agent: Agent, reason: str) -> None:
    """Take back what nobody has begun yet: a move begins. One that is being made is let be; nothing waits for it."""
    for command in command_queries.open_commands_of_agent(tx, agent.agent_id, CommandKind.CREATE_IMAGE):
        if command.request_id.startswith(REFRESH_PREFIX) and command.first_delivered_at is None:
            ledger.give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason=reason)


def tell_unfrozen(tx: Transaction, command: Command) -> None:
    """Tell a person that the workload was not held still for an image, as its freeze hook should have seen to; once for each image."""
    problem = command.result.get("freeze_problem")
    if not problem:
        return
    notify(
        tx,
        client_id=command.client_id,
        agent_id=command.agent_id,
        severity=Severity.WARNING,
        kind="image_not_frozen",
        text=(
            f"the workload was not held still for image {command.result.get('image_id')}: {problem}; its files are as after a loss of power"
        ),
        dedupe_key=f"image_not_frozen/{command.agent_id}/{command.result.get('image_id')}",
    )


def _newest(tx: Transaction, agent_id: str) -> Newest | None:
    image = newest_image(tx, agent_id)
    return None if image is None else Newest(image.image_id, image.started_at)


def _schedule(tx: Transaction, agent: Agent, primary: Instance, newest: Newest | None) -> Schedule:
    return Schedule(
        agent_id=agent.agent_id,
        carry=agent.carry,
        refresh_hours=agent.image_refresh_hours,
        registered_at=primary.registered_at,
        newest=newest,
        first_after_seconds=tx.policy.first_image_seconds,
    )


def _surroundings(tx: Transaction, agent: Agent, primary: Instance) -> Surroundings:
    heard = {daemon.instance_id for daemon in load_daemons(tx, agent) if daemon.is_reachable}
    return Surroundings(
        is_enabled=agent.enabled,
        is_primary_heard=primary.instance_id in heard,
        is_quiesced=primary.quiesced,
        is_moving=active_switch(tx, agent.agent_id) is not None,
        waits_for_rescue=queries.waits_for_rescue(tx, agent.agent_id),
        is_noticed=queries.is_noticed(tx, agent, primary),
        has_image=choose_image(tx, agent, primary) is not None,
    )


def _payload(tx: Transaction, agent: Agent, primary: Instance, newest: Newest | None, attempts: list[Command]) -> dict[str, Any]:
    failed_count = sum(_code(command) == CODE_IMAGE_FAILED for command in attempts)
    return {
        "instance_id": primary.instance_id,
        "image_name": image_name(agent.logical_agent_id, agent.agent_id, anchor_of(newest), failed_count),
        "no_reboot": True,
        "freeze": True,
        "tags": owner_tags(agent),
        "wait_seconds": tx.policy.image_bound_seconds,
        **({"without_devices": sorted(devices)} if (devices := devices_of(primary_volumes(tx, agent, primary))) else {}),
    }


def _code(command: Command) -> str | None:
    error = (command.outcome or {}).get("error") or {}
    return error.get("code")


def _tell_failures(tx: Transaction, agent: Agent, anchor: str, attempts: list[Command]) -> None:
    failed = [command for command in attempts if command.status is CommandStatus.FAILED]
    if len(failed) < FAILURES_BEFORE_ALARM:
        return
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="image_not_refreshed",
        text=(
            f"no new image of {agent.logical_agent_id} could be made {len(failed)} times, the last time: {failed[0].error_text}; "
            "what a lost instance would lose grows until one is"
        ),
        dedupe_key=f"image_not_refreshed/{agent.agent_id}/{anchor}",
    )
