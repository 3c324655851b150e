"""Registration, on a virtual clock."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_fakes.memory import IDENTITY
from agent_fakes.virtual import CountingBell
from agent_fakes.world import World, journal_of
from spot_agent.errors import ServerRefused, ServerUnreachable, TokenRefused
from spot_agent.model import Role
from spot_agent.ports import Found, Unknown

NONCE = {"nonce": "so_nonce_1", "server_url": "https://new.test", "logical_agent_id": "web-1", "agent_id": "agent-1"}
USER_DATA = Found(json.dumps({"spot_optimizer": NONCE}))


def _token_refused() -> TokenRefused:
    return TokenRefused(401, "token-invalid", "expired")


def test_a_new_agents_first_instance_becomes_primary_and_serves(world: World) -> None:
    world.registered()

    contents = world.journal.read()
    assert (contents.role, contents.epoch, contents.quiesced) == (Role.PRIMARY, 1, False)
    assert world.workload.serves
    assert world.api.registrations == [("http://server.test", "so_enrol_secret")]


def test_a_launched_instance_registers_with_its_nonce_at_the_server_that_its_user_data_names(world: World) -> None:
    world.imds.readings["user-data"] = USER_DATA
    world.api.view("running_replica", is_primary=False, epoch=3)

    world.registered()

    contents = world.journal.read()
    assert world.api.registrations == [("https://new.test", "so_nonce_1")]
    assert (contents.role, contents.epoch, contents.server_url) == (Role.REPLICA, 3, "https://new.test")
    assert not world.guard.granted


def test_who_has_nothing_to_do_before_is_called_at_once(world: World) -> None:
    """A replica's way to ready begins with its role: in an emergency every half second counts."""
    world.registered()

    for name in ("replica_manager", "commands"):
        bell = world.workers[name].bell
        assert isinstance(bell, CountingBell)
        assert bell.rings >= 1


def test_a_nonce_that_is_refused_gives_way_to_the_enrolment_token(world: World) -> None:
    world.imds.readings["user-data"] = USER_DATA
    world.api.failures["register"] = [_token_refused()]

    world.registered()

    assert [token for _, token in world.api.registrations] == ["so_nonce_1", "so_enrol_secret"]


def test_user_data_that_cannot_be_read_is_waited_for_and_not_passed_over(world: World) -> None:
    world.imds.readings["user-data"] = Unknown("ReadTimeout")
    world.boot()

    world.step("heartbeat")

    assert world.api.registrations == []
    assert "user_data_unknown" in world.lines.text


def test_an_instance_not_matched_yet_tries_again_when_the_server_says(world: World) -> None:
    world.imds.readings["user-data"] = USER_DATA
    world.api.failures["register"] = [ServerRefused(425, "instance-not-matched-yet", "", retry_after_seconds=3)]
    world.boot()

    assert world.step("heartbeat") == 3
    world.step("heartbeat")

    assert world.journal.read().token == "so_agent_x"


@pytest.mark.parametrize("refusal", [_token_refused(), ServerRefused(409, "unexpected-instance", "another lives")])
def test_refusals_are_said_and_retried_with_a_backoff_of_at_most_five_minutes(world: World, refusal: ServerRefused) -> None:
    world.boot()
    world.api.failures["register"] = [refusal] * 12

    delays = [world.step("heartbeat") for _ in range(12)]

    assert delays == sorted(delays)
    assert delays[0] <= 2
    assert delays[-1] == 300
    assert refusal.problem in str(world.live.read().registration_problem)


def test_an_owned_instance_is_left_alone_for_good(world: World) -> None:
    world.ec2.add_instance("i-own", tags={"aws:autoscaling:groupName": "asg"})
    world.api.failures["register"] = [ServerRefused(409, "instance-owned", "Auto Scaling group asg")]
    world.boot()
    world.step("heartbeat")
    world.step("heartbeat")
    for name in world.workers:
        world.step(name)

    assert len(world.api.registrations) == 1
    assert world.api.bodies("register")[0]["owner"] == "Auto Scaling group asg"
    assert {call for call, _ in world.api.sent} == {"register"}


def test_an_instance_that_nobody_wants_any_more_idles_and_says_so(world: World) -> None:
    world.imds.readings["user-data"] = Found('{"spot_optimizer": {"nonce": "so_nonce_x"}}')
    world.api.failures["register"] = [ServerRefused(409, "instance-not-wanted", "what it was launched for has ended")]
    world.boot()

    again_seconds = world.step("heartbeat")

    for name in world.workers:
        if name != "heartbeat":
            world.step(name)
    assert [secret for _url, secret in world.api.registrations] == ["so_nonce_x"]
    assert again_seconds == 60.0
    assert "waits to be terminated" in str(world.live.read().registration_problem)
    assert not world.guard.granted
    assert not world.workload.serves


def test_a_first_answer_that_was_lost_still_starts_the_new_agents_workload(world: World) -> None:
    world.api.failures["register"] = [ServerUnreachable("ReadTimeout")]
    world.boot()
    world.step("heartbeat")
    world.api.is_new = False

    world.step("heartbeat")

    assert world.workload.serves


def test_a_primary_that_lost_its_journal_waits_to_be_told(world: World) -> None:
    world.api.is_new = False
    world.api.view("running_primary", is_primary=True, epoch=4)

    world.registered()

    contents = world.journal.read()
    assert (contents.role, contents.quiesced) == (Role.PRIMARY, True)
    assert not world.guard.granted


def test_a_reinstalled_daemon_on_a_serving_primary_keeps_it_serving_and_grants_the_guard(world: World) -> None:
    world.api.is_new = False
    world.guard.granted = True
    world.workload.start()
    world.guard.granted = False

    world.registered()

    assert world.guard.granted
    assert world.journal.read().may_serve


def test_a_refused_agent_token_is_replaced_and_the_role_kept_meanwhile(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.boot()
    world.api.failures["heartbeat"] = [_token_refused()]
    world.api.is_new = False
    world.api.answers["register"]["token"] = "so_agent_fresh"
    world.step("heartbeat")
    assert world.workload.serves

    world.step("heartbeat")

    assert world.journal.read().token == "so_agent_fresh"
    assert world.workload.serves


def test_re_registration_that_finds_another_primary_demotes(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY))
    world.boot()
    world.api.failures["heartbeat"] = [_token_refused()]
    world.api.view("zombie", is_primary=False, epoch=2)
    world.step("heartbeat")

    world.step("heartbeat")

    assert world.journal.read().role is Role.ZOMBIE
    assert not world.workload.serves


def test_a_refused_token_without_an_enrolment_token_is_tried_again_now_and_then(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.PRIMARY), ENROLMENT_TOKEN="")
    world.boot()
    world.api.failures["heartbeat"] = [_token_refused(), _token_refused()]

    world.steps("heartbeat", lambda: len(world.api.bodies("heartbeat")) == 3)

    assert world.live.read().last_heartbeat_at is not None
    assert world.workload.serves


def test_missing_rights_leave_the_mode_to_metadata_and_the_specification_empty(world: World) -> None:
    world.ec2.failures["describe_instance"] = ["UnauthorizedOperation"]

    world.registered()

    body = world.api.bodies("register")[0]
    assert (body["mode"], body["mode_evidence"]) == ("spot", {"metadata": "spot", "api": "unknown"})
    assert body["launch_specification"] is None


def test_a_first_registration_waits_a_little_for_an_ec2_that_does_not_answer_now(world: World) -> None:
    world.ec2.failures["describe_instance"] = ["RequestLimitExceeded", "Unavailable"]
    world.boot()

    world.steps("heartbeat", lambda: world.journal.read().token is not None)

    body = world.api.bodies("register")[0]
    assert body["launch_specification"]["subnets"] == {"use1-az1": "subnet-1"}
    assert world.clock.passed_seconds == 6


def test_an_ec2_that_never_answers_does_not_keep_an_instance_from_registering(world: World) -> None:
    world.ec2.failures["describe_instance"] = ["Unavailable"] * 9
    world.boot()

    world.steps("heartbeat", lambda: world.journal.read().token is not None, at_most=4)

    assert world.api.bodies("register")[0]["launch_specification"] is None


def test_no_token_is_ever_logged(world: World) -> None:
    world.api.failures["register"] = [_token_refused(), ServerUnreachable("to so_enrol_secret")]
    world.boot()
    for _ in range(3):
        world.step("heartbeat")

    assert "so_enrol_secret" not in world.lines.text
    assert "so_agent_x" not in world.lines.text


@pytest.mark.parametrize(
    ("pending_time", "launched_at", "booted_at"),
    [
        ("2025-12-31T23:58:30Z", "2025-12-31T23:58:30Z", "2025-12-31T23:59:00Z"),
        ("2025-12-31T23:59:40Z", "2025-12-31T23:59:40Z", "2025-12-31T23:59:40Z"),
        ("soon", None, "2025-12-31T23:59:00Z"),
        (None, None, "2025-12-31T23:59:00Z"),
    ],
)
def test_it_tells_when_ec2_launched_it_and_a_boot_that_is_not_before(
    world: World, pending_time: str | None, launched_at: str | None, booted_at: str
) -> None:
    """In a container the kernel's clock shows how long the host is up: the second case."""
    world.imds.readings["dynamic/instance-identity/document"] = Found(json.dumps({**IDENTITY, "pendingTime": pending_time}))

    world.registered()

    body = next(body for call, body in world.api.sent if call == "register")
    assert (body["launched_at"], body["booted_at"]) == (launched_at, booted_at)
