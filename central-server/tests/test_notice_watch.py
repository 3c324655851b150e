"""The server's own look for notices: one event whoever tells first, and nothing that EC2 refuses keeps it from the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from server_support.at_once import at_once
from server_support.clock import START, FakeClock
from server_support.control_role_stage import Stage
from server_support.memory_aws import FakeEc2, FakeGateway, failure
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.ports import ControlRole, ScheduledEventFacts
from spot_server.db.runner import Database
from spot_server.db.tables import agents, clients, events, notifications, switches
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Shown, Taken, list_of_client, take_report
from spot_server.features.notice_watch.jobs import NoticeWatch
from spot_server.words import InterruptionKind, NoticeChannel, Role

DAEMON, ROLE = NoticeChannel.DAEMON, NoticeChannel.CONTROL_ROLE


class Watch:
    """A stage whose agent's PRIMARY, i-1, runs on spot capacity, and the job that watches it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.ec2, self.clock = stage, stage.ec2, stage.clock
        self.ec2.add_instance("i-1", spot_request_id="sir-1")
        self.job = NoticeWatch(stage.gateway, draw=lambda: 1.0)

    def looks(self) -> str:
        return self.job(self.stage.context)

    def announce(self, code: str = "instance-terminated-no-capacity", behavior: str = "terminate", *, ago_seconds: float = 0.0) -> None:
        self.ec2.announce("i-1", code, self.clock.now() - timedelta(seconds=ago_seconds), behavior)

    def daemon_reports(self, notice_id: str = "daemon-notice", lead_seconds: float = 120.0) -> Taken:
        action_at = self.clock.now() + timedelta(seconds=lead_seconds)
        report = Report(notice_id, "i-1", InterruptionKind.TERMINATE, action_at, self.clock.now())
        return self.stage.database.write(lambda tx: take_report(tx, self.stage.agent.agent_id, report))

    def shown(self) -> list[Shown]:
        """Oldest first, as `GET interruptions` shows them."""
        page = self.stage.database.read(lambda tx: list_of_client(tx, self.stage.fleet.client_id, limit=50, cursor=None))
        return list(reversed(page.items))

    def channels(self) -> list[list[NoticeChannel]]:
        return [[one.channel for one in event.channels] for event in self.shown()]

    def told(self, kind: str) -> list[str]:
        return self.stage.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))

    def switch_ids(self) -> list[str]:
        return self.stage.fleet.scalars(select(switches.c.switch_id))


@pytest.fixture
def watch(database: Database, clock: FakeClock) -> Watch:
    return Watch(Stage(database, clock))


def test_a_notice_that_only_ec2_tells_moves_the_workload_as_a_daemons_report_does(watch: Watch) -> None:
    watch.announce(ago_seconds=9)

    sentence = watch.looks()

    (event,) = watch.shown()
    assert sentence == "news 1"
    assert (event.kind, event.response, event.action_at) == ("terminate", "launch_replica", watch.clock.now() + timedelta(seconds=111))
    assert [event.switch_id] == watch.switch_ids()
    assert [(one.channel, one.delay_seconds) for one in event.channels] == [(ROLE, 9.0)]


def test_a_look_that_finds_nothing_new_writes_nothing(watch: Watch) -> None:
    watch.announce()
    watch.looks()
    before = watch.shown()

    watch.clock.advance(15)
    sentences = [watch.looks(), watch.looks()]

    assert sentences == ["", ""]
    assert watch.shown() == before


def test_the_daemon_first_acts_and_the_role_confirms_with_its_own_delay(watch: Watch) -> None:
    taken = watch.daemon_reports()
    watch.announce()
    watch.clock.advance(7)

    watch.looks()

    (event,) = watch.shown()
    assert [(one.channel, one.first_seen_at) for one in event.channels] == [
        (DAEMON, START),
        (ROLE, START + timedelta(seconds=7)),
    ]
    assert event.action_at == taken.event.action_at
    assert watch.switch_ids() == [taken.event.switch_id]
    (data,) = watch.stage.fleet.scalars(select(events.c.data).where(events.c.kind == "interruption_confirmed"))
    assert (data["channel"], data["behind_seconds"]) == ("control_role", 7.0)


def test_the_role_first_acts_and_the_daemon_confirms_and_names_the_end(watch: Watch) -> None:
    watch.announce()
    watch.looks()
    watch.clock.advance(4)

    first, again = watch.daemon_reports(lead_seconds=100), watch.daemon_reports(lead_seconds=100)

    (event,) = watch.shown()
    assert (first.is_new, again.is_new) == (False, False)
    assert watch.channels() == [[ROLE, DAEMON]]
    assert event.action_at == watch.clock.now() + timedelta(seconds=100)


def test_two_channels_that_tell_at_once_make_one_event_and_one_move(watch: Watch) -> None:
    watch.announce()

    at_once([watch.looks, watch.daemon_reports])

    (channels,) = watch.channels()
    assert sorted(channels) == [ROLE, DAEMON]
    assert len(watch.switch_ids()) == 1


def test_a_second_notice_of_one_channel_is_an_event_of_its_own(watch: Watch) -> None:
    watch.daemon_reports("first")
    watch.announce()
    watch.clock.advance(1)
    watch.looks()
    watch.clock.advance(1)

    watch.daemon_reports("second", lead_seconds=150)

    assert watch.channels() == [[DAEMON, ROLE], [DAEMON]]


def test_a_stop_is_told_once_while_its_code_changes_and_again_when_it_comes_again(watch: Watch) -> None:
    watch.announce("marked-for-stop", "stop")
    watch.looks()
    watch.clock.advance(120)
    watch.announce("instance-stopped-no-capacity", "stop")
    watch.looks()
    between = len(watch.shown())
    watch.clock.advance(7200)
    watch.announce("marked-for-stop", "stop")
    watch.looks()

    assert between == 1
    assert [event.kind for event in watch.shown()] == ["stop", "stop"]


def test_hibernation_leaves_no_time(watch: Watch) -> None:
    watch.announce("marked-for-stop", "hibernate")

    watch.looks()

    (event,) = watch.shown()
    assert (event.kind, event.action_at) == (InterruptionKind.HIBERNATE, watch.clock.now())


@pytest.mark.parametrize("code", ["fulfilled", "instance-terminated-by-user", "request-canceled-and-instance-running", "something-new"])
def test_what_is_no_interruption_is_no_notice(watch: Watch, code: str) -> None:
    watch.announce(code)

    assert (watch.looks(), watch.shown()) == ("", [])


@pytest.mark.parametrize("role", [Role.TERMINATED, Role.ZOMBIE])
def test_an_instance_that_has_ended_or_lost_its_part_is_not_asked_about(watch: Watch, role: Role) -> None:
    watch.stage.fleet.set_role(watch.stage.agent, "i-1", role)
    watch.announce()

    assert (watch.looks(), watch.shown(), watch.ec2.calls) == ("", [], [])


def test_an_instance_that_ends_while_ec2_answers_is_not_told_of(watch: Watch) -> None:
    watch.announce()
    watch.ec2.meanwhile["instance_statuses"] = lambda: watch.stage.fleet.set_role(watch.stage.agent, "i-1", Role.TERMINATED)

    watch.looks()

    assert watch.shown() == []


def test_an_old_notice_of_an_instance_that_has_outlived_it_moves_nothing(watch: Watch) -> None:
    watch.announce()
    watch.clock.advance(3600)
    watch.stage.heartbeat()

    watch.looks()

    assert watch.shown() == []


def test_a_notice_that_was_missed_while_nobody_listened_is_still_acted_on(watch: Watch) -> None:
    watch.announce()
    watch.clock.advance(3600)

    watch.looks()

    (event,) = watch.shown()
    assert event.response == "launch_replica"


def test_the_roles_word_is_no_sign_of_life_of_the_daemon(watch: Watch) -> None:
    before = watch.stage.fleet.instance(watch.stage.agent, "i-1").last_heartbeat_at
    watch.announce()
    watch.clock.advance(60)

    watch.looks()

    assert watch.stage.fleet.instance(watch.stage.agent, "i-1").last_heartbeat_at == before


def test_a_standby_that_is_taken_away_is_replaced(watch: Watch) -> None:
    launched = watch.stage.fleet.replica_in_place(watch.stage.agent, "i-2")
    watch.ec2.add_instance("i-2", spot_request_id="sir-2")
    watch.ec2.announce("i-2", "marked-for-termination", watch.clock.now())

    watch.looks()

    (event,) = watch.shown()
    assert (event.instance_id, event.response, event.replica_id) == ("i-2", "replace_standby", launched.replica_id)


def test_a_disabled_agent_is_told_and_left_alone_and_a_deleted_one_is_not_watched(watch: Watch) -> None:
    watch.stage.fleet.execute(update(agents).values(enabled=False))
    watch.announce()
    watch.looks()

    assert [event.response for event in watch.shown()] == ["observe_only"]
    watch.stage.fleet.delete(watch.stage.agent)
    watch.ec2.calls.clear()
    watch.looks()
    assert watch.ec2.calls == []


def test_a_client_without_a_role_is_not_asked_about(watch: Watch, database: Database, clock: FakeClock) -> None:
    other = Stage(database, clock)
    watch.stage.fleet.execute(update(clients).where(clients.c.client_id == other.fleet.client_id).values(aws_role_arn=None))

    watch.looks()

    assert {role.session_name for role, _region in watch.stage.gateway.asked} == {f"spot-optimizer-{watch.stage.fleet.client_id}"}


def test_scheduled_maintenance_is_told_with_its_time_and_what_is_over_is_not(watch: Watch) -> None:
    not_before = START + timedelta(days=14)
    watch.ec2.scheduled["i-1"] = (
        ScheduledEventFacts("instance-event-1", "instance-retirement", "The instance is retired.", not_before),
        ScheduledEventFacts("instance-event-2", "system-reboot", "[Canceled] A reboot.", not_before),
        ScheduledEventFacts("instance-event-3", "system-reboot", "[Completed] A reboot.", not_before),
    )

    watch.looks()

    assert [(event.notice_id, event.kind, event.action_at) for event in watch.shown()] == [
        ("scheduled/instance-event-1", "scheduled", not_before)
    ]


def test_maintenance_that_ec2_puts_off_has_the_new_time(watch: Watch) -> None:
    event = ScheduledEventFacts("instance-event-1", "instance-stop", "The instance is stopped.", START + timedelta(days=14))
    watch.ec2.scheduled["i-1"] = (event,)
    watch.looks()
    watch.ec2.scheduled["i-1"] = (replace(event, not_before=START + timedelta(days=20)),)

    watch.looks()

    assert [shown.action_at for shown in watch.shown()] == [START + timedelta(days=20)]


def test_failing_status_checks_are_told_once_for_each_time_and_move_nothing(watch: Watch) -> None:
    watch.ec2.impaired["i-1"] = START
    for _ in range(3):
        watch.looks()
    watch.ec2.impaired["i-1"] = START + timedelta(hours=1)
    watch.looks()

    assert len(watch.told("instance_impaired")) == 2
    assert "InstanceStatus" in watch.told("instance_impaired")[0]
    assert (watch.shown(), watch.switch_ids()) == ([], [])


def test_a_throttled_account_is_left_alone_for_growing_pauses_and_then_looked_at_again(watch: Watch) -> None:
    watch.announce()
    watch.ec2.refusals["spot_requests_of"] = [failure("RequestLimitExceeded")] * 2

    asked = []
    for _ in range(5):
        watch.looks()
        asked.append(watch.ec2.calls.count("spot_requests_of"))
        watch.clock.advance(15)

    # The second pause is of 30 s; where requests are throttled, the status is not asked for on top of it.
    assert asked == [1, 2, 2, 3, 4]
    assert watch.ec2.calls.count("instance_statuses") == 2
    assert watch.channels() == [[ROLE]]
    assert watch.told("control_role_refused") == []


def test_one_account_in_trouble_keeps_no_other_from_its_turn(watch: Watch, database: Database, clock: FakeClock) -> None:
    other = Watch(Stage(database, clock))
    other.announce()
    gateway = _Gateways({watch.stage.fleet.client_id: watch.stage.gateway, other.stage.fleet.client_id: other.stage.gateway})
    watch.stage.gateway.refusal = AwsFailed(ErrorClass.UNREACHABLE, "ConnectTimeoutError", "nobody there")

    NoticeWatch(gateway)(watch.stage.context)

    assert other.channels() == [[ROLE]]


class _Gateways(FakeGateway):
    """Each client has its own account."""

    def __init__(self, by_client: dict[str, FakeGateway]) -> None:
        super().__init__()
        self._by_client = by_client

    def ec2(self, role: ControlRole, region: str) -> FakeEc2:
        client_id = role.session_name.removeprefix("spot-optimizer-")
        return self._by_client[client_id].ec2(role, region)


def test_a_role_that_is_refused_is_told_of_once_a_day_and_assumed_anew(watch: Watch) -> None:
    watch.announce()
    watch.stage.gateway.refusal = AwsFailed(ErrorClass.NOT_AUTHORIZED, "AssumeRole.AccessDenied", "no")
    for _ in range(3):
        watch.looks()
        watch.clock.advance(600)
    refused, asked = watch.told("control_role_refused"), len(watch.stage.gateway.asked)
    watch.stage.gateway.refusal = None

    watch.looks()

    assert len(refused) == 1
    assert "AssumeRole.AccessDenied" in refused[0]
    assert asked == 3
    assert watch.stage.gateway.forgotten
    assert watch.channels() == [[ROLE]]
