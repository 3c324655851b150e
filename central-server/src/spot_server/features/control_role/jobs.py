"""Carrying out the control role's commands: every run begins what is due, each act in a thread of its own, and waits for none."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from spot_server.aws.ports import AwsGateway
from spot_server.errors import DatabaseUnavailable, NotFound, OutcomeDiffers
from spot_server.features.control_role import service
from spot_server.features.control_role.rules import InHand, OpenCommand, choose_due
from spot_server.features.control_role.service import Answered, ComeBack
from spot_server.jobs.lease import LeaseLost
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings

SETTLE_SECONDS = 5.0
"""How long a process that leads no more waits for its acts to be recorded; what is left is taken up by the next leader."""

Spawn = Callable[[Callable[[], None]], None]


def start_thread(work: Callable[[], None]) -> None:
    """Run `work` in a thread that does not keep the process alive: an act that is cut short is taken up again."""
    threading.Thread(target=work, name="control-role", daemon=True).start()


@dataclass(slots=True)
class _Waiting:
    """A command between two looks. `tries` counts the troubles in a row."""

    next_look_seconds: float
    tries: int


@dataclass(slots=True)
class _Hand:
    """What this process has begun, under one lock."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    working: dict[str, OpenCommand] = field(default_factory=dict)
    waiting: dict[str, _Waiting] = field(default_factory=dict)


class ControlRoleActs:
    """The job. It remembers what it has begun only to be quick about it: after a crash the commands' own rows say enough."""

    def __init__(
        self,
        gateway: AwsGateway,
        *,
        most_at_once: int,
        spawn: Spawn = start_thread,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`most_at_once` (>= 2) bounds the acts that run at the same time."""
        self._gateway = gateway
        self._most_at_once = most_at_once
        self._spawn = spawn
        self._draw = draw
        self._hand = _Hand()

    def __call__(self, context: JobContext) -> str:
        """Begin what is due; each act says in the log what came of it."""
        commands = context.database.read(service.list_open)
        with self._hand.changed:
            still_open = {command.command_id for command in commands}
            self._hand.waiting = {key: value for key, value in self._hand.waiting.items() if key in still_open}
            due = choose_due(
                commands,
                InHand(list(self._hand.working.values()), {key: value.next_look_seconds for key, value in self._hand.waiting.items()}),
                now=context.clock.now(),
                now_seconds=context.clock.monotonic_seconds(),
                most_at_once=self._most_at_once,
            )
            self._hand.working.update({command.command_id: command for command in due})
        for command in due:
            self._spawn(lambda command=command: self._work(context, command))  # type: ignore[misc]
        return ""

    def settle(self) -> None:
        """Wait a little for the acts that are under way, so that their answers are recorded while this process may still write."""
        with self._hand.changed:
            self._hand.changed.wait_for(lambda: not self._hand.working, SETTLE_SECONDS)

    def _work(self, context: JobContext, command: OpenCommand) -> None:
        """One look at one command. Whatever goes wrong, the command stays open and is taken up again."""
        come_back: ComeBack | None = None
        try:
            come_back = self._look(context, command)
        except (LeaseLost, DatabaseUnavailable, OutcomeDiffers, NotFound) as error:
            context.log.warning("control_role_not_recorded", command_id=command.command_id, kind=command.kind, error=repr(error))
        except Exception:  # as the job runner: logged once, left to the next run
            context.log.exception("control_role_failed", command_id=command.command_id, kind=command.kind)
        finally:
            self._put_down(context, command, come_back)

    def _look(self, context: JobContext, command: OpenCommand) -> ComeBack | None:
        claimed = context.database.write(lambda tx: service.claim(tx, command.command_id))
        if claimed is None:
            return None
        before = self._hand.waiting.get(command.command_id)
        tries = 0 if before is None else before.tries
        looked = service.carry_out(claimed, self._gateway, now=context.clock.now(), tries=tries, draw=self._draw())
        match looked:
            case ComeBack():
                return looked
            case Answered(outcome):
                status = context.database.write(lambda tx: service.record(tx, claimed, outcome))
                context.log.info(
                    "control_role_acted",
                    command_id=command.command_id,
                    agent_id=command.agent_id,
                    kind=command.kind,
                    status=status,
                    error=outcome.error,
                )
        return None

    def _put_down(self, context: JobContext, command: OpenCommand, come_back: ComeBack | None) -> None:
        with self._hand.changed:
            before = self._hand.waiting.pop(command.command_id, None)
            if come_back is not None:
                tries = (0 if before is None else before.tries) + 1 if come_back.is_trouble else 0
                due_seconds = context.clock.monotonic_seconds() + come_back.after_seconds
                self._hand.waiting[command.command_id] = _Waiting(due_seconds, tries)
            del self._hand.working[command.command_id]
            self._hand.changed.notify_all()


def control_role_job(settings: Settings, gateway: AwsGateway) -> Job:
    """Return the job with its bounds from the settings."""
    return job_of(ControlRoleActs(gateway, most_at_once=settings.control_role_threads), settings)


def job_of(acts: ControlRoleActs, settings: Settings) -> Job:
    """Return the job that carries out these acts."""
    return Job("act_as_control_role", settings.control_role_period_seconds, acts, settle=acts.settle)
