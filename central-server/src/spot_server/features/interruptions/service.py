"""Taking interruption events in, once each, and acting on them in the same transaction."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, replace

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.instances.age_rules import began_at
from spot_server.features.instances.queries import Instance, load_instance, note_sign_of_life
from spot_server.features.interruptions import channels, queries
from spot_server.features.interruptions.channels import Sighting
from spot_server.features.interruptions.queries import InterruptionEvent
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.responding import Scene, respond
from spot_server.features.interruptions.rules import (
    TAKING_KINDS,
    InterruptionFacts,
    Response,
    choose_response,
    is_standing,
)
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.termination import note_terminated
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.queries import Switch
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import InterruptionKind, NoticeChannel, Severity


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a report."""

    event: InterruptionEvent
    is_new: bool


def take_report(tx: Transaction, agent_id: str, report: Report) -> Taken:
    """Record a report and act on it; a repeat, and another channel's word, change nothing and return what the first one did."""
    agent = load_agent(tx, agent_id, for_update=True)
    if report.channel is NoticeChannel.DAEMON and report.is_heard_now:
        note_sign_of_life(tx, agent_id, report.instance_id)
    earlier = channels.find_same(tx, agent_id, report)
    if earlier is not None:
        _confirm(tx, earlier, report)
        return Taken(_count_again(tx, agent, earlier, report), is_new=False)
    instance = load_instance(tx, agent_id, report.instance_id)
    around = _look_around(tx, agent)
    response = _choose(agent, instance, report.kind, around)
    event = _store(tx, agent, instance, report, response, detail=f"; {report.detail}" if report.detail else "")
    channels.note_sighting(tx, event, report)
    return Taken(_respond(tx, Scene(agent, instance, event, around.live, around.running)), is_new=True)


def _confirm(tx: Transaction, event: InterruptionEvent, report: Report) -> None:
    """Record, once for each channel, that it tells of the event too."""
    if channels.note_sighting(tx, event, report):
        data = {
            "event_id": event.event_id,
            "channel": report.channel,
            "behind_seconds": round((tx.now - event.received_at).total_seconds(), 3),
        }
        tx.emit("interruption_confirmed", client_id=event.client_id, agent_id=event.agent_id, instance_id=event.instance_id, data=data)


@dataclass(frozen=True, slots=True)
class Loss:
    """A PRIMARY that EC2 took without a word, or (kind `silence`) that is taken for lost. `is_ended`: nothing of it can write any more."""

    reason: str
    is_ended: bool
    kind: InterruptionKind = InterruptionKind.LOSS


def take_loss(tx: Transaction, agent: Agent, primary: Instance, loss: Loss) -> InterruptionEvent | None:
    """Record that the silent PRIMARY is lost and rescue its workload; return the event, or None when nothing is to be done anew.

    The caller holds the agent's row, and no rescue runs. Each silence makes one event. One that was only observed, because the agent
    was disabled, is judged again when the loss is taken after the agent was enabled.
    """
    notice_id = f"{loss.kind}/{primary.instance_id}/{primary.last_heartbeat_at.timestamp():.6f}"
    report = Report(notice_id, primary.instance_id, loss.kind, action_at=None, detected_at=tx.now)
    around = _look_around(tx, agent)
    response = _choose(agent, primary, report.kind, around)
    event = queries.find_by_notice(tx, agent.agent_id, notice_id)
    if event is None:
        event = _store(tx, agent, primary, report, response, detail=f"; {loss.reason}")
    elif event.response == response or event.response != Response.OBSERVE_ONLY:
        return None
    else:
        event = replace(event, response=response)
        queries.update_event(tx, event.event_id, response=response)
        _tell(tx, agent, event, is_again=True, detail=f"; {loss.reason}")
    if response is Response.OBSERVE_ONLY:
        return event
    if loss.is_ended:
        note_terminated(tx, agent, primary.instance_id, reason=loss.reason)
    return _respond(tx, Scene(agent, primary, event, around.live, around.running))


def judge_again(tx: Transaction, agent: Agent) -> int:
    """Act on what was only observed, because the agent was disabled, and still stands; return how many events that were.

    To be called in the transaction that enables the agent, whose row the caller holds. Harmless when repeated.
    """
    standing = [event for event in queries.observed_events(tx, agent.agent_id) if _stands(tx, agent, event)]
    return sum(_judge_again(tx, agent, event) for event in standing)


def _stands(tx: Transaction, agent: Agent, event: InterruptionEvent) -> bool:
    hold_seconds = agent.rebalance_hold_seconds
    return is_standing(event.kind, action_at=event.action_at, received_at=event.received_at, hold_seconds=hold_seconds, now=tx.now)


def _judge_again(tx: Transaction, agent: Agent, event: InterruptionEvent) -> bool:
    instance = load_instance(tx, agent.agent_id, event.instance_id)
    around = _look_around(tx, agent)
    judged = replace(event, response=_choose(agent, instance, event.kind, around))
    if judged.response == event.response:
        return False
    queries.update_event(tx, event.event_id, response=judged.response)
    _tell(tx, agent, judged, is_again=True)
    _respond(tx, Scene(agent, instance, judged, around.live, around.running))
    return True


def answer_recommendations(tx: Transaction, *, agent_id: str) -> str | None:
    """Have a replica ready for what was recommended of the agent's PRIMARY while a move ran, or before it was the PRIMARY.

    Returns what was done, or None. One replica answers all of them, as it does when they come one after the other.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    answered = [event for event in queries.unanswered_recommendations(tx, agent_id) if _answer(tx, agent, event)]
    if not answered:
        return None
    return f"{agent.logical_agent_id}: {len(answered)} recommendations for {answered[-1].instance_id}, its primary now, judged again"


def _answer(tx: Transaction, agent: Agent, event: InterruptionEvent) -> bool:
    instance = load_instance(tx, agent.agent_id, event.instance_id)
    around = _look_around(tx, agent)
    judged = replace(event, response=_choose(agent, instance, event.kind, around))
    answered = _respond(tx, Scene(agent, instance, judged, around.live, around.running))
    if answered.replica_id is None:
        # Nothing to launch from: a person was told, and the next round looks again.
        return False
    queries.update_event(tx, event.event_id, response=answered.response)
    _tell(tx, agent, answered, is_again=True)
    return True


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What an event finds: the replicas that no running move uses, the nearest to serving first, and the move."""

    live: tuple[Replica, ...]
    running: Switch | None


def _look_around(tx: Transaction, agent: Agent) -> _Surroundings:
    running = switch_queries.active_switch(tx, agent.agent_id)
    used = None if running is None else running.replica_id
    live = tuple(replica for replica in replica_queries.nearest_live_replicas(tx, agent.agent_id) if replica.replica_id != used)
    return _Surroundings(live, running)


def _choose(agent: Agent, instance: Instance, kind: InterruptionKind, around: _Surroundings) -> Response:
    return choose_response(
        InterruptionFacts(
            kind=kind,
            role=instance.role,
            is_enabled=agent.enabled,
            is_deleted=agent.is_deleted,
            has_live_replica=any(replica.instance_id is not None for replica in around.live),
            has_active_switch=around.running is not None,
            wants_early_replica=agent.early_replica_on_warning,
            is_way_back=around.running is not None and around.running.from_instance_id == instance.instance_id,
        )
    )


def _respond(tx: Transaction, scene: Scene) -> InterruptionEvent:
    switch_id, replica_id = respond(tx, scene)
    queries.update_event(tx, scene.event.event_id, switch_id=switch_id, replica_id=replica_id)
    return replace(scene.event, switch_id=switch_id, replica_id=replica_id)


def _count_again(tx: Transaction, agent: Agent, earlier: InterruptionEvent, report: Report) -> InterruptionEvent:
    """Count a repeat. One that names the end which the first report left open, and we assumed, makes it known."""
    event = replace(
        earlier,
        report_count=earlier.report_count + 1,
        action_at=report.action_at or earlier.action_at,
        code=report.code or earlier.code,
        # Who tells of it again says that it stands.
        called_off_at=None,
    )
    changed = {name: getattr(event, name) for name in ("report_count", "action_at", "code", "called_off_at")}
    queries.update_event(tx, event.event_id, **changed)
    running = switch_queries.active_switch(tx, agent.agent_id)
    if running is not None and running.interruption_event_id == event.event_id and event.action_at != running.deadline_at:
        switch_queries.update_switch(tx, running, deadline_at=event.action_at)
    return event


def _store(tx: Transaction, agent: Agent, instance: Instance, report: Report, response: Response, *, detail: str = "") -> InterruptionEvent:
    began = began_at(instance.launched_at, instance.booted_at, instance.registered_at)
    # By the server's clock: the daemon's may be ahead, or behind.
    age_seconds = max(0, int((min(report.detected_at, tx.now) - began).total_seconds()))
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
        action_at=report.end_at,
        detected_at=report.detected_at,
        received_at=tx.now,
        report_count=1,
        response=response,
        switch_id=None,
        replica_id=None,
        game_day_id=None,
        code=report.code,
        called_off_at=None,
    )
    queries.insert_event(tx, event)
    _tell(tx, agent, event, detail=detail)
    return event


def _tell(tx: Transaction, agent: Agent, event: InterruptionEvent, *, is_again: bool = False, detail: str = "") -> None:
    lead_seconds = None if event.action_at is None else round((event.action_at - tx.now).total_seconds(), 3)
    data = {"kind": event.kind, "response": event.response, "lead_seconds": lead_seconds, "role": event.instance_role}
    tx.emit(
        "interruption_judged_again" if is_again else "interruption",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=event.instance_id,
        data=data,
    )
    text = f"{agent.logical_agent_id}: {event.kind} for {event.instance_id} ({event.instance_role}){detail}; response: {event.response}"
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING if event.kind in TAKING_KINDS | {InterruptionKind.POOL_WARNING} else Severity.INFO,
        kind=f"interruption_{event.kind}",
        text=text,
        dedupe_key=f"interruption/{event.event_id}{'/again' if is_again else ''}",
    )


@dataclass(frozen=True, slots=True)
class Shown(InterruptionEvent):
    """An event together with what each channel told of it."""

    channels: tuple[Sighting, ...]


def list_of_client(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[Shown]:
    """Return the client's events, newest first."""
    rows = queries.list_events(tx, client_id, before=read_moment_cursor(cursor), limit=limit + 1)
    sightings = channels.list_sightings(tx, [row.event_id for row in rows])
    shown = [Shown(**asdict(row), channels=tuple(sightings[row.event_id])) for row in rows]
    return page_of(shown, limit=limit, position=lambda row: moment_position(row.received_at, row.event_id))
