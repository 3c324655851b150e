"""`spot-agent check` on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from spot_agent import check_report
from spot_agent.carrying.machine_carrier import MachineCarrier
from spot_agent.central_api import HttpCentralApi, credentials_of
from spot_agent.checking import Checker, CheckParts
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.ec2 import ec2_of_region
from spot_agent.exit_codes import EXIT_OK, EXIT_UNHEALTHY
from spot_agent.guard import FileGuard
from spot_agent.hooks import ProcessHooks
from spot_agent.http_client import HttpClient
from spot_agent.imds import ImdsV2
from spot_agent.journal import read_journal
from spot_agent.journal_contents import JournalContents
from spot_agent.logs import Log, mask_tokens, start_logging
from spot_agent.rules.checks import Line, is_fit
from spot_agent.settings import Settings
from spot_agent.status import read_status
from spot_agent.surroundings import Surroundings


def run_check(settings: Settings, env_file: Path | None, world: Mapping[str, str], *, is_json: bool) -> int:
    """Print line by line what works; the exit code says whether all that is needed does."""
    start_logging("ERROR")
    told: list[Line] = []
    try:
        for line in Checker(real_check_parts(settings, env_file, world)).lines():
            told.append(line)
            if not is_json:
                print(mask_tokens(check_report.human_line(line)), flush=True)
        print(mask_tokens(check_report.as_json(told)) if is_json else check_report.human_summary(told), flush=True)
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNHEALTHY
    return EXIT_OK if is_fit(told) else EXIT_UNHEALTHY


def real_check_parts(settings: Settings, env_file: Path | None, environment: Mapping[str, str]) -> CheckParts:
    """What `spot-agent check` works with on this machine. It reads the daemon's journal and changes nothing."""
    clock = SystemClock()
    contents = read_journal(settings.state_directory / "journal.json")[0] or JournalContents()
    credentials = credentials_of(contents, settings)
    return CheckParts(
        settings=settings,
        env_file=env_file,
        contents=contents,
        status=read_status(settings, clock.now()),
        server_url=credentials.server_url if credentials else settings.server_url,
        clock=clock,
        imds=ImdsV2(settings.imds_endpoint, clock),
        ec2_of_region=lambda region: ec2_of_region(region, Log()),
        server=HttpCentralApi(HttpClient(), lambda: credentials),
        hooks=ProcessHooks(settings.hooks, environment, clock, ThreadStop()),
        carry_problems=MachineCarrier(settings, environment, clock, ThreadStop()).problems,
        guard=FileGuard(settings.runtime_directory),
        surroundings=Surroundings(environment),
    )
