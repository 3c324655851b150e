"""What EC2's status checks say of an instance."""

from dataclasses import dataclass
from datetime import datetime

from spot_simulator.machine import Machine, State


@dataclass(frozen=True, slots=True)
class StatusCheck:
    """One check: EC2's word, and since when it fails."""

    word: str
    impaired_since: datetime | None = None


def status_checks(machine: Machine) -> tuple[StatusCheck, StatusCheck]:
    """Return the check of the host's system, which is always well in this region, and that of the instance."""
    if machine.state is not State.RUNNING:
        return StatusCheck("not-applicable"), StatusCheck("not-applicable")
    if machine.impaired_since is None:
        return StatusCheck("ok"), StatusCheck("ok")
    return StatusCheck("ok"), StatusCheck("impaired", machine.impaired_since)
