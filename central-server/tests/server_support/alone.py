"""What daemons do while they do not reach the server, for tests of what the server makes of it."""

from __future__ import annotations

from functools import partial

from sqlalchemy import select

from server_support.story import ADDRESS, Story
from spot_server.db.tables import autonomy_plans
from spot_server.features.autonomy import queries, service
from spot_server.features.autonomy.rules import Claim, Plan
from spot_server.features.autonomy.service import ClaimAnswer, ClaimReport


def plan_of(story: Story) -> Plan | None:
    """The plan in force."""
    return story.database.read(partial(queries.plan_in_force, agent_id=story.agent_id))


def open_plans(story: Story) -> list[str]:
    """The successors of every plan that may still be acted on, oldest first."""
    table = autonomy_plans
    return story.fleet.scalars(select(table.c.successor_instance_id).where(table.c.agent_id == story.agent_id).order_by(table.c.issued_at))


def planned(story: Story) -> Plan:
    """Let time pass until a plan is in force."""
    story.passes(120, until=lambda: plan_of(story) is not None)
    plan = plan_of(story)
    assert plan is not None
    return plan


def loses_touch(story: Story, *instance_ids: str) -> None:
    """The server hears these daemons no more; what they do goes on."""
    for instance_id in instance_ids:
        story.region.machines[instance_id].has_daemon = False


def is_heard_again(story: Story, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        story.region.machines[instance_id].has_daemon = True


def hands_over(story: Story, plan: Plan) -> None:
    """The predecessor stops, gives its role up, and frees the address."""
    old = story.region.machines[plan.predecessor_instance_id]
    old.is_serving, old.is_quiesced, old.epoch = False, True, plan.epoch
    if story.region.address_of.get(ADDRESS) == plan.predecessor_instance_id:
        del story.region.address_of[ADDRESS]


def ends(story: Story, instance_id: str) -> None:
    """EC2 terminates an instance; an address of it is free then."""
    story.region.lose(instance_id)
    if story.region.address_of.get(ADDRESS) == instance_id:
        del story.region.address_of[ADDRESS]


def claims(story: Story, plan: Plan) -> bool:
    """The successor asks EC2 for the address, which it gets only while nobody has it; then it serves. Whether it got it."""
    if story.region.address_of.get(ADDRESS) not in {None, plan.successor_instance_id}:
        return False
    new = story.region.machines[plan.successor_instance_id]
    story.region.address_of[ADDRESS] = new.instance_id
    new.is_serving, new.is_quiesced, new.epoch, new.acknowledges = True, False, plan.epoch, False
    return True


def tells(story: Story, plan: Plan) -> ClaimAnswer:
    """The successor tells of its claim; it acknowledges again once it was answered."""
    claim = Claim(plan.plan_id, plan.successor_instance_id, plan.successor_replica_id, plan.epoch, plan.allocation_id)
    report = ClaimReport(claim, claimed_at=story.clock.now(), handed_over_at=story.clock.now())
    answer = story.database.write(lambda tx: service.adopt_claim(tx, story.agent_id, report))
    story.region.machines[plan.successor_instance_id].acknowledges = True
    return answer


def steps_down(story: Story, instance_id: str) -> None:
    """A claim was refused: its maker stops, and goes by what the server says."""
    machine = story.region.machines[instance_id]
    machine.is_serving, machine.is_quiesced, machine.acknowledges = False, True, True
