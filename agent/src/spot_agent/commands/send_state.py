"""send_state: one pass of the state from the old primary to the new side: by rsync to its receiver, or by the person's own hook."""

from __future__ import annotations

from spot_agent.carrying.passes import HookOrder, Order, Sending
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, bad_payload, optional_text, seconds, text
from spot_agent.commands.make_sync_key import move_id
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.rules.rsync import Door, Pass
from spot_agent.timestamps import optional_from_wire

PASS_BOUND_SECONDS = 3_600.0
CODE_SENDING = "still_sending"
MEANS_RSYNC, MEANS_HOOK = "rsync", "hook"


def handle(command: Command, tools: Tools) -> Handled:
    """NotYet while it runs; a repeat after a crash begins the pass again, and finds most of it done."""
    which = _pass_of(command)
    if which is Pass.LAST and tools.journal.read().may_serve:
        raise ActFailed(
            ErrorClass.REFUSED, "still_serving", "the last pass comes after the quiesce: what is written during it would be lost"
        )
    means = command.payload.get("means", MEANS_RSYNC)
    if means == MEANS_HOOK:
        return _by_hook(command, which, tools)
    if means != MEANS_RSYNC:
        raise bad_payload("means", "rsync or hook")
    order = _order(command, which)
    sent = tools.carrier.send(order)
    if isinstance(sent, Sending):
        tools.tell_progress(order.move_id, {"step_progress": {"pass": order.which.value, "bytes_sent": sent.counted.bytes_sent}})
        return NotYet(CODE_SENDING, 0.0)
    return Succeeded(
        {
            "pass": order.which.value,
            "bytes_sent": sent.counted.bytes_sent,
            "files_sent": sent.counted.files_sent,
            "took_seconds": sent.took_seconds,
            "is_whole": sent.is_whole,
        }
    )


def _by_hook(command: Command, which: Pass, tools: Tools) -> Handled:
    bound_seconds = seconds(command, "bound_seconds", PASS_BOUND_SECONDS)
    order = HookOrder(move_id(command), which, text(command, "host"), text(command, "instance_id"), bound_seconds)
    ran = tools.carrier.run_hook(order)
    if isinstance(ran, Sending):
        return NotYet(CODE_SENDING, 0.0)
    return Succeeded({"pass": which.value, "took_seconds": ran.took_seconds, "output": ran.output})


def _pass_of(command: Command) -> Pass:
    named = text(command, "pass")
    if named not in (Pass.FIRST.value, Pass.LAST.value):
        raise bad_payload("pass", "first or last")
    return Pass(named)


def _order(command: Command, which: Pass) -> Order:
    port = command.payload.get("port")
    if type(port) is not int:
        raise bad_payload("port", "a whole number")
    door = Door(text(command, "host"), port, text(command, "user"), text(command, "host_key"))
    problem = door.problem()
    if problem is not None:
        raise ActFailed(ErrorClass.REFUSED, "bad_payload", problem)
    trusted_before = optional_from_wire(optional_text(command, "trusted_before"))
    return Order(
        move_id=move_id(command),
        which=which,
        door=door,
        bound_seconds=seconds(command, "bound_seconds", PASS_BOUND_SECONDS),
        trusted_before_seconds=None if trusted_before is None else trusted_before.timestamp(),
    )
