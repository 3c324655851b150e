"""The use cases of scheduled maintenance. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused, NoImage, StateConflict
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.instances.queries import find_instance
from spot_server.features.interruptions import queries as interruption_queries
from spot_server.features.interruptions.channels import find_told, list_names
from spot_server.features.interruptions.queries import InterruptionEvent
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import take_report
from spot_server.features.maintenance import queries
from spot_server.features.maintenance.queries import OpenEvent
from spot_server.features.maintenance.rules import (
    EFFECTS,
    MaintenanceFacts,
    Move,
    Scheduled,
    Tell,
    Wait,
    decide_maintenance,
    read_scheduled,
)
from spot_server.features.notice_watch.rules import scheduled_notice_id
from spot_server.features.notifications.service import notify
from spot_server.features.switches import opening
from spot_server.features.switches.driving import drive
from spot_server.features.switches.queries import active_switch
from spot_server.words import InterruptionKind, Mode, NoticeChannel, Role, Severity, SwitchTrigger


def find_news(tx: Transaction) -> list[tuple[str, str, Scheduled]]:
    """Return (agent, instance, event) of what daemons list and the books do not hold so. Reads only."""
    return [
        (listed.agent_id, listed.instance_id, scheduled)
        for listed in queries.list_listed(tx)
        for scheduled in read_scheduled(listed.events)
        if queries.told_by_daemon(tx, listed.agent_id, scheduled_notice_id(scheduled.event_id)) != (True, scheduled.not_before)
    ]


def take_in(tx: Transaction, agent_id: str, instance_id: str, scheduled: Scheduled) -> bool:
    """Record what a daemon lists, if the instance still has a part; return whether it had."""
    load_agent(tx, agent_id, for_update=True)
    instance = find_instance(tx, agent_id, instance_id)
    if instance is None or instance.role not in {Role.PRIMARY, Role.REPLICA}:
        return False
    notice_id = scheduled_notice_id(scheduled.event_id)
    # A word of a while ago, kept with the instance: no sign that its daemon lives.
    report = Report(
        notice_id,
        instance_id,
        InterruptionKind.SCHEDULED,
        scheduled.not_before,
        tx.now,
        channel=NoticeChannel.DAEMON,
        code=scheduled.code,
        is_heard_now=False,
    )
    take_report(tx, agent_id, report)
    return True


def find_called_off(tx: Transaction) -> list[OpenEvent]:
    """Return the open events that a daemon told of, and that its newest list does not hold any more. Reads only."""
    return [event for event in queries.list_open(tx) if event.listed is not None and not is_listed(event.listed, event.notice_id)]


def is_listed(listed: list[dict[str, Any]] | None, notice_id: str) -> bool:
    """Tell whether the event is among those that a daemon lists."""
    return any(scheduled_notice_id(one.event_id) == notice_id for one in read_scheduled(listed or []))


def call_off(tx: Transaction, agent_id: str, notice_id: str) -> bool:
    """Record that EC2 has called the event off, or is done with it; return whether that is new. A move that runs goes on.

    Not while the instance's daemon still lists it: of two words the one that asks for something holds.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    event = _find_told(tx, agent_id, notice_id)
    if event is None or event.called_off_at is not None:
        return False
    instance = find_instance(tx, agent_id, event.instance_id)
    names = list_names(tx, event.event_id)
    if instance is not None and any(is_listed(instance.scheduled_events, name) for name in names):
        return False
    interruption_queries.update_event(tx, event.event_id, called_off_at=tx.now)
    data = {"event_id": event.event_id, "code": event.code}
    tx.emit("maintenance_called_off", client_id=agent.client_id, agent_id=agent_id, instance_id=event.instance_id, data=data)
    return True


def is_open(tx: Transaction, agent_id: str, notice_id: str) -> bool:
    """Tell whether the books hold the event as open. Reads only."""
    event = _find_told(tx, agent_id, notice_id)
    return event is not None and event.called_off_at is None


def _find_told(tx: Transaction, agent_id: str, notice_id: str) -> InterruptionEvent | None:
    """Return the event that some channel told of under this name, or None."""
    event_id = find_told(tx, agent_id, notice_id)
    return None if event_id is None else interruption_queries.find_event(tx, event_id)


def open_of_primaries(tx: Transaction) -> list[OpenEvent]:
    """Return the open events of PRIMARYs: a standby's are told, and not acted on. Reads only."""
    return [event for event in queries.list_open(tx) if event.role is Role.PRIMARY]


def answer(tx: Transaction, event: OpenEvent) -> str | None:
    """Do what the event asks for now; return what was done in words, or None."""
    agent = load_agent(tx, event.agent_id, for_update=True)
    known = interruption_queries.find_event(tx, event.event_id)
    instance = find_instance(tx, event.agent_id, event.instance_id)
    if agent.is_deleted or known is None or known.called_off_at is not None or instance is None or not instance.is_primary:
        return None
    prefix = f"maintenance/{event.event_id}/"
    tries, tried_at = queries.count_tries(tx, agent.agent_id, prefix)
    facts = MaintenanceFacts(
        not_before=event.not_before,
        is_enabled=agent.enabled,
        allows_move=agent.auto_switch_enabled,
        is_moving=active_switch(tx, agent.agent_id) is not None,
        tries=tries,
        tried_at=tried_at,
        now=tx.now,
    )
    match decide_maintenance(facts):
        case Wait():
            return None
        case Tell(reason, is_urgent):
            _tell(tx, agent, event, reason, is_urgent=is_urgent)
            return None
        case Move(number):
            return _move(tx, agent, event, instance.mode, f"{prefix}{number}")


def _move(tx: Transaction, agent: Agent, event: OpenEvent, mode: Mode, request_id: str) -> str | None:
    """Begin a planned move in the same mode; in any, where that one has no place."""
    reason = ""
    for target in ({"mode": mode}, {}):
        try:
            planned = opening.planned_opening(
                tx, agent, target=target, request_id=request_id, initiated_by="maintenance", trigger=SwitchTrigger.AUTOMATIC
            )
        except (MoveRefused, NoImage, StateConflict) as refused:
            reason = str(refused)
            continue
        switch = drive(tx, agent, opening.open_switch(tx, agent, planned))
        return f"{agent.logical_agent_id}: {switch.switch_id} moves it before {event.code or 'maintenance'}"
    _tell(tx, agent, event, f"it cannot be moved: {reason}", is_urgent=True)
    return None


def _tell(tx: Transaction, agent: Agent, event: OpenEvent, reason: str, *, is_urgent: bool) -> None:
    """Tell once for each time that EC2 names, or once a day while it is urgent."""
    effect = EFFECTS.get(event.code or "", f"do maintenance ({event.code or 'no code'}) to it")
    day = f"/{tx.now.date()}" if is_urgent else ""
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.CRITICAL if is_urgent else Severity.WARNING,
        kind="maintenance_ahead",
        text=(
            f"{agent.logical_agent_id}: not before {event.not_before:%Y-%m-%d %H:%M} UTC EC2 will {effect} "
            f"({event.code or 'scheduled event'}, {event.instance_id}); {reason}. Switch it, or promote a standby, before then."
        ),
        dedupe_key=f"maintenance/{event.event_id}/{event.not_before.timestamp():.0f}/{agent.enabled}/{agent.auto_switch_enabled}{day}",
    )
