"""Defects that are planted one at a time, to see that a campaign finds them: without that, clean runs prove nothing.

The product has no hooks for this. Each defect replaces functions of the product in this process, by the names under which they are called.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from sqlalchemy.exc import DBAPIError

from spot_server.features.replicas.rules import AskAnother, TryAgain
from spot_server.features.sweeper.rules import Owned
from spot_server.features.switches.decisions import Settle, UndoSettle
from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaStatus, StepName, StepStatus

Substitute = Callable[[Any], Any]
"""Given what is there, returns what takes its place."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One defect: what it is, and what is put in place of what, by its full name."""

    what: str
    substitutes: dict[str, Substitute]


def _returning(value: object) -> Substitute:
    return lambda _original: lambda *_arguments, **_named: value


def _without_client_token(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    return lambda request: {key: value for key, value in original(request).items() if key != "ClientToken"}


def _fence_skipped(_original: object) -> Callable[..., Settle]:
    return lambda step, _facts, _policy: Settle(step.name, StepStatus.DONE)


def _traffic_forgotten(original: Callable[..., str | None]) -> Callable[..., str | None]:
    return lambda step, facts, policy: "planted" if step.name is StepName.TRAFFIC else original(step, facts, policy)


def _traffic_not_undone(original: Callable[..., object]) -> Callable[..., object]:
    def decide(step: Any, facts: Any, policy: Any) -> object:  # noqa: ANN401 - the product's own
        return UndoSettle(step.name, step.part) if step.name is StepName.TRAFFIC else original(step, facts, policy)

    return decide


def _asked_anew(original: Callable[..., object]) -> Callable[..., object]:
    def decide(facts: Any, policy: Any) -> object:  # noqa: ANN401 - the product's own
        decision = original(facts, policy)
        return TryAgain(decision.reason) if isinstance(decision, AskAnother) else decision

    return decide


def _answered_before_committed(original: Callable[..., object]) -> Callable[..., object]:
    def run(database: Any, use_case: Callable[[Any], object], *, is_write: bool) -> object:  # noqa: ANN401 - the product's own
        results: list[object] = []

        def noted(tx: object) -> object:
            results.append(use_case(tx))
            return results[-1]

        try:
            return database._attempt(noted, is_write=is_write)  # noqa: SLF001 - in place of a method of it
        except DBAPIError:
            return results[-1] if results else original(database, use_case, is_write=is_write)

    return run


def _confirmed_before_stopped(_original: object) -> Callable[..., None]:
    def quiesce(roles: Any, _bound_seconds: float) -> None:  # noqa: ANN401 - the product's own
        roles._note(lambda now: replace(now, quiesced=True))  # noqa: SLF001 - in place of a method of it

    return quiesce


def _always_terminated(original: Callable[..., object]) -> Callable[..., object]:
    def retire(tx: Any, agent: Any, *others: Any) -> object:  # noqa: ANN401 - the product's own
        return original(tx, replace(agent, auto_terminate_enabled=True), *others)

    return retire


def _believed_terminated(_original: object) -> Callable[..., object]:
    def drive(tx: Any, agent: Any, instance_id: str, **_named: object) -> object:  # noqa: ANN401 - the product's own
        note: Callable[..., object] = pkgutil.resolve_name("spot_server.features.replicas.termination.note_terminated")
        return note(tx, agent, instance_id, reason="planted")

    return drive


def _any_epoch_admitted(original: Callable[..., object]) -> Callable[..., object]:
    def admit(command: Any, record: Any, known: Any) -> object:  # noqa: ANN401 - the product's own
        return original(command, record, replace(known, epoch=min(known.epoch, command.epoch)))

    return admit


def _any_epoch_followed(original: Callable[..., object]) -> Callable[..., object]:
    def follow(role: object, epoch: int, view: Any) -> object:  # noqa: ANN401 - the product's own
        return original(role, min(epoch, view.epoch - 1), view)

    return follow


def _newest_kept(original: Callable[..., object]) -> Callable[..., object]:
    def plan(*, wanted_count: int, replicas: Any) -> object:  # noqa: ANN401 - the product's own
        alike = [replace(one, status=ReplicaStatus.READY) if one.status in LIVE_REPLICA_STATUSES else one for one in replicas]
        return original(wanted_count=wanted_count, replicas=alike)

    return plan


def _surplus_kept(original: Callable[..., Any]) -> Callable[..., object]:
    return lambda **facts: replace(original(**facts), retire=())


def _lost_from_now_on(original: Callable[..., object]) -> Callable[..., object]:
    def lost_since(tx: Any, *others: Any) -> object:  # noqa: ANN401 - the product's own
        return None if original(tx, *others) is None else tx.now

    return lost_since


def _quiesce_taken_for_done(original: Callable[..., object]) -> Callable[..., object]:
    def decide(step: Any, facts: Any, policy: Any) -> object:  # noqa: ANN401 - the product's own
        return Settle(step.name, StepStatus.DONE) if step.name is StepName.QUIESCE else original(step, facts, policy)

    return decide


def _without_snapshot_tags(original: Callable[..., object]) -> Callable[..., object]:
    return lambda tags, kinds: original(tags, tuple(kind for kind in kinds if kind != "snapshot"))


def _anybodys(original: Callable[..., object]) -> Callable[..., object]:
    return lambda adapter, _tags: original(adapter, {})


def _epoch_falls(_original: object) -> Callable[..., bool]:
    def write(tx: Any, agent: Any) -> bool:  # noqa: ANN401 - the product's own
        table: Any = pkgutil.resolve_name("spot_server.features.instances.service.agents")
        statement = table.update().where(table.c.agent_id == agent.agent_id)
        tx.execute(statement.values(epoch=agent.epoch - 1, config_version=agent.config_version + 1, version=agent.version + 1))
        return True

    return write


_SERVER, _DAEMON = "spot_server.features", "spot_agent"

PLANTS: dict[str, Plant] = {
    "fence-skipped": Plant(
        "a move does not wait for EC2's word that the silent old instance is gone",
        {f"{_SERVER}.switches.rules.decide_fence": _fence_skipped},
    ),
    "no-client-token": Plant(
        "launches carry no ClientToken, and are not looked up by theirs before they are repeated",
        {
            f"{_DAEMON}.ec2_shapes.run_instances_arguments": _without_client_token,
            f"{_DAEMON}.commands.launch_instance._launched_before": _returning(None),
            "spot_server.aws.shapes.run_instances_arguments": _without_client_token,
            f"{_SERVER}.control_role.acts._launched_before": _returning(None),
        },
    ),
    "asked-anew": Plant(
        "a launch that was not answered is asked for under another token", {f"{_SERVER}.replicas.progress.decide_launch": _asked_anew}
    ),
    "answered-before-committed": Plant(
        "what was rolled back is answered as if it had been committed", {"spot_server.db.runner.Database._run": _answered_before_committed}
    ),
    "traffic-forgotten": Plant("a move leaves the address where it was", {f"{_SERVER}.switches.rules._why_needless": _traffic_forgotten}),
    "traffic-not-undone": Plant(
        "a move that is taken back leaves the address where it went",
        {f"{_SERVER}.switches.undo_rules._decide_undo_on_old_side": _traffic_not_undone},
    ),
    "confirmed-before-stopped": Plant(
        "a daemon confirms that its workload stopped, and leaves it running", {f"{_DAEMON}.roles.Roles.quiesce": _confirmed_before_stopped}
    ),
    "always-terminated": Plant("auto-terminate is taken to be on", {f"{_SERVER}.switches.retirement._retire": _always_terminated}),
    "believed-terminated": Plant(
        "instances are called terminated without a word of EC2",
        {
            f"{_SERVER}.switches.retirement.drive_termination": _believed_terminated,
            f"{_SERVER}.replicas.ending.drive_termination": _believed_terminated,
        },
    ),
    "nonce-reused": Plant(
        "every launch gets the same nonce",
        {f"{_SERVER}.replicas.launching.secrets": lambda _original: SimpleNamespace(token_urlsafe=lambda length: "x" * length)},
    ),
    "rescue-not-resumed": Plant(
        "a rescue that gave up is never taken up again", {f"{_SERVER}.recoveries.queries.rescues_to_resume": _returning([])}
    ),
    "silence-unheard": Plant(
        "nobody looks into a primary that falls silent", {f"{_SERVER}.silences.jobs.SilenceWatch.__call__": _returning("")}
    ),
    "any-epoch": Plant(
        "daemons carry out commands, and take roles, of whatever epoch",
        {f"{_DAEMON}.workers.commands.admit": _any_epoch_admitted, f"{_DAEMON}.roles.follow_server": _any_epoch_followed},
    ),
    "newest-kept": Plant(
        "of two standbys the newest is kept, also when only the other is ready",
        {
            f"{_SERVER}.replicas.coordinating.plan_standbys": _newest_kept,
            f"{_SERVER}.replicas.standby_rules.plan_standbys": _newest_kept,
        },
    ),
    "quiesce-unasked": Plant(
        "the workload is taken to be stopped before its daemon was asked",
        {f"{_SERVER}.switches.rules._decide_step": _quiesce_taken_for_done},
    ),
    "strays-unswept": Plant("nobody looks for what runs without an owner", {f"{_SERVER}.sweeper.jobs.Sweeper.__call__": _returning("")}),
    "volumes-untold": Plant(
        "nobody is told of volumes that are attached to nothing", {f"{_SERVER}.sweeper.service.judge_volume": _returning(Owned())}
    ),
    "snapshots-untagged": Plant(
        "the snapshots of images, and those of data volumes, carry no tags",
        {
            f"{_DAEMON}.ec2_shapes.tag_specifications": _without_snapshot_tags,
            "spot_server.aws.shapes.tag_specifications": _without_snapshot_tags,
        },
    ),
    "keys-kept": Plant("the keys of a copy stay when it is over", {f"{_DAEMON}.commands.close_sync.move_id": _returning("planted")}),
    "others-cleaned-up": Plant(
        "the cleanup by age takes every snapshot of the account for its agent's own",
        {f"{_DAEMON}.ec2.BotocoreEc2.find_snapshots": _anybodys},
    ),
    "never-retired": Plant("old instances are never retired", {f"{_SERVER}.switches.retirement._retire": _returning(None)}),
    "never-stands-down": Plant(
        "what a recommendation had made ready is held for ever", {f"{_SERVER}.replicas.coordinating._stand_down": _returning(0)}
    ),
    "never-undone": Plant(
        "a move that is to be taken back is not, and stays so", {f"{_SERVER}.switches.undoing.apply_undo": _returning(value=False)}
    ),
    "standbys-unmade": Plant(
        "no standby is made that is to be kept", {f"{_SERVER}.replicas.coordinating._make_one": _returning(value=False)}
    ),
    "surplus-kept": Plant("no standby is given up that is one too many", {f"{_SERVER}.replicas.coordinating.plan_standbys": _surplus_kept}),
    "losses-understated": Plant(
        "a move says that it loses what is written from now on, whatever the age of its image",
        {f"{_SERVER}.switches.losses._lost_since": _lost_from_now_on},
    ),
    "given-up-silently": Plant(
        "no person is told that a workload cannot be helped",
        {
            f"{_SERVER}.switches.ending.tell_of_row": _returning(None),
            f"{_SERVER}.recoveries.resuming.tell_of_row": _returning(None),
            f"{_SERVER}.switches.alarms.tell_end": _returning(None),
            f"{_SERVER}.silences.service._tell": _returning(None),
        },
    ),
    "epoch-falls": Plant("a promotion lowers the epoch", {f"{_SERVER}.instances.service._raise_epoch": _epoch_falls}),
}


@contextmanager
def planted(name: str | None) -> Iterator[None]:
    """Have the defect inside the block; None: no defect. KeyError for a name that PLANTS does not know."""
    with ExitStack() as stack:
        for full_name, substitute in PLANTS[name].substitutes.items() if name is not None else ():
            owner_name, _, attribute = full_name.rpartition(".")
            owner = pkgutil.resolve_name(owner_name)
            stack.enter_context(mock.patch.object(owner, attribute, substitute(getattr(owner, attribute))))
        yield
