"""An agent whose instances say of themselves what they are like, for tests of what a difference does."""

from __future__ import annotations

from typing import Any, Self

from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.region import Machine
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import instances

LIKE: dict[str, Any] = {
    "instance_type": "m5.large",
    "security_group_ids": ["sg-1"],
    "metadata_options": {"HttpTokens": "required"},
    "tags": {"team": "shop"},
    "detailed_monitoring": True,
    "ebs_optimized": True,
    "cpu_credits": None,
    "root_device_name": "/dev/xvda",
    "volumes": {"/dev/xvda": {"volume_type": "gp3", "size_gib": 20, "iops": 3000, "throughput_mib_per_second": 125, "encrypted": False}},
}
UNLIKE = {**LIKE, "security_group_ids": ["sg-2"], "detailed_monitoring": False}


class FidelityStory(Story):
    """What is launched says `new_configuration` of itself when it registers; None: its daemon could not read it."""

    new_configuration: dict[str, Any] | None = LIKE
    gets_up: bool = True
    """Whether what is launched ever says that it is ready."""

    def says(self, instance_id: str, configuration: dict[str, Any] | None) -> None:
        where = (instances.c.agent_id == self.agent_id, instances.c.instance_id == instance_id)
        self.fleet.execute(update(instances).where(*where).values(configuration=configuration))

    def _register(self, machine: Machine) -> bool:
        is_in = super()._register(machine)
        if is_in:
            self.says(machine.instance_id, self.new_configuration)
        return is_in

    def _report_ready(self, machine: Machine) -> None:
        if self.gets_up:
            super()._report_ready(machine)

    @classmethod
    def like(cls, database: Database, clock: FakeClock, **settings: Any) -> Self:
        """A story whose first instance said what it is like."""
        made = cls.on(database, clock, has_image=True, terminate_wait_seconds=60, **settings)
        assert isinstance(made, cls)
        made.says("i-1", LIKE)
        return made
