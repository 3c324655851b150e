"""Taking interruption events in, once each, and acting on them in the same transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.interruptions import queries
from spot_server.features.interruptions.queries import InterruptionEvent
from spot_server.features.interruptions.rules import FORCING_KINDS, InterruptionFacts, Response, choose_response
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import progress as replica_progress
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.launching import choose_image, owner_tags
from spot_server.features.replicas.progress import NewReplica
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent
from spot_server.features.switches import opening
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.driving import drive
from spot_server.features.switches.queries import Switch
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import (
    PRIORITY_EMERGENCY,
    CommandKind,
    InterruptionKind,
    ReplicaKind,
    ReplicaStatus,
    Severity,
    StepName,
    SwitchStatus,
    SwitchTrigger,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What a daemon saw. `notice_id` identifies it: repeats, restarts and both endpoints make one event."""

    notice_id: str
    instance_id: str
    kind: InterruptionKind
    action_at: datetime | None
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a report."""

    event: InterruptionEvent
    is_new: bool


def take_report(tx: Transaction, agent_id: str, report: Report) -> Taken:
    """Record a report and act on it; a repeat changes nothing and returns what the first one did."""
    agent = load_agent(tx, agent_id, for_update=True)
    earlier = queries.find_by_notice(tx, agent_id, report.notice_id)
    if earlier is not None:
        queries.update_event(tx, earlier.event_id, report_count=earlier.report_count + 1)
        return Taken(replace(earlier, report_count=earlier.report_count + 1), is_new=False)
    instance = load_instance(tx, agent_id, report.instance_id)
    running = switch_queries.active_switch(tx, agent_id)
    live = _usable_replicas(tx, agent, running)
    response = choose_response(
        InterruptionFacts(
            kind=report.kind,
            role=instance.role,
            is_enabled=agent.enabled,
            is_deleted=agent.is_deleted,
            has_live_replica=bool(live),
            has_active_switch=running is not None,
        )
    )
    event = _store(tx, agent, instance, report, response)
    switch_id, replica_id = _respond(tx, agent, instance, event, live, running)
    queries.update_event(tx, event.event_id, switch_id=switch_id, replica_id=replica_id)
    return Taken(replace(event, switch_id=switch_id, replica_id=replica_id), is_new=True)


def _usable_replicas(tx: Transaction, agent: Agent, running: Switch | None) -> list[Replica]:
    """Return the live replicas, the nearest to serving first; one that a running switch uses belongs to that switch."""
    nearness = {ReplicaStatus.READY: 0, ReplicaStatus.SYNCING: 1, ReplicaStatus.LAUNCHING: 2}
    used = None if running is None else running.replica_id
    live = [replica for replica in replica_queries.live_replicas(tx, agent.agent_id) if replica.replica_id != used]
    return sorted(live, key=lambda replica: (nearness[replica.status], replica.created_at))


def _store(tx: Transaction, agent: Agent, instance: Instance, report: Report, response: Response) -> InterruptionEvent:
    age_seconds = None if instance.booted_at is None else int((report.detected_at - instance.booted_at).total_seconds())
    event = InterruptionEvent(
        event_id=str(uuid.uuid4()),
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        notice_id=report.notice_id,
        instance_id=report.instance_id,
        kind=report.kind,
        instance_role=instance.role,
        region=instance.region,
        az_id=instance.az_id,
        instance_type=instance.instance_type,
        instance_age_seconds=age_seconds,
        action_at=report.action_at or (report.detected_at if report.kind is InterruptionKind.HIBERNATE else None),
        detected_at=report.detected_at,
        received_at=tx.now,
        report_count=1,
        response=response,
        switch_id=None,
        replica_id=None,
    )
    queries.insert_event(tx, event)
    lead_seconds = None if event.action_at is None else round((event.action_at - tx.now).total_seconds(), 3)
    data = {"kind": event.kind, "response": response, "lead_seconds": lead_seconds, "role": instance.role}
    tx.emit(
        "interruption",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=event.instance_id,
        data=data,
    )
    severity = Severity.WARNING if event.kind in FORCING_KINDS else Severity.INFO
    text = f"{agent.logical_agent_id}: {event.kind} for {event.instance_id} ({instance.role}); response: {response}"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=severity,
        kind=f"interruption_{event.kind}",
        text=text,
        dedupe_key=f"interruption/{event.event_id}",
    )
    return event


def _respond(
    tx: Transaction,
    agent: Agent,
    instance: Instance,
    event: InterruptionEvent,
    live: list[Replica],
    running: Switch | None,
) -> tuple[str | None, str | None]:
    """Act on the event and return the switch and the replica that it concerns."""
    match Response(event.response):
        case Response.HANDOVER | Response.LAUNCH_REPLICA:
            switch = _rescue(tx, agent, instance, event, live, running)
            return switch.switch_id, switch.replica_id
        case Response.HOLD:
            return None, _hold(tx, agent, event, live, running)
        case Response.REPLACE_STANDBY:
            return None, _replace_standby(tx, agent, instance)
        case Response.OBSERVE_ONLY:
            return None, None


def _rescue(
    tx: Transaction,
    agent: Agent,
    instance: Instance,
    event: InterruptionEvent,
    live: list[Replica],
    running: Switch | None,
) -> Switch:
    if event.response == Response.LAUNCH_REPLICA:
        _salvage(tx, agent, instance, event)
    if running is not None and running.from_instance_id != instance.instance_id:
        return _turn_back(tx, agent, running)
    if running is not None and running.status is SwitchStatus.RUNNING:
        return _adopt(tx, agent, running, event)
    if running is not None:
        # It is being taken back to an instance that is going away: end that, and move to what there is.
        switch_queries.update_switch(
            tx,
            running,
            status=SwitchStatus.FAILED,
            active_key=None,
            completed_at=tx.now,
            failure=f"{running.failure}; then a notice took the old instance",
        )
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id))
    best = live[0] if live else None
    switch = opening.open_switch(
        tx,
        agent,
        opening.rescue_opening(
            instance,
            best,
            event_id=event.event_id,
            image_id=None if image is None else image.image_id,
            action_at=event.action_at or tx.now,
        ),
    )
    return drive(tx, agent, switch)


def _adopt(tx: Transaction, agent: Agent, running: Switch, event: InterruptionEvent) -> Switch:
    """Let the move that runs already be the rescue: its replica counts, its deadline is the notice's."""
    adopted = switch_queries.update_switch(
        tx,
        running,
        trigger=SwitchTrigger.NOTICE,
        deadline_at=event.action_at or tx.now,
        interruption_event_id=event.event_id,
    )
    data = {"switch_id": adopted.switch_id, "trigger": adopted.trigger}
    tx.emit("switch_adopted", client_id=agent.client_id, agent_id=agent.agent_id, data=data)
    return drive(tx, agent, adopted)


def _turn_back(tx: Transaction, agent: Agent, running: Switch) -> Switch:
    """The instance that is being taken away is the new side of a move that has just promoted it: go back to the old side."""
    if running.status is SwitchStatus.RUNNING:
        running = switch_queries.update_switch(
            tx,
            running,
            status=SwitchStatus.ROLLING_BACK,
            failed_step=StepName.START,
            failure="a notice took the new instance before it served",
        )
    return drive(tx, agent, running)


def _salvage(tx: Transaction, agent: Agent, instance: Instance, event: InterruptionEvent) -> None:
    """Have the dying instance's daemon start snapshots and keep the volumes; nothing waits for it."""
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=instance.instance_id,
            request_id=f"salvage/{event.event_id}",
            kind=CommandKind.SALVAGE_VOLUMES,
            # Just behind the launch, which nothing may delay.
            priority=PRIORITY_EMERGENCY - 1,
            epoch=agent.epoch,
            payload={"instance_id": instance.instance_id, "tags": owner_tags(agent)},
            deadline_at=event.action_at,
        ),
    )


def _hold(tx: Transaction, agent: Agent, event: InterruptionEvent, live: list[Replica], running: Switch | None) -> str | None:
    """Have one replica ready for as long as the hold lasts; one that is there already will do."""
    if running is not None:
        return running.replica_id
    if live:
        return live[0].replica_id
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id))
    if image is None:
        text = f"{agent.logical_agent_id} has a rebalance recommendation and no image to launch a replica from"
        notify(
            tx,
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            severity=Severity.CRITICAL,
            kind="no_image",
            text=text,
            dedupe_key=f"no_image/{event.event_id}",
        )
        return None
    new = NewReplica(
        kind=ReplicaKind.EMERGENCY,
        request_id=f"interruption/{event.event_id}",
        image_id=image.image_id,
        reason="rebalance recommendation",
        interruption_event_id=event.event_id,
        hold_until=tx.now + timedelta(seconds=agent.rebalance_hold_seconds),
    )
    return replica_progress.create_replica(tx, agent, new).replica_id


def _replace_standby(tx: Transaction, agent: Agent, instance: Instance) -> str | None:
    """Give up the standby that is being taken away."""
    if instance.replica_id is None:
        return None
    replica = replica_queries.load_replica(tx, agent.agent_id, instance.replica_id)
    if replica.is_live:
        replica_progress.end_replica(tx, agent, replica, ReplicaEvent.FAILED, "EC2 is taking it away")
        replica_progress.advance_replica(tx, replica.replica_id)
        running = switch_queries.active_switch(tx, agent.agent_id)
        if running is not None:
            drive(tx, agent, running)
    return replica.replica_id


def list_of_client(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[InterruptionEvent]:
    """Return the client's events, newest first."""
    rows = queries.list_events(tx, client_id, before=read_moment_cursor(cursor), limit=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.received_at, row.event_id))
