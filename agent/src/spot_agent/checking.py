"""`spot-agent check`: asks everything that the daemon depends on. What the answers mean is decided in the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from spot_agent.clock import Clock
from spot_agent.discovery import PATH_IDENTITY, read_identity
from spot_agent.ec2_facts import DryRun, InstanceFacts
from spot_agent.errors import Ec2Failed, ServerFailed, ServerRefused
from spot_agent.guard import Guard
from spot_agent.journal_contents import JournalContents
from spot_agent.model import TAG_LOGICAL_AGENT_ID, TAG_MANAGED, Identity, JsonObject, Role
from spot_agent.ports import CheckedEc2, CheckedServer, Found, HookName, HookResult, Hooks, Imds
from spot_agent.registration import PATH_USER_DATA
from spot_agent.rules import machine_checks as machine
from spot_agent.rules import server_checks as server
from spot_agent.rules import workload_checks as work
from spot_agent.rules.checks import Line, ok
from spot_agent.rules.owners import owner_of
from spot_agent.rules.registration import parse_user_data
from spot_agent.rules.rights import judge_owner, judge_right, rights_to_act, rights_to_look
from spot_agent.settings import Settings
from spot_agent.status import Status
from spot_agent.surroundings import Surroundings
from spot_agent.trials import Right, Trial
from spot_agent.workers.notices import PATH_REBALANCE, PATH_TERMINATION
from spot_agent.workload import CHECK_BOUND_SECONDS

DAEMON_UNIT = "spot-agent.service"
HOOKS = {
    HookName.START: "START_COMMAND",
    HookName.STOP: "STOP_COMMAND",
    HookName.STANDBY_CHECK: "STANDBY_CHECK_COMMAND",
    HookName.SERVING_CHECK: "SERVING_CHECK_COMMAND",
    HookName.TRAFFIC: "TRAFFIC_COMMAND",
}


@dataclass(frozen=True, slots=True)
class CheckParts:
    """What a check asks, and what it was told at its start. `env_file` is None when the environment said it all."""

    settings: Settings
    env_file: Path | None
    contents: JournalContents
    status: Status
    server_url: str
    clock: Clock
    imds: Imds
    ec2_of_region: Callable[[str], CheckedEc2]
    server: CheckedServer
    hooks: Hooks
    carry_problems: Callable[[str], list[str]]
    guard: Guard
    surroundings: Surroundings


class Checker:
    """`lines` asks and judges one thing after the other, so that a person sees where it is held up."""

    def __init__(self, parts: CheckParts) -> None:
        self._parts = parts
        self._settings = parts.settings
        self._contents = parts.contents
        self._config: JsonObject = {}

    def lines(self) -> Iterator[Line]:
        """Every line, in the order in which a person would mend things."""
        yield from self._files()
        identity = read_identity(self._parts.imds)
        yield machine.judge_identity(self._parts.imds.read(PATH_IDENTITY), identity, self._settings.imds_endpoint)
        if identity is not None:
            yield machine.judge_notices(
                {path.rsplit("/", 1)[-1]: self._parts.imds.read(path) for path in (PATH_TERMINATION, PATH_REBALANCE)}
            )
        yield from self._server()
        yield from self._daemon()
        if identity is not None:
            yield from self._ec2(identity)
        yield from self._workload()

    def _files(self) -> Iterator[Line]:
        look = self._parts.surroundings
        if self._parts.env_file is not None:
            yield machine.judge_secret_file("settings", str(self._parts.env_file), look.mode(self._parts.env_file))
        else:
            yield ok("settings", "from the environment alone")
        journal = self._settings.state_directory / "journal.json"
        yield machine.judge_secret_file("journal", str(journal), look.mode(journal))
        yield machine.judge_folder("state directory", look.folder(self._settings.state_directory))
        yield machine.judge_folder("runtime directory", look.folder(self._settings.runtime_directory))
        token_file = self._settings.enrolment_token_file
        is_there = token_file is not None and look.mode(token_file) is not None
        left = machine.judge_enrolment_token(is_registered=self._contents.token is not None, path=str(token_file) if is_there else None)
        if left is not None:
            yield left

    def _server(self) -> Iterator[Line]:
        asked_at = self._parts.clock.now()
        answer = server.ServerAnswer(self._parts.server.readiness(self._parts.server_url), asked_at, self._parts.clock.now())
        yield server.judge_server(self._parts.server_url, answer)
        yield server.judge_clock(answer)
        yield server.judge_token(self._try_token(), self._contents.logical_agent_id or self._settings.logical_agent_id)

    def _try_token(self) -> server.TokenTrial:
        if self._contents.released:
            return server.Released()
        if self._contents.token is None:
            user_data = self._parts.imds.read(PATH_USER_DATA)
            nonce = parse_user_data(user_data.text) if isinstance(user_data, Found) else None
            return server.Unregistered(self._settings.enrolment_token is not None, nonce is not None)
        try:
            self._config = self._parts.server.config()
        except ServerRefused as error:
            return server.Refused(error.status, error.problem, error.detail)
        except ServerFailed as error:
            return server.Unheard(str(error))
        told = self._config
        return server.Welcome(str(told.get("agent_id")), str(told.get("instance_status")), int(told.get("epoch") or 0))

    def _daemon(self) -> Iterator[Line]:
        status = self._parts.status
        yield machine.judge_daemon(running=status.running, problem=status.problem, heartbeat_age_seconds=status.heartbeat_age_seconds)
        seen = work.Permission(
            self._contents.role, self._contents.may_serve, self._parts.guard.is_granted(), str(self._settings.runtime_directory / "serve")
        )
        yield work.judge_permission(seen, running=status.running)

    def _ec2(self, identity: Identity) -> Iterator[Line]:
        ec2 = self._parts.ec2_of_region(identity.region)
        first, *others = rights_to_look()
        answer = ec2.dry_run(first.operation, first.arguments)
        yield judge_right(first, answer)
        if answer.is_ignored:
            return
        instance = self._describe(ec2, identity)
        yield machine.judge_metadata_options(instance.metadata_options if instance else None)
        yield judge_owner(instance, owner_of(instance.tags) if instance else None)
        for right in (*others, *rights_to_act(self._trial(ec2, identity, instance))):
            yield judge_right(right, _tried(ec2, right))

    def _describe(self, ec2: CheckedEc2, identity: Identity) -> InstanceFacts | None:
        try:
            return ec2.describe_instance(identity.instance_id)
        except Ec2Failed:
            return None

    def _trial(self, ec2: CheckedEc2, identity: Identity, instance: InstanceFacts | None) -> Trial:
        """What does not answer is left out: its own line says so."""
        logical_agent_id = self._contents.logical_agent_id or self._settings.logical_agent_id
        tags = {TAG_MANAGED: "true", TAG_LOGICAL_AGENT_ID: logical_agent_id}
        try:
            images, snapshots = ec2.find_images(tags), ec2.find_snapshots(tags)
        except Ec2Failed:
            images, snapshots = (), ()
        return Trial(
            instance_id=identity.instance_id,
            instance=instance,
            logical_agent_id=logical_agent_id,
            traffic_handles=self._traffic_handles(),
            image_id=images[0].image_id if images else None,
            snapshot_id=snapshots[0].snapshot_id if snapshots else None,
            has_control_role=self._config.get("has_control_role") is True,
            carry=self._carry(),
        )

    def _traffic_handles(self) -> tuple[JsonObject, ...]:
        """The server's word once there is one: a person may have set the handles there."""
        handles = self._config.get("traffic_handles")
        listed = handles if isinstance(handles, list) else self._settings.traffic_handles
        return tuple(handle for handle in listed if isinstance(handle, dict))

    def _carry(self) -> str:
        return str(self._config.get("carry") or self._settings.carry)

    def _workload(self) -> Iterator[Line]:
        name = self._settings.workload_unit
        unit = self._parts.surroundings.unit(name) if name else None
        yield work.judge_unit(unit, str(self._settings.runtime_directory / "serve"), DAEMON_UNIT)
        carry = self._carry()
        yield work.judge_carry(carry, self._parts.carry_problems(carry))
        commands = self._settings.hooks.by_name()
        yield from work.judge_missing_hooks({setting: bool(commands[hook.value]) for hook, setting in HOOKS.items()})
        for hook, setting in HOOKS.items():
            if commands[hook.value]:
                yield self._hook(hook, setting, commands[hook.value])

    def _hook(self, hook: HookName, setting: str, command: tuple[str, ...]) -> Line:
        """A serving check is a question. A standby check is asked where the daemon asks it: never beside a serving workload."""
        program = self._parts.surroundings.program(command[0])
        if program is not None and hook is HookName.SERVING_CHECK:
            result = self._run(hook, CHECK_BOUND_SECONDS)
            return work.judge_serving(command, result, role=self._contents.role, may_serve=self._contents.may_serve)
        if program is not None and hook is HookName.STANDBY_CHECK and self._contents.role is Role.REPLICA:
            before = self._serves()
            result = self._run(hook, self._settings.hook_bound_seconds)
            return work.judge_standby(command, result, served_before=before, serves_after=self._serves())
        return work.judge_program(setting, command, program)

    def _run(self, hook: HookName, bound_seconds: float) -> HookResult:
        return self._parts.hooks.run(hook, bound_seconds) or HookResult(None, "not set")

    def _serves(self) -> bool | None:
        result = self._parts.hooks.run(HookName.SERVING_CHECK, CHECK_BOUND_SECONDS)
        return None if result is None or result.timed_out else result.passed


def _tried(ec2: CheckedEc2, right: Right) -> DryRun | None:
    return None if right.skipped else ec2.dry_run(right.operation, right.arguments)
