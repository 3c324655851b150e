"""Builds what commands need of this machine."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import click

from spotctl.clock import SystemClock
from spotctl.http_client import HttpClient
from spotctl.session import Surroundings


def this_machine() -> Surroundings:
    """Return the real surroundings."""
    return Surroundings(
        open_transport=HttpClient,
        clock=SystemClock(),
        new_request_id=lambda: f"spotctl-{uuid.uuid4()}",
        is_interactive=lambda: sys.stdin.isatty() and sys.stderr.isatty(),
        home=Path(click.get_app_dir("spotctl")),
    )
