"""The third channel: messages are taken in as every channel's word is, and deleted only after that was committed."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from server_support.clock import START, FakeClock
from server_support.control_role_stage import Stage
from server_support.dying_database import DyingDatabase
from server_support.fleet import Fleet
from server_support.memory_aws import failure
from server_support.memory_queue import AtOnce, FakeQueue
from server_support.story import PowerCut
from spot_server.db.runner import Database
from spot_server.db.tables import clients, events, instances, notifications, switches
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Shown, list_of_client, take_report
from spot_server.features.maintenance import service as maintenance
from spot_server.features.notice_queues.jobs import NoticeQueues
from spot_server.features.notice_queues.rules import MOST_RECEIVES
from spot_server.words import InterruptionKind, NoticeChannel, Role

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"
ARN = "arn:aws:health:us-east-1::event/EC2/AWS_EC2_INSTANCE_STOP_SCHEDULED/1"


class Reader:
    """A stage whose client has a queue, and the job that reads it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.clock, self.queue = stage, stage.clock, FakeQueue()
        self.job = NoticeQueues(self.queue, AtOnce(), draw=lambda: 1.0)
        stage.fleet.execute(update(clients).values(notice_queue_url=URL))

    def reads(self, times: int = 2) -> list[str]:
        """Wait for messages in one round, and take them in in the next."""
        return [self.job(self.stage.context) for _ in range(times)]

    def event(self, detail_type: str, detail: dict[str, Any], source: str = "aws.ec2", **members: Any) -> dict[str, Any]:
        base = {"id": "event-1", "region": "us-east-1", "account": "123456789012", "time": f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"}
        return {**base, "source": source, "detail-type": detail_type, "detail": detail} | members

    def warning(self, instance_id: str = "i-1", action: str = "terminate", **members: Any) -> dict[str, Any]:
        detail = {"instance-id": instance_id, "instance-action": action}
        return self.event("EC2 Spot Instance Interruption Warning", detail, **members)

    def health(self, status: str = "upcoming", **members: Any) -> dict[str, Any]:
        detail = {
            "eventArn": ARN,
            "service": "EC2",
            "eventTypeCode": "AWS_EC2_INSTANCE_STOP_SCHEDULED",
            "eventTypeCategory": "scheduledChange",
        }
        told = {"startTime": "Thu, 15 Jan 2026 00:00:00 GMT", "affectedEntities": [{"entityValue": "i-1"}], "statusCode": status}
        return self.event("AWS Health Event", detail | told, "aws.health", **members)

    def shown(self) -> list[Shown]:
        page = self.stage.database.read(lambda tx: list_of_client(tx, self.stage.fleet.client_id, limit=50, cursor=None))
        return list(reversed(page.items))

    def told(self, kind: str) -> list[str]:
        return self.stage.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))

    def switch_count(self) -> int:
        return len(self.stage.fleet.scalars(select(switches.c.switch_id)))


@pytest.fixture
def reader(database: Database, clock: FakeClock) -> Reader:
    return Reader(Stage(database, clock))


def test_a_warning_is_acted_on_and_its_message_is_gone(reader: Reader) -> None:
    reader.queue.send(reader.warning())
    reader.clock.advance(3)

    sentences = reader.reads()

    [event] = reader.shown()
    assert sentences == ["", "took in 1 messages"]
    assert (event.kind, event.response, event.action_at) == ("terminate", "launch_replica", START + timedelta(seconds=120))
    assert [(one.channel, one.delay_seconds) for one in event.channels] == [(NoticeChannel.EVENTBRIDGE, 3.0)]
    assert reader.queue.deleted == ["message-1"]
    assert reader.switch_count() == 1
    assert (reader.queue.asked[0][0].session_name, *reader.queue.asked[0][1:]) == (
        f"spot-optimizer-{reader.stage.fleet.client_id}",
        "us-east-1",
        URL,
    )


@pytest.mark.parametrize("is_first", [True, False])
def test_the_first_channel_acts_and_the_other_confirms(reader: Reader, is_first: bool) -> None:
    def daemon_tells() -> None:
        now = reader.clock.now()
        report = Report("from-metadata", "i-1", InterruptionKind.TERMINATE, START + timedelta(seconds=118), now)
        reader.stage.database.write(lambda tx: take_report(tx, reader.stage.agent.agent_id, report))

    reader.queue.send(reader.warning())
    for act in (reader.reads, daemon_tells) if is_first else (daemon_tells, reader.reads):
        reader.clock.advance(1)
        act()

    [event] = reader.shown()
    expected = [NoticeChannel.EVENTBRIDGE, NoticeChannel.DAEMON]
    assert [one.channel for one in event.channels] == (expected if is_first else expected[::-1])
    assert event.action_at == START + timedelta(seconds=118)
    assert reader.switch_count() == 1


def test_a_message_that_comes_twice_and_one_that_was_sent_twice_are_one_event(reader: Reader) -> None:
    reader.queue.delete_failures.append(failure("ServiceUnavailable"))
    reader.queue.send(reader.warning(), "message-1")
    reader.queue.send(reader.warning(), "message-2")

    reader.reads(4)

    assert [event.report_count for event in reader.shown()] == [3]
    assert sorted(reader.queue.deleted) == ["message-1", "message-2"]
    assert reader.switch_count() == 1


@pytest.mark.parametrize("dies_after_commit", [False, True])
def test_a_process_that_dies_before_or_after_the_commit_loses_no_message_and_doubles_no_event(
    reader: Reader,
    dies_after_commit: bool,
) -> None:
    dying = DyingDatabase(reader.stage.database.engine, clock=reader.clock, sleeper=reader.clock)
    dying.dies_in, dying.dies_after_commit = 1, dies_after_commit
    context = reader.stage.context_on(dying)
    reader.queue.send(reader.warning())
    reader.job(context)

    with pytest.raises(PowerCut):
        reader.job(context)
    left = (len(reader.shown()), list(reader.queue.deleted))
    second = NoticeQueues(reader.queue, AtOnce())
    for _ in range(2):
        second(reader.stage.context)

    assert left == (int(dies_after_commit), [])
    assert (len(reader.shown()), reader.queue.deleted, reader.switch_count()) == (1, ["message-1"], 1)


def test_a_warning_from_long_ago_of_an_instance_that_is_heard_moves_nothing(reader: Reader) -> None:
    reader.queue.send(reader.warning())
    reader.clock.advance(3600)
    reader.stage.fleet.note_heartbeats(reader.clock.now())

    reader.reads()

    assert (reader.shown(), reader.queue.deleted) == ([], ["message-1"])


def test_another_clients_instance_is_never_touched_by_a_message(database: Database, reader: Reader) -> None:
    other = Fleet.on(database)
    agent = other.agent("other-1", instance_id="i-99")
    reader.queue.send(reader.warning("i-99"))

    reader.reads()

    assert database.read(lambda tx: list_of_client(tx, other.client_id, limit=5, cursor=None)).items == []
    assert other.instance(agent, "i-99").role is Role.PRIMARY
    assert reader.queue.deleted == ["message-1"]


def test_foreign_messages_are_deleted_and_hide_nothing(reader: Reader) -> None:
    reader.queue.send(reader.event("EC2 Spot Instance Request Fulfillment", {}))
    reader.queue.send(reader.warning("i-unknown", id="event-2"))
    reader.queue.send(reader.warning(region="eu-north-9", id="event-3"))
    reader.queue.send(reader.warning(id="event-4"))

    reader.reads()

    assert [event.notice_id for event in reader.shown()] == ["eventbridge/event-4"]
    assert len(reader.queue.deleted) == 4


def test_a_poison_message_is_left_for_some_tries_then_removed_and_a_person_is_told_once(reader: Reader) -> None:
    reader.queue.send("not JSON")

    reader.reads(MOST_RECEIVES)
    before = (list(reader.queue.deleted), reader.told("notice_queue_message_removed"))
    reader.reads(3)

    assert before == ([], [])
    assert reader.queue.deleted == ["message-1"]
    [text] = reader.told("notice_queue_message_removed")
    assert "5 times (the body is not JSON); message message-1 is removed" in text


def test_maintenance_by_aws_health_is_confirmed_by_the_daemon_under_its_own_name(reader: Reader) -> None:
    reader.queue.send(reader.health())
    reader.reads()
    listed = [{"EventId": "event-0", "Code": "instance-stop", "State": "active", "NotBefore": "15 Jan 2026 00:00:00 GMT"}]
    reader.stage.fleet.execute(update(instances).values(scheduled_events=listed))
    reader.clock.advance(1)

    [news] = reader.stage.database.read(maintenance.find_news)
    reader.stage.database.write(lambda tx: maintenance.take_in(tx, *news))

    [event] = reader.shown()
    assert (event.code, event.action_at) == ("instance-stop", START + timedelta(days=14))
    assert [one.channel for one in event.channels] == [NoticeChannel.EVENTBRIDGE, NoticeChannel.DAEMON]
    assert reader.stage.database.read(maintenance.find_called_off) == []


def test_maintenance_that_aws_health_closes_is_called_off(reader: Reader) -> None:
    for status in ("upcoming", "closed"):
        reader.queue.send(reader.health(status, id=status))
        reader.reads()

    assert [event.called_off_at for event in reader.shown()] == [START]


def test_a_change_of_state_is_kept_as_an_event_and_moves_nothing_by_itself(reader: Reader) -> None:
    reader.queue.send(reader.event("EC2 Instance State-change Notification", {"instance-id": "i-1", "state": "terminated"}))

    reader.reads()

    told = reader.stage.fleet.scalars(select(events.c.data).where(events.c.kind == "instance_state_told"))
    assert [one["state"] for one in told] == ["terminated"]
    assert (reader.shown(), reader.switch_count(), reader.queue.deleted) == ([], 0, ["message-1"])


def test_a_queue_that_is_refused_is_told_once_a_day_and_asked_again_at_growing_pauses(reader: Reader) -> None:
    reader.queue.failures += [failure("AccessDenied")] * 100

    for _ in range(200):
        reader.reads(1)
        reader.clock.advance(1)

    assert len(reader.told("notice_queue_unreadable")) == 1
    assert 3 <= len(reader.queue.asked) <= 5
    assert reader.queue.forgotten >= 3


def test_a_queue_that_is_throttled_is_left_alone_and_nobody_is_told(reader: Reader) -> None:
    reader.queue.failures.append(failure("RequestLimitExceeded"))
    reader.queue.send(reader.warning())

    reader.reads(3)
    asked_at_once = len(reader.queue.asked)
    reader.clock.advance(15)
    reader.reads(2)

    assert asked_at_once == 1
    assert reader.told("notice_queue_unreadable") == []
    assert len(reader.shown()) == 1


def test_what_nobody_foresaw_in_a_wait_is_logged_and_told_and_the_queue_is_read_on(reader: Reader) -> None:
    reader.queue.failures += [ValueError("an answer that botocore cannot read")] * 2
    reader.queue.send(reader.warning())

    with capture_logs() as lines:
        reader.reads(3)
    asked_at_once = len(reader.queue.asked)
    for _ in range(120):
        reader.clock.advance(1)
        reader.reads(1)

    logged = [line for line in lines if line["event"] == "notice_queue_not_read"]
    assert [isinstance(line["exc_info"], ValueError) for line in logged] == [True]
    assert asked_at_once == 1
    assert ["ValueError: an answer that botocore cannot read" in text for text in reader.told("notice_queue_unreadable")] == [True]
    assert (len(reader.shown()), reader.queue.deleted) == (1, ["message-1"])


def test_a_message_on_which_the_taking_in_stumbles_keeps_neither_the_others_nor_the_next_wait(database: Database, clock: FakeClock) -> None:
    """It comes again, as one that was received and not deleted does."""
    reader = Reader(Stage(database, clock))
    reader.queue.delete_failures.append(OverflowError("a mistake of ours"))
    reader.queue.send(reader.warning("i-unknown", id="event-1"))
    reader.queue.send(reader.warning(id="event-2"))
    reader.reads(1)

    with pytest.raises(ExceptionGroup):
        reader.reads(1)
    at_once = [event.notice_id for event in reader.shown()]
    reader.reads(2)

    assert at_once == [event.notice_id for event in reader.shown()] == ["eventbridge/event-2"]
    assert sorted(reader.queue.deleted) == ["message-1", "message-2"]


def test_a_wait_under_way_keeps_nobody_and_is_not_begun_twice(reader: Reader) -> None:
    class Never(AtOnce):
        begun = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            Never.begun += 1
            return Future()

    job = NoticeQueues(reader.queue, Never())

    assert [job(reader.stage.context) for _ in range(3)] == ["", "", ""]
    assert Never.begun == 1


def test_a_process_that_settles_begins_no_more_waits_and_another_takes_the_message(reader: Reader) -> None:
    reader.queue.send(reader.warning())
    reader.reads(1)

    reader.job.settle()
    NoticeQueues(reader.queue, AtOnce())(reader.stage.context)
    second = NoticeQueues(reader.queue, AtOnce())
    for _ in range(2):
        second(reader.stage.context)

    assert len(reader.shown()) == 1
