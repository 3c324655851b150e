"""What is left out while nothing happens. One rule: a look that would see what the last look saw is not made.

A test runs the same seeds with and without the rule, and compares what happened.
"""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.journal_contents import JournalContents
from spot_agent.live import Live
from spot_agent.worker import Worker
from spot_simulator.memory.host import Host
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.process import Process

Look = tuple[object, ...]

_HEARD_AGAIN = """
    UPDATE instances SET last_heartbeat_at = ?, reported_resources = json_set(
        reported_resources, '$.age_seconds',
        json_extract(reported_resources, '$.age_seconds') + (julianday(?) - julianday(last_heartbeat_at)) * 86400.0
    ) WHERE instance_id = ?
"""
"""What a heartbeat with nothing new changes: it came now, and the look at EC2 that it tells of is older by as much."""

LEAST_WAIT_SECONDS = 1.0
"""A worker that asked for less is in the middle of something."""


def run_notices(worker: Worker, process: Process, host: Host, read_journal: Callable[[], JournalContents]) -> None:
    """Run the notices worker; a poll of metadata that did not change, with nothing left to deliver, is left out."""
    period_seconds, seen = 0.0, None
    while not worker.bell.is_closed():
        now_seen = _metadata(host, read_journal())
        if period_seconds < LEAST_WAIT_SECONDS or now_seen != seen or read_journal().unsent:
            period_seconds = worker.cycle()
            seen = _metadata(host, read_journal())
        process.check()
        worker.bell.wait(period_seconds)


def _metadata(host: Host, contents: JournalContents) -> Look:
    machine = host.machine
    return machine.notice, machine.rebalance_at, machine.metadata_fault, machine.state, contents.known_notices


class QuietHeartbeats:
    """Leaves out heartbeats that would say what the last one said and hear what it heard; the first after a look at EC2 says more.

    What such a heartbeat does is done directly: the server's row of the instance learns the time of it, and how old the look is by then.
    """

    def __init__(self, database: DatabaseServer, is_calm: Callable[[str], bool]) -> None:
        """`is_calm` tells of an instance whether its next heartbeat is certain to arrive and to be answered."""
        self._database, self._is_calm = database, is_calm
        self.left_out = 0

    def run(self, worker: Worker, process: Process, host: Host, read_journal: Callable[[], JournalContents], live: Live) -> None:
        """Run the heartbeat worker. `live` tells when the daemon last looked at EC2."""
        wait_seconds, seen, rung = 0.0, None, True
        while not worker.bell.is_closed():
            now_seen = self._look(host, read_journal(), live)
            if rung or wait_seconds < LEAST_WAIT_SECONDS or now_seen != seen or not self._is_calm(host.instance_id):
                wait_seconds = worker.cycle()
                seen = self._look(host, read_journal(), live)
            else:
                self._note(host.instance_id, process)
            process.check()
            began_seconds = process.scheduler.monotonic_seconds()
            worker.bell.wait(wait_seconds)
            rung = process.scheduler.monotonic_seconds() - began_seconds < wait_seconds

    def _look(self, host: Host, contents: JournalContents, live: Live) -> Look:
        row = self._database.raw.execute(
            "SELECT i.role, i.quiesced, i.daemon_epoch, a.epoch, a.config_version, a.is_offline FROM instances i"
            " JOIN agents a ON a.agent_id = i.agent_id WHERE i.instance_id = ?",
            (host.instance_id,),
        ).fetchone()
        return (row, contents, host.is_accepting(), live.read().resources_seen_seconds)

    def _note(self, instance_id: str, process: Process) -> None:
        self.left_out += 1
        moment = process.scheduler.now().strftime("%Y-%m-%d %H:%M:%S.%f")
        self._database.raw.execute(_HEARD_AGAIN, (moment, moment, instance_id))
