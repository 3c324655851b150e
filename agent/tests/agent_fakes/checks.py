"""A check between fakes: a registered PRIMARY that serves, on a machine where everything works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent_fakes.world import World, journal_of
from spot_agent.checking import Checker, CheckParts
from spot_agent.journal_contents import JournalContents
from spot_agent.model import Role
from spot_agent.ports import Readiness
from spot_agent.rules.checks import Line
from spot_agent.status import Status
from spot_agent.surroundings import Surroundings

SYSTEMCTL = """#!/bin/sh
case "$*" in
  *show*) printf 'LoadState=loaded\\nAfter=spot-agent.service\\nTriggeredBy=\\n' ;;
  *cat*) printf '[Unit]\\nConditionPathExists=%s\\n' "$GUARD" ;;
esac
"""
HEALTHY = Status(
    running=True,
    healthy=True,
    problem=None,
    instance_id="i-own",
    logical_agent_id="web-1",
    agent_id="agent-1",
    role="PRIMARY",
    epoch=1,
    released=False,
    serving=True,
    may_serve=True,
    mode="spot",
    last_heartbeat_at="2026-01-01T00:00:00Z",
    heartbeat_age_seconds=3.0,
    unsent_reports=0,
    unanswered_commands=0,
    metadata_failures=0,
    scheduled_events=0,
    daemon_version="0.1.0",
)


class CheckedWorld:
    """Everything works until a test breaks it. `programs` are those on the PATH."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.programs = directory / "bin"
        self.programs.mkdir()
        self.put_program("systemctl", SYSTEMCTL)
        for name in ("state", "run"):
            (directory / name).mkdir()
        self.world = World(
            directory, SPOT_SERVER_URL="https://server.test", WORKLOAD_UNIT="web.service", ELASTIC_IP_ALLOCATION_ID="eipalloc-1"
        )
        self.world.guard.grant()
        self.world.workload.start()
        self.world.ec2.add_instance(
            "i-own",
            image_id="ami-1",
            instance_type="m5.large",
            spot_request_id="sir-1",
            metadata_options={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        )
        self.world.api.page = Readiness(200, "ok", is_ours=True, server_time=self.world.clock.now())
        self.contents: JournalContents = journal_of(Role.PRIMARY)
        self.status = HEALTHY
        self.env_file: Path | None = None

    def put_program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def set(self, **settings: object) -> None:
        self.world.settings = replace(self.world.settings, **settings)  # type: ignore[arg-type]

    def be(self, role: Role) -> None:
        """Another role, which may not serve, with the guard and the workload as they should be then."""
        self.contents = journal_of(role)
        self.world.guard.revoke()
        self.world.workload.stop()

    def lines(self) -> dict[str, list[Line]]:
        """The lines by name; a name may have several."""
        self.world.journal.change(lambda _now: self.contents)
        guard = str(self.world.settings.runtime_directory / "serve")
        parts = CheckParts(
            settings=self.world.settings,
            env_file=self.env_file,
            contents=self.contents,
            status=self.status,
            server_url=self.world.settings.server_url,
            clock=self.world.clock,
            imds=self.world.imds,
            ec2_of_region=lambda _region: self.world.ec2,
            server=self.world.api,
            hooks=self.world.hooks,
            carry_problems=self.world.carrier.problems,
            guard=self.world.guard,
            surroundings=Surroundings({"PATH": f"{self.programs}:/usr/bin:/bin", "GUARD": guard}),
        )
        found: dict[str, list[Line]] = {}
        for line in Checker(parts).lines():
            found.setdefault(line.name, []).append(line)
        return found

    def line(self, name: str) -> Line:
        (found,) = self.lines()[name]
        return found
