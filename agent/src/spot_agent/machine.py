"""The daemon's ports as this machine has them: its own clock, network, processes and disk."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping

from spot_agent.bootstrap import Ports
from spot_agent.carrying.machine_carrier import MachineCarrier
from spot_agent.carrying.mounts import MachineMounts, programs_of
from spot_agent.central_api import HttpCentralApi, credentials_in
from spot_agent.clock import SystemClock, ThreadBell, ThreadStop
from spot_agent.ec2 import ec2_of_region
from spot_agent.freezer import ProcessFreezer
from spot_agent.guard import FileGuard
from spot_agent.hooks import ProcessHooks
from spot_agent.http_client import HttpClient, Timeouts
from spot_agent.imds import CountedImds, ImdsV2
from spot_agent.journal import FileJournal
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.processor import read_processor_times
from spot_agent.settings import Settings
from spot_agent.status import save_status

URGENT_TIMEOUTS = Timeouts(connect_seconds=1.0, read_seconds=1.5)


def real_ports(settings: Settings, environment: Mapping[str, str], stop: ThreadStop, log: Log) -> Ports:
    """The machine's own clock, network, processes and disk."""
    clock = SystemClock()
    live = Live(clock)
    journal = FileJournal(settings.state_directory / "journal.json", clock)
    if journal.problem is not None:
        log.failure("journal_discarded", problem=journal.problem)

    credentials = credentials_in(journal, settings)
    hooks = ProcessHooks(settings.hooks, environment, clock, stop)
    return Ports(
        clock=clock,
        stop=stop,
        imds=CountedImds(ImdsV2(settings.imds_endpoint, clock), live),
        ec2_of_region=lambda region: ec2_of_region(region, log),
        api=HttpCentralApi(HttpClient(), credentials),
        urgent_api=HttpCentralApi(HttpClient(), credentials, URGENT_TIMEOUTS),
        hooks=hooks,
        freezer=ProcessFreezer(settings.hooks, environment, hooks, settings.hook_bound_seconds),
        carrier=MachineCarrier(settings, environment, clock, stop),
        mounts=MachineMounts(clock, stop, settings.machine_root, programs_of(settings.machine_root)),
        guard=FileGuard(settings.runtime_directory),
        journal=journal,
        live=live,
        log=log,
        new_bell=ThreadBell,
        new_lock=threading.RLock,
        save_status=lambda body: save_status(settings, body, log),
        processor_times=lambda: read_processor_times(settings.machine_root),
        draw=random.random,
    )
