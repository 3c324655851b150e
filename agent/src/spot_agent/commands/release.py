"""release: the agent was deleted. The workload keeps running; the daemon stops for good once this is answered."""

from __future__ import annotations

from dataclasses import replace

from spot_agent.commands.handling import Handled, Succeeded, Tools
from spot_agent.model import Command


def handle(_command: Command, tools: Tools) -> Handled:
    """The journal keeps that it was released, so that a restart does nothing but allow the workload to start."""
    tools.journal.change(lambda now: replace(now, released=True))
    return Succeeded({})
