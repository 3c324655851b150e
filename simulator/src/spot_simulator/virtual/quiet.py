"""What daemons leave out while nothing happens. One rule: a look that would see what the last look saw is not made.

A test plays the same schedules with and without the rule, and compares what happened.
"""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.bootstrap import Ports
from spot_agent.journal_contents import JournalContents
from spot_agent.live import LiveFacts
from spot_agent.rules.plans import plan_of
from spot_agent.worker import Worker
from spot_simulator.memory.host import Host
from spot_simulator.virtual.database import HEARD_AGAIN, DatabaseServer, stored
from spot_simulator.virtual.patience import until_tick_seconds
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.table_watch import EC2, WEATHER

Look = tuple[object, ...]

LEAST_WAIT_SECONDS = 1.0
"""A worker that asked for less is in the middle of something."""
SLICE_SECONDS = 300.0
"""How long a worker waits at most. What it waits for wakes it at once."""
POLLER_SECONDS = 0.1
"""How long a parked request waits for the poller at most; one that was left out takes that long, unless a web process made the command."""
_COMMANDS = frozenset({"commands"})


class Quiet:
    """The loops of a daemon's workers, without the quiet turns."""

    def __init__(self, database: DatabaseServer, is_calm: Callable[[str], bool]) -> None:
        """`is_calm` tells of an instance whether every request of it is certain to arrive and to be answered."""
        self._database, self._is_calm = database, is_calm
        self.left_out = 0

    def loop_of(self, worker: Worker, process: Process, host: Host, ports: Ports) -> Callable[[], None]:
        """Return what runs a worker until its bell is closed."""
        match worker.name:
            case "notices":
                return lambda: self._run_notices(worker, process, host, ports)
            case "heartbeat":
                return lambda: self._run_heartbeat(worker, process, host, ports)
            case "commands":
                return lambda: self._run_commands(worker, process, host, ports)
            case _:
                return worker.run

    def _run_notices(self, worker: Worker, process: Process, host: Host, ports: Ports) -> None:
        """A poll of metadata that did not change is left out, with nothing left to deliver and no handover that may begin."""
        while not worker.bell.is_closed():
            seen = _metadata(host, ports.journal.read())
            period_seconds = worker.cycle()
            process.check()
            began_seconds = process.scheduler.monotonic_seconds()
            worker.bell.wait(period_seconds)
            while period_seconds >= LEAST_WAIT_SECONDS and not worker.bell.is_closed():
                contents = ports.journal.read()
                if _metadata(host, contents) != seen or contents.unsent or _may_hand_over(host, contents):
                    break
                self.left_out += 1
                self._database.watch.wait_for_change(process, EC2 | journal_of(host.instance_id), SLICE_SECONDS)
                worker.bell.wait(until_tick_seconds(period_seconds, process.scheduler.monotonic_seconds() - began_seconds))

    def note_saved(self, instance_id: str) -> None:
        """Let those look again who wait for what is in the journal of this instance."""
        self._database.watch.touch(journal_of(instance_id))

    def _run_heartbeat(self, worker: Worker, process: Process, host: Host, ports: Ports) -> None:
        """A heartbeat that would say what the last one said and hear what it heard is left out; the first after a look at EC2 says more.

        What such a heartbeat does is done directly: the server's row of the instance learns its time, and how old the look is by then. One
        that would do more is made: after a failure, with reports that wait for it, and while the server counts as missed, which the next
        answer ends, and with it the haste of a standby that would take over without the server.
        """
        wait_seconds, seen, rung = 0.0, None, True
        while not worker.bell.is_closed():
            told = _told(ports.live.read())
            now_seen = (*self._server_side(host, ports), told)
            is_due = rung or wait_seconds < LEAST_WAIT_SECONDS or now_seen != seen
            if is_due or _has_more_to_do(worker, ports) or not self._is_calm(host.instance_id):
                wait_seconds = worker.cycle()
                seen = (*self._server_side(host, ports), told)
            else:
                self._note_heartbeat(host.instance_id, process)
            process.check()
            began_seconds = process.scheduler.monotonic_seconds()
            worker.bell.wait(wait_seconds)
            rung = process.scheduler.monotonic_seconds() - began_seconds < wait_seconds

    def _server_side(self, host: Host, ports: Ports) -> Look:
        row = self._database.raw.execute(
            "SELECT i.role, i.quiesced, i.daemon_epoch, a.epoch, a.config_version, a.is_offline FROM instances i"
            " JOIN agents a ON a.agent_id = i.agent_id WHERE i.instance_id = ?",
            (host.instance_id,),
        ).fetchone()
        return (row, ports.journal.read(), host.is_accepting())

    def _note_heartbeat(self, instance_id: str, process: Process) -> None:
        self.left_out += 1
        self._database.raw.execute(f"{HEARD_AGAIN} WHERE instance_id = ?2", (stored(process.scheduler.now()), instance_id))

    def _run_commands(self, worker: Worker, process: Process, host: Host, ports: Ports) -> None:
        """A request that would be parked and sent home again with nothing is left out while requests are certain to arrive."""
        while not worker.bell.is_closed():
            began_seconds, contents = process.scheduler.monotonic_seconds(), ports.journal.read()
            wait_seconds = worker.cycle()
            process.check()
            was_parked = wait_seconds == 0 and process.scheduler.monotonic_seconds() - began_seconds >= LEAST_WAIT_SECONDS
            while was_parked and ports.journal.read() == contents and self._is_parked_for_nothing(host) and not worker.bell.is_closed():
                self.left_out += 1
                self._database.announced.discard(host.instance_id)
                self._database.watch.wait_for_change(process, _COMMANDS | WEATHER | journal_of(host.instance_id), SLICE_SECONDS)
                if not self._is_parked_for_nothing(host) and host.instance_id not in self._database.announced:
                    process.sleep(POLLER_SECONDS)
            worker.bell.wait(wait_seconds)

    def _is_parked_for_nothing(self, host: Host) -> bool:
        return self._is_calm(host.instance_id) and not self._database.has_open_command_of(host.instance_id)


def journal_of(instance_id: str) -> frozenset[str]:
    """Return what stands among the tables for the journal of this instance."""
    return frozenset({f"journal/{instance_id}"})


def _may_hand_over(host: Host, contents: JournalContents) -> bool:
    """Whether the end is announced of one that has a successor: whether the server was heard is asked again at every look."""
    has_plan = contents.may_serve and plan_of(contents) is not None
    return host.machine.notice is not None and (has_plan or contents.handover is not None)


def _has_more_to_do(worker: Worker, ports: Ports) -> bool:
    has_failed = bool(worker._failures)  # noqa: SLF001 - what a loop remembers is nobody else's concern
    return has_failed or bool(ports.journal.read().unsent) or ports.live.read().is_server_missed


def _told(facts: LiveFacts) -> Look:
    """What heartbeats tell of EC2. Beside the time of the look, since that is noted before the looks after it are over."""
    return facts.resources_seen_seconds, facts.mode, facts.configuration, facts.attached_volumes, facts.scheduled_events


def _metadata(host: Host, contents: JournalContents) -> Look:
    machine = host.machine
    return machine.notice, machine.rebalance_at, machine.metadata_fault, machine.state, contents.known_notices
