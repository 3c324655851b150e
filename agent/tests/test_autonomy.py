"""A notice comes while the server is away: the primary hands over to the one successor of its plan, and two never serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_fakes.memory import command_json
from agent_fakes.pair import ADDRESS, PLAN, TAGS, Pair, take_over
from spot_agent.model import TAG_HANDED_OVER, Role


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_without_a_server_the_successor_serves_within_seconds_of_the_notice(pair: Pair) -> None:
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(5)
    pair.announce()

    pair.passes(10)

    assert pair.serving == ["i-next"]
    assert pair.holder == "i-next"
    assert pair.most_serving == 1
    assert (pair.primary.journal.read().role, pair.primary.journal.read().epoch) == (Role.ZOMBIE, 4)
    assert (pair.standby.journal.read().role, pair.standby.journal.read().epoch) == (Role.PRIMARY, 4)


def test_another_clients_agent_of_the_same_name_overtakes_nobody(pair: Pair) -> None:
    theirs = {**TAGS, "spot-optimizer:agent-id": "agent-of-another", "spot-optimizer:epoch": "9"}
    pair.ec2.add_instance("i-theirs", tags=theirs)
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(5)
    pair.announce()

    pair.passes(10)

    assert pair.serving == ["i-next"]


def test_what_was_done_is_told_when_the_server_is_back(pair: Pair) -> None:
    take_over(pair)
    pair.mend(pair.standby)
    pair.standby.api.sent.clear()

    pair.passes(10, (pair.standby, "replica_manager"))

    [told] = pair.standby.api.bodies("replicas/r-1/promote")
    assert (told["plan_id"], told["epoch"], told["allocation_id"]) == ("plan-1", 4, ADDRESS)
    assert told["handed_over_at"] is not None
    assert pair.standby.journal.read().claim is None


def test_while_the_server_answers_nothing_is_done_without_it(pair: Pair) -> None:
    pair.announce()

    pair.passes(100)

    assert pair.serving == ["i-own"]
    assert pair.holder == "i-own"


def test_a_server_that_took_the_notice_and_then_fell_silent_is_waited_for_and_then_done_without(pair: Pair) -> None:
    pair.announce(120)
    pair.passes(3)
    assert pair.primary.journal.read().unsent == ()
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")

    pair.passes(50)
    before = pair.serving
    pair.passes(30)

    assert (before, pair.serving) == (["i-own"], ["i-next"])
    assert pair.most_serving == 1


@pytest.mark.parametrize("action", ["hibernate"])
def test_a_hibernation_leaves_no_time_and_nothing_is_begun(pair: Pair, action: str) -> None:
    pair.cut(pair.primary)
    pair.announce(action=action)

    pair.passes(30)

    assert pair.serving == ["i-own"]


@pytest.mark.parametrize(
    "changed",
    [
        {"predecessor_instance_id": "i-other"},
        {"epoch": 5},
        {"successor_instance_id": "i-unknown"},
        {"valid_seconds": 1},
    ],
)
def test_a_plan_that_is_not_for_this_moment_moves_nothing(tmp_path: Path, changed: dict[str, object]) -> None:
    pair = Pair(tmp_path, {**PLAN, **changed})
    pair.clock.advance(5)
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.announce()

    pair.passes(60)

    assert pair.serving == ["i-own"]
    assert pair.holder == "i-own"


def test_a_primary_without_the_right_to_set_its_mark_serves_to_the_end_and_is_followed_then(pair: Pair) -> None:
    pair.ec2.failures["tag"] = ["UnauthorizedOperation"] * 500
    take_over(pair)
    assert pair.serving == ["i-own"]

    pair.end_primary()
    pair.passes(10, (pair.standby, "replica_manager"))

    assert pair.serving == ["i-next"]
    assert pair.most_serving == 1


def test_an_instance_that_is_lost_without_a_word_while_the_server_is_away_is_followed_on_ec2s_word(pair: Pair) -> None:
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(10)
    pair.end_primary("shutting-down")
    pair.passes(30, (pair.standby, "replica_manager"))
    assert pair.serving == []

    pair.end_primary()
    pair.passes(10, (pair.standby, "replica_manager"))

    assert pair.serving == ["i-next"]
    assert pair.standby.journal.read().claim is not None


@pytest.mark.parametrize("state", ["stopped", "stopping", "shutting-down"])
def test_an_instance_that_may_yet_serve_is_not_followed(pair: Pair, state: str) -> None:
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(10)

    pair.end_primary(state)
    pair.passes(60, (pair.standby, "replica_manager"))

    assert pair.serving == []
    assert pair.holder == "i-own"


def test_a_successor_that_slept_through_the_end_does_not_wake_up_as_primary(pair: Pair) -> None:
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(10)
    pair.clock.suspend(3600)
    pair.end_primary()

    pair.passes(60, (pair.standby, "replica_manager"))

    assert pair.serving == []
    assert pair.holder is None


def test_an_address_that_another_got_first_is_left_to_it(pair: Pair) -> None:
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.announce()
    pair.ec2.add_instance("i-third")
    pair.passes(10, (pair.primary, "notices"))
    pair.ec2.associate_address(ADDRESS, "i-third", allow_reassociation=False)

    pair.passes(60)

    assert pair.serving == []
    assert pair.holder == "i-third"
    assert pair.standby.journal.read().role is Role.REPLICA


def test_a_free_address_alone_promotes_nobody(pair: Pair) -> None:
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.ec2.disassociate_address("eipassoc-0")

    pair.passes(60, (pair.standby, "replica_manager"))

    assert pair.serving == ["i-own"]
    assert pair.holder is None


def test_a_later_epoch_in_the_tags_of_another_instance_ends_the_plan(pair: Pair) -> None:
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.passes(5)
    pair.ec2.add_instance("i-third", tags={**pair.ec2.instances["i-own"].tags, "spot-optimizer:epoch": "4"})
    pair.end_primary()

    pair.passes(60, (pair.standby, "replica_manager"))

    assert pair.serving == []


def test_a_server_that_comes_back_before_the_commit_has_the_handover_in_its_hands(pair: Pair) -> None:
    """Its order to serve is noted while the workload is being stopped, and starts it afterwards: the journal lets one through."""
    pair.cut(pair.primary)
    pair.announce()

    def order(_name: object) -> None:
        pair.primary.hooks.before = lambda name: None
        pair.mend(pair.primary)
        pair.primary.journal.change(lambda now: replace(now, quiesced=False, handover=None))

    pair.primary.hooks.before = order
    pair.passes(5)
    pair.primary.core.roles.promote(3, 30.0)
    pair.passes(15)

    contents = pair.primary.journal.read()
    assert (contents.role, contents.epoch, contents.handover) == (Role.PRIMARY, 3, None)
    assert pair.holder == "i-own"
    assert pair.most_serving == 1


def test_a_quiesce_by_the_server_before_the_commit_takes_the_handover_off(pair: Pair) -> None:
    pair.cut(pair.primary)
    pair.announce()

    def order(_name: object) -> None:
        pair.primary.hooks.before = lambda name: None
        pair.mend(pair.primary)
        pair.primary.core.roles.quiesce(30.0)

    pair.primary.hooks.before = order
    pair.passes(20)

    assert pair.serving == []
    assert (pair.primary.journal.read().role, pair.primary.journal.read().epoch) == (Role.PRIMARY, 3)
    assert pair.holder == "i-own"
    assert TAG_HANDED_OVER not in pair.ec2.instances["i-own"].tags or "begun" in pair.ec2.instances["i-own"].tags[TAG_HANDED_OVER]


def test_after_the_commit_every_order_of_the_old_epoch_is_too_late(pair: Pair) -> None:
    take_over(pair)
    pair.mend(pair.primary)
    pair.primary.api.view("running_primary", is_primary=True, epoch=3)
    pair.primary.step("heartbeat")

    answers = [
        pair.primary.execute(command_json("start_serving", {"epoch": 3}, epoch=3)),
        pair.primary.execute(command_json("quiesce", epoch=3)),
    ]

    assert [answer["error"]["class"] for answer in answers] == ["stale_epoch", "stale_epoch"]
    assert pair.serving == ["i-next"]
    assert pair.primary.journal.read().role is Role.ZOMBIE


def test_an_old_primary_that_is_started_again_does_not_serve(pair: Pair) -> None:
    take_over(pair)
    pair.primary.guard.revoke()
    pair.primary.restart()
    pair.primary.boot()

    pair.passes(30, (pair.primary, "heartbeat"), (pair.primary, "replica_manager"), (pair.primary, "notices"))

    assert pair.serving == ["i-next"]
