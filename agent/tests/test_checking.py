"""`spot-agent check` between fakes: what is asked, what is left alone, and which line a trouble shows in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent_fakes.checks import CheckedWorld
from spot_agent.errors import ServerUnreachable, TokenRefused
from spot_agent.journal_contents import JournalContents
from spot_agent.model import Role
from spot_agent.ports import Found, HookName, HookResult, Readiness, Unknown
from spot_agent.rules.checks import Line, Verdict


@pytest.fixture
def checked(tmp_path: Path) -> CheckedWorld:
    return CheckedWorld(tmp_path)


def failed(lines: dict[str, list[Line]]) -> list[str]:
    return [line.name for listed in lines.values() for line in listed if line.verdict is Verdict.FAIL]


def test_where_everything_works_every_line_is_ok_or_says_why_it_was_skipped(checked: CheckedWorld) -> None:
    lines = checked.lines()

    told = [line for listed in lines.values() for line in listed]
    assert [line for line in told if line.verdict in (Verdict.FAIL, Verdict.WARN)] == []
    skipped = {line.name for line in told if line.verdict is Verdict.SKIP}
    assert skipped == {
        "journal",
        "STANDBY_CHECK_COMMAND",
        "ec2:DeregisterImage",
        "ec2:DeleteSnapshot",
        "ec2:StopInstances",
        "ec2:DisassociateAddress",
    }
    assert len(lines["ec2:RunInstances"]) == 2


def test_each_action_of_the_policy_has_a_line_where_the_agent_has_every_handle_and_the_carry_volume(checked: CheckedWorld) -> None:
    kinds = ("elastic_ip", "secondary_private_ip", "target_group", "route53_record")
    checked.world.api.answers["config"] |= {"carry": "volume", "traffic_handles": [{"kind": kind} for kind in kinds]}
    page = (Path(__file__).parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    [policy] = re.findall(r"```json\n(\{\"Version\".*?)```", page, re.DOTALL)
    actions = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}

    lines = checked.lines()

    assert {name for name in lines if re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", name)} == actions - {"iam:PassRole"}


def test_nothing_is_changed_anywhere(checked: CheckedWorld) -> None:
    ec2, journal = checked.world.ec2, checked.world.journal.read()
    before = (dict(ec2.instances), dict(ec2.images), dict(ec2.snapshots), dict(ec2.tagged))
    files = sorted(checked.directory.rglob("*"))

    checked.lines()

    assert (ec2.instances, ec2.images, ec2.snapshots, ec2.tagged) == before
    assert set(ec2.calls) <= {"describe_instance", "find_images", "find_snapshots"}
    assert set(checked.world.hooks.calls) == {HookName.SERVING_CHECK}
    assert [name for name, _ in checked.world.api.sent] == ["config"]
    assert sorted(checked.directory.rglob("*")) == files
    assert journal == JournalContents()


def metadata_off(world: CheckedWorld) -> None:
    for path in ("dynamic/instance-identity/document", "meta-data/spot/instance-action"):
        world.world.imds.readings[path] = Unknown("token: status 403")


def server_down(world: CheckedWorld) -> None:
    world.world.api.page = Readiness(None, "Connection refused")
    world.world.api.failures["config"].append(ServerUnreachable("Connection refused"))


def wrong_token(world: CheckedWorld) -> None:
    world.world.api.failures["config"].append(TokenRefused(401, "token-invalid", ""))


def clock_off(world: CheckedWorld) -> None:
    world.world.clock.advance(3600)


def no_right_to_launch(world: CheckedWorld) -> None:
    world.world.ec2.denied["run_instances"] = "UnauthorizedOperation"


def owned(world: CheckedWorld) -> None:
    world.world.ec2.add_instance("i-own", tags={"aws:autoscaling:groupName": "web"})


def daemon_down(world: CheckedWorld) -> None:
    world.status = replace(world.status, running=False, problem="the daemon is not running")


def no_systemctl(world: CheckedWorld) -> None:
    world.set(hooks=replace(world.world.settings.hooks, stop=("no-such-program", "stop")))


def workload_down(world: CheckedWorld) -> None:
    world.world.workload.stop()


def unguarded(world: CheckedWorld) -> None:
    world.put_program("systemctl", "#!/bin/sh\nprintf 'LoadState=loaded\\nAfter=spot-agent.service\\n'\n")


def guard_missing(world: CheckedWorld) -> None:
    world.world.guard.revoke()


@pytest.mark.parametrize(
    ("trouble", "names"),
    [
        (metadata_off, ["metadata"]),
        (server_down, ["server"]),
        (wrong_token, ["token"]),
        (clock_off, ["clock"]),
        (no_right_to_launch, ["ec2:RunInstances", "ec2:RunInstances"]),
        (owned, ["owner"]),
        (daemon_down, ["daemon"]),
        (no_systemctl, ["STOP_COMMAND"]),
        (workload_down, ["SERVING_CHECK_COMMAND"]),
        (unguarded, ["workload unit"]),
        (guard_missing, ["start guard"]),
    ],
)
def test_one_trouble_shows_in_one_line_which_says_what_to_do(
    checked: CheckedWorld, trouble: Callable[[CheckedWorld], None], names: list[str]
) -> None:
    trouble(checked)

    lines = checked.lines()

    assert failed(lines) == names
    assert all(line.advice for line in lines[names[0]])


def test_without_metadata_nothing_in_ec2_is_tried(checked: CheckedWorld) -> None:
    metadata_off(checked)

    lines = checked.lines()

    assert not [name for name in lines if name.startswith("ec2:")]
    assert checked.world.ec2.dry_runs == []


def test_an_ec2_that_ignores_dry_runs_is_asked_for_nothing_but_a_description(checked: CheckedWorld) -> None:
    checked.world.ec2.denied["describe_instances"] = ""

    lines = checked.lines()

    assert failed(lines) == ["ec2:DescribeInstances"]
    assert [operation for operation, _ in checked.world.ec2.dry_runs] == ["describe_instances"]


def test_without_the_right_to_describe_itself_the_launches_are_not_tried(checked: CheckedWorld) -> None:
    checked.world.ec2.denied["describe_instances"] = "UnauthorizedOperation"
    checked.world.ec2.failures["describe_instance"].append("UnauthorizedOperation")

    lines = checked.lines()

    assert failed(lines) == ["ec2:DescribeInstances"]
    assert [line.verdict for line in lines["ec2:RunInstances"]] == [Verdict.SKIP, Verdict.SKIP]
    assert lines["owner"][0].verdict is Verdict.SKIP


def test_where_the_server_has_a_control_role_the_daemon_needs_no_right_to_launch(checked: CheckedWorld) -> None:
    no_right_to_launch(checked)
    checked.world.api.answers["config"] |= {"has_control_role": True}

    lines = checked.lines()

    assert failed(lines) == []
    assert "control role" in lines["ec2:RunInstances"][0].found


def test_the_servers_traffic_handle_is_the_one_that_is_tried(checked: CheckedWorld) -> None:
    checked.world.api.answers["config"] |= {"traffic_handles": [{"kind": "elastic_ip", "allocation_id": "eipalloc-2"}]}

    checked.lines()

    tried = [arguments for operation, arguments in checked.world.ec2.dry_runs if operation == "associate_address"]
    assert [arguments["AllocationId"] for arguments in tried] == ["eipalloc-2"]


@pytest.mark.parametrize(
    ("has_nonce", "token", "word"), [(True, None, "nonce"), (False, "so_enrol_x", "enrolment token"), (False, None, "neither")]
)
def test_before_the_registration_the_line_says_with_what_it_will_be_done(
    checked: CheckedWorld, has_nonce: bool, token: str | None, word: str
) -> None:
    checked.contents = JournalContents()
    checked.world.guard.revoke()
    checked.world.workload.stop()
    checked.set(enrolment_token=token)
    if has_nonce:
        checked.world.imds.readings["user-data"] = Found('{"spot_optimizer": {"nonce": "so_nonce_1"}}')

    line = checked.line("token")

    assert line.verdict is Verdict.FAIL
    assert word in line.found


def test_a_released_instance_is_told_so(checked: CheckedWorld) -> None:
    checked.contents = replace(checked.contents, released=True, token=None)

    assert "released" in checked.line("token").found


def test_a_replicas_standby_check_is_run_and_must_leave_the_workload_alone(checked: CheckedWorld) -> None:
    checked.be(Role.REPLICA)
    checked.set(hooks=replace(checked.world.settings.hooks, standby_check=("true",)))

    fine = checked.lines()
    checked.world.hooks.scripted[HookName.SERVING_CHECK] = [HookResult(1, ""), HookResult(0, "")]
    disturbing = checked.lines()

    assert failed(fine) == []
    assert checked.world.hooks.calls.count(HookName.STANDBY_CHECK) == 2
    assert failed(disturbing) == ["STANDBY_CHECK_COMMAND"]


def test_a_primarys_standby_check_is_never_run(checked: CheckedWorld) -> None:
    checked.set(hooks=replace(checked.world.settings.hooks, standby_check=("true",)))

    line = checked.line("STANDBY_CHECK_COMMAND")

    assert line.verdict is Verdict.OK
    assert HookName.STANDBY_CHECK not in checked.world.hooks.calls


def test_files_that_others_can_read_are_told(checked: CheckedWorld) -> None:
    checked.env_file = checked.directory / "agent.env"
    checked.env_file.touch(mode=0o644)
    token_file = checked.directory / "enrolment-token"
    token_file.touch(mode=0o600)
    checked.set(enrolment_token_file=token_file)

    lines = checked.lines()

    assert failed(lines) == ["settings"]
    assert lines["enrolment token"][0].verdict is Verdict.WARN


def test_a_state_directory_that_takes_no_files_is_told(checked: CheckedWorld) -> None:
    checked.set(state_directory=Path("/proc/self"))

    assert failed(checked.lines()) == ["state directory"]


@pytest.mark.parametrize("answer", ["LoadState=not-found", ""])
def test_a_unit_that_systemd_does_not_know_is_not_judged(checked: CheckedWorld, answer: str) -> None:
    checked.put_program("systemctl", f"#!/bin/sh\necho {answer}\n")

    line = checked.line("workload unit")

    assert line.verdict is Verdict.SKIP
    assert "not loaded" in line.found
