"""Long-polling the clients' queues: each in a thread that only waits; what comes is taken in by the job, and deleted after its commit."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.queues import QueueGateway, QueueMessage
from spot_server.errors import DatabaseUnavailable, ProductError
from spot_server.features.notice_queues import service
from spot_server.features.notice_queues.queries import ClientQueue, list_queues
from spot_server.features.notice_queues.rules import Broken, Foreign, is_spent, read_message
from spot_server.features.notice_watch.rules import pause_seconds
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings

MOST_AT_ONCE = 32
"""Queues that are waited for at the same time; more take turns, each wait lasting some seconds."""

Polled = tuple[QueueMessage, ...] | ActFailed


@dataclass(slots=True)
class _Hand:
    """One queue between two looks: the wait under way, the troubles in a row, and until when it is left alone (steady seconds)."""

    waiting: Future[Polled] | None = None
    tries: int = 0
    pause_until_seconds: float = 0.0


class NoticeQueues:
    """The job. It remembers which waits are under way; what was received and not deleted comes again by itself."""

    def __init__(self, gateway: QueueGateway, executor: Executor | None = None, draw: Callable[[], float] = random.random) -> None:
        """`gateway` leads to the clients' queues; `executor` runs the waits; `draw` returns 0..1."""
        self._gateway = gateway
        self._executor = executor
        self._draw = draw
        self._hands: dict[ClientQueue, _Hand] = {}

    def __call__(self, context: JobContext) -> str:
        """One round: take in what has come, and wait on. No call to AWS is made inside a transaction."""
        queues = context.database.read(list_queues)
        self._hands = {queue: self._hands.get(queue, _Hand()) for queue in queues}
        taken = sum(for_each(queues, lambda queue: self._visit(context, queue, self._hands[queue])))
        return f"took in {taken} messages" if taken else ""

    def settle(self) -> None:
        """Begin no more waits; those under way end by themselves, and what they bring is delivered again to the next leader."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None
        self._hands = {}

    def _visit(self, context: JobContext, queue: ClientQueue, hand: _Hand) -> int:
        polled, taken = None, 0
        if hand.waiting is not None and hand.waiting.done():
            # Cleared first: a wait that has ended is never asked again, whatever it ended with.
            waited, hand.waiting = hand.waiting, None
            polled = _outcome_of(waited)
        if isinstance(polled, ActFailed):
            self._leave_alone(context, queue, hand, polled)
        elif polled is not None:
            hand.tries = 0
            taken = sum(for_each(polled, lambda message: self._take(context, queue, message)))
        if hand.waiting is None and context.clock.monotonic_seconds() >= hand.pause_until_seconds:
            hand.waiting = self._pool().submit(self._poll, queue)
        return taken

    def _pool(self) -> Executor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="notice-queue")
        return self._executor

    def _poll(self, queue: ClientQueue) -> Polled:
        try:
            return self._gateway.queue(queue.role, queue.region).receive(queue.queue_url)
        except ActFailed as error:
            return error

    def _leave_alone(self, context: JobContext, queue: ClientQueue, hand: _Hand, error: ActFailed) -> None:
        hand.tries += 1
        hand.pause_until_seconds = context.clock.monotonic_seconds() + pause_seconds(hand.tries, self._draw())
        cause = error.__cause__ if error.error_class is ErrorClass.UNEXPECTED else None
        context.log.warning("notice_queue_not_read", client_id=queue.client_id, region=queue.region, error=str(error), exc_info=cause)
        if error.error_class not in {ErrorClass.THROTTLED, ErrorClass.UNREACHABLE}:
            self._gateway.forget(queue.role, queue.region)
            context.database.write(lambda tx: service.tell_unreadable(tx, queue, error))

    def _take(self, context: JobContext, queue: ClientQueue, message: QueueMessage) -> int:
        """Take one message in, then delete it; return whether it spoke of an instance of ours. One that fails comes again by itself."""
        reading = read_message(message.body)
        spoken = 0
        match reading:
            case Foreign():
                pass
            case Broken(why):
                if not self._give_up(context, queue, message, why):
                    return 0
            case words:
                try:
                    spoken = context.database.write(lambda tx: service.take_words(tx, queue, words))
                except DatabaseUnavailable:
                    raise
                except ProductError as failure:
                    if not self._give_up(context, queue, message, str(failure)):
                        return 0
        self._delete(context, queue, message)
        return int(spoken > 0)

    def _give_up(self, context: JobContext, queue: ClientQueue, message: QueueMessage, why: str) -> bool:
        """Tell whether a message that cannot be taken in is to be removed now: a person is told before."""
        context.log.warning(
            "notice_queue_message_not_taken",
            client_id=queue.client_id,
            message_id=message.message_id,
            receives=message.receive_count,
            why=why,
        )
        if not is_spent(message.receive_count):
            return False
        context.database.write(lambda tx: service.tell_removed(tx, queue, message.message_id, message.receive_count, why))
        return True

    def _delete(self, context: JobContext, queue: ClientQueue, message: QueueMessage) -> None:
        """Only ever after the commit: a message that is not deleted comes again, and changes nothing then."""
        try:
            self._gateway.queue(queue.role, queue.region).delete(queue.queue_url, message)
        except ActFailed as error:
            context.log.warning("notice_queue_message_not_deleted", client_id=queue.client_id, error=str(error))


def _outcome_of(waited: Future[Polled]) -> Polled:
    """What a wait that has ended brought. What nobody foresaw is a failure like any other: no queue is given up for it."""
    try:
        return waited.result()
    except Exception as error:  # noqa: BLE001 - it is logged with where it came from, told, and tried again after a pause
        unforeseen = ActFailed(ErrorClass.UNEXPECTED, type(error).__name__, str(error))
        unforeseen.__cause__ = error
        return unforeseen


def notice_queues_job(settings: Settings, gateway: QueueGateway) -> Job:
    """Return the job with its period from the settings."""
    job = NoticeQueues(gateway)
    return Job("read_notice_queues", settings.notice_queue_period_seconds, job, settle=job.settle)
