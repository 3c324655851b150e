"""The life of the daemon, from settings to exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from spot_agent.bootstrap import Core, build_core, build_startup, build_workers
from spot_agent.clock import ThreadStop
from spot_agent.errors import JournalUnwritable
from spot_agent.journal_contents import JournalContents
from spot_agent.logs import Log
from spot_agent.machine import real_ports
from spot_agent.metrics import serve_metrics
from spot_agent.model import Identity
from spot_agent.settings import Settings
from spot_agent.signals import StopSignals
from spot_agent.status import status_body
from spot_agent.supervisor import Signals, Supervisor


def run_daemon(settings: Settings, environment: Mapping[str, str], log: Log) -> int:
    """0 after a graceful stop, or when the agent was released."""
    stop = ThreadStop()
    signals = StopSignals()
    core = build_core(settings, real_ports(settings, environment, stop, log))
    try:
        serve_metrics(settings.metrics_port)
    except OSError as error:
        log.failure("metrics_not_served", port=settings.metrics_port, error=str(error))
    identity = _find_identity(core, signals)
    if identity is None:
        return 0
    if not core.ports.journal.read().released:
        _work(core, identity, stop, signals)
    if core.ports.journal.read().released:
        _forget(core)
    return 0


def _find_identity(core: Core, signals: Signals) -> Identity | None:
    """None when asked to stop first."""
    ports = core.ports
    startup, worker = build_startup(core)
    while startup.identity is None:
        ports.save_status(status_body(ports.live, ports.journal, ports.clock))
        if signals.wait(worker.cycle()):
            return None
    return startup.identity


def _work(core: Core, identity: Identity, stop: ThreadStop, signals: Signals) -> None:
    ports = core.ports
    log = ports.log.bind(instance_id=identity.instance_id)
    supervisor = Supervisor(
        build_workers(core, identity),
        stop,
        signals,
        ports.clock,
        log,
        is_finished=lambda: is_released(ports.journal.read()),
        may_leave=lambda name: name == "commands" and ports.live.read().is_parked,
    )
    supervisor.run()


def is_released(contents: JournalContents) -> bool:
    """Released, and the server knows that we know."""
    return contents.released and all(record.is_acknowledged for record in contents.commands)


def _forget(core: Core) -> None:
    """The agent is ours no more: its token and plans go; that it was released, and may serve, stays."""
    core.ports.log.info("released")
    try:
        core.ports.journal.change(lambda now: replace(now, token=None, config=None, unsent=()))
    except JournalUnwritable as error:
        core.ports.log.failure("journal_unwritable", error=str(error))
