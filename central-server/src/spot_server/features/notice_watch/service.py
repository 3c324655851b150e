"""What the server saw for itself, taken in by the same use case as a daemon's report."""

from __future__ import annotations

from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.instances.queries import find_instance
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Taken, take_report
from spot_server.features.notice_watch import queries
from spot_server.features.notice_watch.queries import Territory, Watched
from spot_server.features.notice_watch.rules import Finding, Impairment, is_outlived
from spot_server.features.notifications.queries import is_told
from spot_server.features.notifications.service import notify
from spot_server.words import NoticeChannel, Role, Severity


def report_of(finding: Finding, seen_at: datetime) -> Report:
    """Say what was found as a channel says it."""
    return Report(
        finding.notice_id,
        finding.instance_id,
        finding.kind,
        finding.action_at,
        seen_at,
        channel=NoticeChannel.CONTROL_ROLE,
        announced_at=finding.announced_at,
        code=finding.code,
    )


def is_news(tx: Transaction, watched: Watched, report: Report) -> bool:
    """Tell whether this channel has not told of it yet, or told another time. Reads only: most rounds find what is known."""
    is_told, action_at = queries.told_action_at(tx, watched, report.notice_id)
    if is_told:
        return report.action_at is not None and report.action_at != action_at
    return report.end_at is None or report.action_at is not None or not queries.told_end(tx, watched, report.end_at)


def record(tx: Transaction, watched: Watched, report: Report) -> Taken | None:
    """Take in what was seen; None when it does not matter any more: the instance has ended, or lost its part, or outlived the notice."""
    load_agent(tx, watched.agent_id, for_update=True)
    instance = find_instance(tx, watched.agent_id, watched.instance_id)
    if instance is None or instance.role not in {Role.PRIMARY, Role.REPLICA}:
        return None
    if is_outlived(report.end_at, instance.last_heartbeat_at, outlived_seconds=tx.policy.notice_outlived_seconds):
        return None
    return take_report(tx, watched.agent_id, report)


def is_new_impairment(tx: Transaction, watched: Watched, impairment: Impairment) -> bool:
    """Tell whether nobody was told yet. Reads only."""
    return not is_told(tx, _impairment_key(tx, watched, impairment))


def _impairment_key(tx: Transaction, watched: Watched, impairment: Impairment) -> str:
    since = tx.now.date() if impairment.since is None else impairment.since
    return f"instance_impaired/{watched.agent_id}/{watched.instance_id}/{since.isoformat()}"


def tell_impaired(tx: Transaction, watched: Watched, impairment: Impairment) -> bool:
    """Tell, once for each time, that status checks fail; nothing is moved on that ground alone. Return whether it was news."""
    agent = load_agent(tx, watched.agent_id, for_update=True)
    text = f"{agent.logical_agent_id}: EC2's status checks of {watched.instance_id} fail ({', '.join(impairment.checks)})"
    is_new = notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="instance_impaired",
        text=text,
        dedupe_key=_impairment_key(tx, watched, impairment),
    )
    if is_new:
        data = {"checks": list(impairment.checks)}
        tx.emit("instance_impaired", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=watched.instance_id, data=data)
    return is_new


def tell_refused(tx: Transaction, territory: Territory, what: str, error: str) -> None:
    """Tell the client, once a day, that its control role may not look for notices."""
    notify(
        tx,
        client_id=territory.client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="control_role_refused",
        text=f"The control role could not {what} in {territory.region} ({error}): only daemons tell of notices there.",
        dedupe_key=f"control_role_refused/{territory.client_id}/notices/{what}/{territory.region}/{tx.now.date()}",
    )
