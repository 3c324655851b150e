"""Moving an address that is a claim: others may be about to get it by a plan of theirs."""

from __future__ import annotations

import pytest

from agent_fakes.memory import command_json
from agent_fakes.world import World
from spot_agent.ec2_facts import AddressFacts


@pytest.fixture
def running(world: World) -> World:
    return world.registered()


GUARDED = {"allow_reassociation": False, "claimant_instance_ids": ["i-next"], "predecessor_instance_ids": ["i-own"]}


@pytest.mark.parametrize(("holder_id", "is_got"), [(None, True), ("i-own", True), ("i-third", True), ("i-next", False)])
def test_an_address_that_others_may_claim_is_taken_from_no_claimant(running: World, holder_id: str | None, *, is_got: bool) -> None:
    hold = None if holder_id is None else "eipassoc-0"
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "203.0.113.9", holder_id, hold)

    answer = running.execute(command_json("move_address", {"allocation_id": "eipalloc-1", "instance_id": "i-2", **GUARDED}))

    held = running.ec2.addresses["eipalloc-1"].instance_id
    assert (answer["outcome"], held) == (("succeeded", "i-2") if is_got else ("failed", "i-next"))
    assert is_got or answer["error"]["code"] == "claimed_by_successor"


def test_an_address_that_a_claimant_gets_between_look_and_act_is_left_to_it(running: World) -> None:
    running.ec2.addresses["eipalloc-1"] = AddressFacts("eipalloc-1", "203.0.113.9", "i-own", "eipassoc-0")
    free = running.ec2.disassociate_address

    def free_and_claim(association_id: str) -> None:
        free(association_id)
        running.ec2.associate_address("eipalloc-1", "i-next", allow_reassociation=False)

    running.ec2.disassociate_address = free_and_claim  # type: ignore[method-assign]

    answer = running.execute(command_json("move_address", {"allocation_id": "eipalloc-1", "instance_id": "i-2", **GUARDED}))

    assert answer["error"]["code"] == "Resource.AlreadyAssociated"
    assert running.ec2.addresses["eipalloc-1"].instance_id == "i-next"
