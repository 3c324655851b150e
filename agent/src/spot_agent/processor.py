"""Reading what the kernel counts of the processors."""

from __future__ import annotations

from pathlib import Path

from spot_agent.rules.processor import ProcessorTimes, parse_processor_times


def read_processor_times(machine_root: Path) -> ProcessorTimes | None:
    """The counts as they are now; None where there are none to read, as outside Linux. One read of a small file in memory."""
    try:
        return parse_processor_times((machine_root / "proc/stat").read_text())
    except (OSError, ValueError):
        return None
