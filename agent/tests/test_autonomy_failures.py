"""What fails in the middle of a handover without the server: processes, disks, answers, and the server's own word coming back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from agent_fakes.pair import Pair, take_over
from spot_agent.errors import ServerRefused
from spot_agent.journal_contents import HandoverRecord, from_json, to_json
from spot_agent.model import Role


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.mark.parametrize("number", range(1, 6))
def test_a_primary_that_dies_after_any_entry_in_its_journal_never_serves_beside_its_successor(pair: Pair, number: int) -> None:
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.announce()
    entries = iter(range(1, 1000))
    save = pair.primary.journal._save

    def save_and_die(contents: object) -> None:
        save(contents)  # type: ignore[arg-type]
        if next(entries) == number:
            raise KeyboardInterrupt

    pair.primary.journal._save = save_and_die  # type: ignore[method-assign]
    with suppress(KeyboardInterrupt):
        pair.passes(30)
    pair.primary.journal._save = save  # type: ignore[method-assign]
    pair.primary.restart()
    pair.primary.boot()

    pair.passes(40)

    assert pair.serving == ["i-next"]
    assert pair.most_serving == 1


@pytest.mark.parametrize("number", range(1, 5))
def test_a_successor_that_dies_after_any_entry_in_its_journal_goes_on_with_its_claim(pair: Pair, number: int) -> None:
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.announce()
    entries = iter(range(1, 1000))
    save = pair.standby.journal._save

    def save_and_die(contents: object) -> None:
        save(contents)  # type: ignore[arg-type]
        if next(entries) == number:
            raise KeyboardInterrupt

    pair.standby.journal._save = save_and_die  # type: ignore[method-assign]
    with suppress(KeyboardInterrupt):
        pair.passes(30)
    pair.standby.journal._save = save  # type: ignore[method-assign]
    pair.standby.guard.revoke()
    pair.standby.workload.stop()
    pair.standby.restart()
    pair.standby.boot()

    pair.passes(60, (pair.primary, "notices"), (pair.standby, "heartbeat"), (pair.standby, "replica_manager"))

    assert pair.serving == ["i-next"]
    assert pair.holder == "i-next"
    assert pair.most_serving == 1


@pytest.mark.parametrize("call", ["associate_address", "disassociate_address"])
def test_a_lost_answer_of_ec2_is_found_out(pair: Pair, call: str) -> None:
    pair.ec2.lost.add(call)

    take_over(pair)

    assert pair.serving == ["i-next"]
    assert pair.most_serving == 1


def test_a_full_disk_at_the_primary_gives_nothing_away(pair: Pair) -> None:
    pair.primary.journal.is_full = True

    take_over(pair)

    assert pair.holder == "i-own"
    assert pair.serving == ["i-own"]


def test_a_workload_that_does_not_stop_is_not_handed_over(pair: Pair) -> None:
    pair.primary.workload.ignores_stop = True

    take_over(pair)

    assert pair.serving == ["i-own"]
    assert pair.holder == "i-own"


def test_a_claim_that_the_server_refuses_ends_in_silence(pair: Pair) -> None:
    take_over(pair)
    pair.mend(pair.standby)
    pair.standby.api.failures["replicas/r-1/promote"] = [ServerRefused(409, "claim-refused", "epoch 4 is i-third's")]

    pair.passes(10, (pair.standby, "replica_manager"))

    assert pair.serving == []
    assert pair.standby.journal.read().role is Role.ZOMBIE
    assert pair.standby.journal.read().claim is None


def test_a_newer_epoch_demotes_the_holder_of_a_claim(pair: Pair) -> None:
    take_over(pair)
    pair.mend(pair.standby)
    pair.standby.api.view("zombie", is_primary=False, epoch=6)

    pair.passes(3, (pair.standby, "heartbeat"), (pair.standby, "replica_manager"))

    assert pair.serving == []
    assert pair.standby.journal.read().claim is None


def test_no_configuration_is_acknowledged_while_a_claim_is_open(pair: Pair) -> None:
    take_over(pair)
    pair.standby.api.failures["heartbeat"] = []
    pair.standby.api.answers["heartbeat"]["config_version"] = 9
    pair.standby.api.answers["config"] = {**pair.standby.api.answers["config"], "config_version": 9, "plan": None}
    pair.standby.api.failures["config"] = []
    pair.standby.api.sent.clear()

    pair.standby.step("heartbeat")
    pair.standby.step("heartbeat")

    assert [body["config_version"] for body in pair.standby.api.bodies("heartbeat")] == [None, None]


def test_a_plan_that_was_taken_back_is_acknowledged_and_not_acted_on(pair: Pair) -> None:
    pair.standby.api.answers["heartbeat"]["config_version"] = 8
    pair.standby.api.answers["config"] = {**pair.standby.api.answers["config"], "config_version": 8, "plan": None}
    pair.standby.step("heartbeat")
    pair.standby.step("heartbeat")
    assert pair.standby.api.bodies("heartbeat")[-1]["config_version"] == 8

    take_over(pair)
    pair.end_primary()
    pair.passes(60)

    assert pair.standby.workload.serves is False


def test_the_journal_keeps_plan_handover_and_claim(pair: Pair) -> None:
    take_over(pair)

    for world in (pair.primary, pair.standby):
        contents = world.journal.read()
        kept = from_json(to_json(contents, pair.clock.now()))
        assert kept == contents
        assert replace(kept, handover=None, claim=None) != kept


def test_a_disk_that_fills_up_before_the_role_is_given_up_gives_nothing_away(pair: Pair) -> None:
    def fill(_name: object) -> None:
        pair.primary.journal.is_full = True

    pair.primary.hooks.before = fill

    take_over(pair)

    assert pair.serving == ["i-own"]
    assert pair.holder == "i-own"
    assert pair.most_serving == 1


def test_an_order_to_serve_takes_an_open_handover_into_the_servers_hands(pair: Pair) -> None:
    begun = HandoverRecord("plan-1", 4, "i-next", "eipassoc-0", "2026-01-01T00:00:00Z")
    pair.primary.journal.change(lambda now: replace(now, quiesced=True, handover=begun))

    pair.primary.core.roles.promote(3, 30.0)

    assert pair.primary.journal.read().handover is None
    assert pair.serving == ["i-own"]
