"""Taking in what a queue's messages say: by the same use case as every other channel's word."""

from __future__ import annotations

from spot_server.aws.errors import ActFailed
from spot_server.db.runner import Transaction
from spot_server.features.interruptions.reports import Report
from spot_server.features.maintenance.service import call_off
from spot_server.features.notice_queues.queries import ClientQueue, find_watched
from spot_server.features.notice_queues.rules import Word
from spot_server.features.notice_watch.queries import Watched
from spot_server.features.notice_watch.service import record
from spot_server.features.notifications.service import notify
from spot_server.words import NoticeChannel, Severity


def take_words(tx: Transaction, queue: ClientQueue, words: tuple[Word, ...]) -> int:
    """Record all that one message says, in one transaction; return of how many of the client's instances it spoke."""
    spoken = [(word, watched) for word in words for watched in find_watched(tx, queue.client_id, word.instance_id, word.region)]
    # One agent's row after the other in a fixed order: two messages that name the same instances cannot deadlock.
    for word, watched in sorted(spoken, key=lambda pair: (pair[1].agent_id, pair[0].notice_id)):
        _take_word(tx, queue, word, watched)
    return len(spoken)


def _take_word(tx: Transaction, queue: ClientQueue, word: Word, watched: Watched) -> None:
    if word.kind is None:
        # Notifications come late, twice and in any order: EC2 is asked what holds before anything is moved.
        data = {"state": word.state, "at": word.announced_at.isoformat()}
        tx.emit("instance_state_told", client_id=queue.client_id, agent_id=watched.agent_id, instance_id=word.instance_id, data=data)
    elif word.is_over:
        call_off(tx, watched.agent_id, word.notice_id)
    else:
        report = Report(
            word.notice_id,
            word.instance_id,
            word.kind,
            word.action_at,
            tx.now,
            channel=NoticeChannel.EVENTBRIDGE,
            announced_at=word.announced_at,
            code=word.code,
        )
        record(tx, watched, report)


def tell_removed(tx: Transaction, queue: ClientQueue, message_id: str, receive_count: int, why: str) -> None:
    """Tell the client, once for each message, that one is removed which could not be taken in."""
    notify(
        tx,
        client_id=queue.client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="notice_queue_message_removed",
        text=f"A message of {queue.queue_url} could not be taken in {receive_count} times ({why}); message {message_id} is removed.",
        dedupe_key=f"notice_queue_message_removed/{queue.client_id}/{message_id[:100]}",
    )


def tell_unreadable(tx: Transaction, queue: ClientQueue, error: ActFailed) -> None:
    """Tell the client, once a day, that its queue cannot be read."""
    notify(
        tx,
        client_id=queue.client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="notice_queue_unreadable",
        text=f"{queue.queue_url} cannot be read with the control role ({error}): notices come by the other channels alone.",
        dedupe_key=f"notice_queue_unreadable/{queue.client_id}/{tx.now.date()}",
    )
