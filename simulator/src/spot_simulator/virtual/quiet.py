"""What daemons leave out while nothing happens. One rule: a look that would see what the last look saw is not made.

A test plays the same schedules with and without the rule, and compares what happened.
"""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.bootstrap import Ports
from spot_agent.journal_contents import JournalContents
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

    def __init__(self, database: DatabaseServer, is_calm: Callable[[], bool]) -> None:
        """`is_calm` tells whether every request is certain to arrive and to be answered."""
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
        """A poll of metadata that did not change, with nothing left to deliver, is left out."""
        while not worker.bell.is_closed():
            seen = _metadata(host, ports.journal.read())
            period_seconds = worker.cycle()
            process.check()
            began_seconds = process.scheduler.monotonic_seconds()
            worker.bell.wait(period_seconds)
            while period_seconds >= LEAST_WAIT_SECONDS and not worker.bell.is_closed():
                if _metadata(host, ports.journal.read()) != seen or ports.journal.read().unsent:
                    break
                self.left_out += 1
                self._database.watch.wait_for_change(process, EC2 | journal_of(host.instance_id), SLICE_SECONDS)
                worker.bell.wait(until_tick_seconds(period_seconds, process.scheduler.monotonic_seconds() - began_seconds))

    def note_saved(self, instance_id: str) -> None:
        """Let those look again who wait for what is in the journal of this instance."""
        self._database.watch.touch(journal_of(instance_id))

    def _run_heartbeat(self, worker: Worker, process: Process, host: Host, ports: Ports) -> None:
        """A heartbeat that would say what the last one said and hear what it heard is left out; the first after a look at EC2 says more.

        What such a heartbeat does is done directly: the server's row of the instance learns its time, and how old the look is by then.
        """
        wait_seconds, seen, rung = 0.0, None, True
        while not worker.bell.is_closed():
            now_seen = self._server_side(host, ports)
            if rung or wait_seconds < LEAST_WAIT_SECONDS or now_seen != seen or not self._is_calm():
                wait_seconds = worker.cycle()
                seen = self._server_side(host, ports)
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
        return (row, ports.journal.read(), host.is_accepting(), ports.live.read().resources_seen_seconds)

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
        return self._is_calm() and not self._database.has_open_command_of(host.instance_id)


def journal_of(instance_id: str) -> frozenset[str]:
    """Return what stands among the tables for the journal of this instance."""
    return frozenset({f"journal/{instance_id}"})


def _metadata(host: Host, contents: JournalContents) -> Look:
    machine = host.machine
    return machine.notice, machine.rebalance_at, machine.metadata_fault, machine.state, contents.known_notices
