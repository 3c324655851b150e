"""Two daemons of one agent in one pretend EC2: the primary i-own, and the standby i-next that its plan names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agent_fakes.memory import IDENTITY
from agent_fakes.virtual import VirtualStop
from agent_fakes.world import World, journal_of
from spot_agent.ec2_facts import AddressFacts
from spot_agent.errors import ServerUnreachable
from spot_agent.model import JsonObject, Role
from spot_agent.ports import Found

ACTION = "meta-data/spot/instance-action"
ADDRESS = "eipalloc-1"
TAGS = {"spot-optimizer:managed": "true", "spot-optimizer:logical-agent-id": "web-1", "spot-optimizer:agent-id": "agent-1"}
PLAN: JsonObject = {
    "plan_id": "plan-1",
    "epoch": 4,
    "predecessor_instance_id": "i-own",
    "successor_instance_id": "i-next",
    "successor_replica_id": "r-1",
    "allocation_id": ADDRESS,
    "valid_seconds": 86_400,
}
CALLS = ("heartbeat", "config", "pending_commands", "termination-imminent", "replicas", "executed", "replicas/r-1/promote")


def _view(role: Role, plan: JsonObject | None) -> JsonObject:
    status = "running_primary" if role is Role.PRIMARY else "running_replica"
    return {"config_version": 7, "epoch": 3, "instance_status": status, "is_primary": role is Role.PRIMARY, "plan": plan}


def daemon(directory: Path, instance_id: str, role: Role, plan: JsonObject | None, shared: World | None = None) -> World:
    """A daemon that has lived with the server so far: epoch 3, and the plan on its disk."""
    serves = role is Role.PRIMARY
    journal = replace(
        journal_of(role, epoch=3, quiesced=not serves, instance_id=instance_id),
        config=_view(role, plan),
        plan_seen_at="2026-01-01T00:00:00Z",
    )
    world = World(directory, journal)
    world.imds.readings["dynamic/instance-identity/document"] = Found(json.dumps({**IDENTITY, "instanceId": instance_id}))
    if shared is not None:
        world.ec2, world.clock, world.stop = shared.ec2, shared.clock, VirtualStop(shared.clock)
        world.workload._clock = shared.clock
        world.restart()
    world.ec2.add_instance(instance_id, tags=dict(TAGS))
    for call in ("heartbeat", "config"):
        world.api.answers[call] = {**world.api.answers[call], **_view(role, plan)}
    world.api.answers["replicas"] = {"replicas": [{"replica_id": "r-1", "instance_id": "i-next", "status": "ready"}]}
    if serves:
        world.guard.grant()
        world.workload.start()
    world.boot()
    return world


class Pair:
    """The two, and what must hold at every moment: at most one of them serves, and it is the one that has the address."""

    def __init__(self, directory: Path, plan: JsonObject | None = None) -> None:
        told = PLAN if plan is None else plan
        self.primary = daemon(directory / "primary", "i-own", Role.PRIMARY, told)
        self.ec2, self.clock = self.primary.ec2, self.primary.clock
        self.ec2.addresses[ADDRESS] = AddressFacts(ADDRESS, public_ip="203.0.113.9", association_id="eipassoc-0", instance_id="i-own")
        self.standby = daemon(directory / "standby", "i-next", Role.REPLICA, told, self.primary)
        self.most_serving = 0

    def cut(self, world: World, *calls: str) -> None:
        """From now on the server does not answer this daemon (these of its calls)."""
        for call in calls or CALLS:
            world.api.failures[call] = [ServerUnreachable("no route")] * 500

    def mend(self, world: World) -> None:
        world.api.failures.clear()

    def announce(self, seconds: float = 120.0, action: str = "terminate") -> None:
        at = (self.clock.now().timestamp()) + seconds
        minutes, rest = divmod(int(at - self.primary.clock.booted_at().timestamp() - 60), 60)
        self.primary.imds.readings[ACTION] = Found(json.dumps({"action": action, "time": f"2026-01-01T00:{minutes:02d}:{rest:02d}Z"}))

    def end_primary(self, state: str = "terminated") -> None:
        """EC2 ends the primary's instance: nothing of it runs any more, and a terminated one holds no address."""
        self.ec2.set_state("i-own", state)
        self.primary.workload.stop()
        if state == "terminated" and self.holder == "i-own":
            self.ec2.addresses[ADDRESS] = replace(self.ec2.addresses[ADDRESS], instance_id=None, association_id=None)

    def passes(self, seconds: float, *workers: tuple[World, str]) -> None:
        """Let time pass; each second these workers have a turn."""
        turns = workers or ((self.primary, "notices"), (self.standby, "replica_manager"))
        for _ in range(int(seconds)):
            for world, name in turns:
                world.step(name)
                self.most_serving = max(self.most_serving, len(self.serving))
            self.clock.advance(1.0)

    @property
    def holder(self) -> str | None:
        return self.ec2.addresses[ADDRESS].instance_id

    @property
    def serving(self) -> list[str]:
        return [name for name, world in (("i-own", self.primary), ("i-next", self.standby)) if world.workload.serves]


def take_over(pair: Pair) -> None:
    """The server is gone for both, and the primary is told of its end."""
    pair.cut(pair.primary)
    pair.cut(pair.standby)
    pair.standby.step("heartbeat")
    pair.announce()
    pair.passes(40)
