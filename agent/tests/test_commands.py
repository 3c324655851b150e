"""How commands come, are admitted, executed and answered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent_fakes.memory import command_json
from agent_fakes.world import World, journal_of
from spot_agent.commands import KINDS
from spot_agent.errors import ServerRefused, ServerUnreachable
from spot_agent.model import Role
from spot_agent.ports import HookName

LAUNCH = {
    "client_token": "tok-1",
    "image_id": "ami-1",
    "instance_type": "m5.large",
    "az_id": "use1-az1",
    "subnet_id": "subnet-1",
    "mode": "spot",
    "security_group_ids": ["sg-1"],
    "iam_instance_profile_arn": None,
    "key_name": None,
    "metadata_options": {"HttpTokens": "required"},
    "user_data": '{"spot_optimizer": {}}',
    "tags": {"spot-optimizer:managed": "true"},
}


def test_every_kind_of_the_protocol_has_a_handler() -> None:
    page = (Path(__file__).parents[2] / "docs" / "agent-protocol.md").read_text()

    rows = [line for line in page.splitlines() if line.startswith("| `") and line.rstrip().endswith(("slow |", "fast |"))]
    assert {line.split("`")[1] for line in rows} == set(KINDS)


def test_a_long_poll_waits_as_long_as_the_server_chose(world: World) -> None:
    world.registered()
    world.step("commands")

    assert world.api.polls == [50]


def test_a_server_whose_room_is_full_is_polled_plainly(world: World) -> None:
    world.registered()
    world.api.wait_seconds = 0

    delays = [world.step("commands"), world.step("commands")]

    assert world.api.polls == [50, 0]
    assert delays[-1] == 15


def test_a_cut_long_poll_falls_back_to_plain_polling_for_a_while(world: World) -> None:
    world.registered()
    world.api.failures["pending_commands"] = [ServerUnreachable("ReadTimeout")]

    for _ in range(7):
        world.step("commands")

    assert world.api.polls == [50, 0, 0, 0, 0, 0, 50]


def test_a_poll_that_nobody_parks_does_not_spin(world: World) -> None:
    world.registered()

    assert world.step("commands") == 1


def test_the_highest_priority_comes_first_and_overtakes(world: World) -> None:
    world.registered()
    world.api.commands = [
        command_json("standby_check", priority=25),
        command_json("describe_instance", {"instance_id": "i-own"}, priority=50),
    ]
    world.step("commands")
    world.api.commands = [command_json("quiesce", {"bound_seconds": 9}, priority=100)]
    world.step("commands")
    world.step("commands")

    answered = [body["request_id"] for body in world.api.bodies("executed")]
    assert answered == ["r-describe_instance", "r-quiesce", "r-standby_check"]


def test_a_command_delivered_again_is_answered_again_and_not_executed_again(world: World) -> None:
    world.registered()
    first = world.execute(command_json("launch_instance", LAUNCH))

    again = world.execute(command_json("launch_instance", LAUNCH))

    assert again == first
    assert len(world.ec2.launch_requests) == 1


def test_an_outcome_is_posted_until_it_is_acknowledged_across_restarts(world: World) -> None:
    world.registered()
    world.api.failures["executed"] = [ServerUnreachable("500")] * 3
    world.api.commands = [command_json("launch_instance", LAUNCH)]
    world.step("commands")
    world.step("commands")
    world.restart()
    world.boot()

    world.step("commands")
    world.step("commands")

    record = world.journal.read().command("r-launch_instance")
    assert record is not None
    assert record.is_acknowledged
    assert len({str(body) for body in world.api.bodies("executed")}) == 1
    assert len(world.ec2.launch_requests) == 1


def test_an_outcome_that_the_server_will_never_take_is_not_posted_for_ever(world: World) -> None:
    world.registered()
    world.api.failures["executed"] = [ServerRefused(409, "outcome-differs", "")]
    world.execute(command_json("standby_check"))

    world.step("commands")

    assert len(world.api.bodies("executed")) == 1


def test_a_stale_epoch_an_unknown_kind_and_a_passed_deadline_have_no_effect(world: World) -> None:
    world.registered()
    world.journal.change(lambda now: replace(now, epoch=5))

    stale = world.execute(command_json("quiesce", epoch=4))
    unknown = world.execute(command_json("dance", epoch=5))
    late = world.execute(command_json("launch_instance", LAUNCH, epoch=5, deadline_at="2025-12-31T23:59:00Z"))

    classes = [body["error"]["class"] for body in (stale, unknown, late)]
    assert classes == ["stale_epoch", "unknown_kind", "refused"]
    assert world.workload.serves
    assert world.ec2.launch_requests == []


def test_a_command_cut_short_by_a_crash_is_recovered(world: World) -> None:
    world.registered()
    world.ec2.lost = {"run_instance"}
    world.stop.on_wait = world.stop.set
    world.api.commands = [command_json("launch_instance", LAUNCH)]
    world.step("commands")
    assert world.api.bodies("executed") == []
    world.stop.is_asked = False
    world.restart()
    world.boot()

    answer = world.execute(command_json("launch_instance", LAUNCH, deadline_at="2025-12-31T23:59:00Z"))

    assert answer["outcome"] == "succeeded"
    assert len(world.ec2.launch_requests) == 1


def test_an_error_nobody_thought_of_is_an_answer(world: World) -> None:
    world.registered()
    world.ec2.addresses = {}
    world.hooks.before = _raise_for_standby

    answer = world.execute(command_json("standby_check"))

    assert answer["error"]["class"] == "unexpected"


def test_without_a_journal_nothing_is_begun_but_what_stops(world: World) -> None:
    world.registered()
    world.journal.is_full = True

    launched = world.execute(command_json("launch_instance", LAUNCH))
    stopped = world.execute(command_json("quiesce", {"bound_seconds": 9}))

    assert launched["error"]["code"] == "journal_unwritable"
    assert world.ec2.launch_requests == []
    assert stopped["outcome"] == "succeeded"


def test_a_primary_that_hears_of_a_newer_epoch_asks_what_it_is_now(world: World) -> None:
    world.registered()
    world.api.view("zombie", is_primary=False, epoch=3)

    world.execute(command_json("describe_instance", {"instance_id": "i-own"}, epoch=3))

    assert world.journal.read().role is Role.ZOMBIE
    assert not world.workload.serves


def test_a_newer_epoch_that_nobody_explains_demotes(world: World) -> None:
    world.registered()
    world.api.failures["config"] = [ServerUnreachable("500")]

    world.execute(command_json("describe_instance", {"instance_id": "i-own"}, epoch=3))

    assert world.journal.read().role is Role.ZOMBIE


def test_a_primary_that_is_still_primary_at_the_newer_epoch_keeps_serving(world: World) -> None:
    world.registered()
    world.api.view("running_primary", is_primary=True, epoch=3)

    world.execute(command_json("describe_instance", {"instance_id": "i-own"}, epoch=3))

    assert world.workload.serves
    assert world.journal.read().epoch == 3


def test_unregistered_daemons_do_not_poll(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.boot()

    world.step("commands")

    assert world.api.polls == []


def test_a_zombie_still_hears_and_obeys(tmp_path: Path) -> None:
    world = World(tmp_path, journal_of(Role.ZOMBIE, quiesced=True))
    world.boot()

    answer = world.execute(command_json("start_serving", {"epoch": 2, "bound_seconds": 20}, epoch=2))

    assert answer["outcome"] == "succeeded"
    assert world.journal.read().role is Role.PRIMARY


def _raise_for_standby(name: HookName) -> None:
    if name is HookName.STANDBY_CHECK:
        raise RuntimeError("a bug")
