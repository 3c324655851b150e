"""Faults on order: calls that are refused, that act and lose their answer, or that never arrive."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

ANY_ACTION = "*"


class Mishap(StrEnum):
    """What happens to a call."""

    REFUSED = "refused"  # answered with the fault's code, and nothing done
    ANSWER_CUT = "answer_cut"  # done, and the connection breaks at once
    ANSWER_LATE = "answer_late"  # done, and the caller's patience ends before the answer comes (in memory only)
    UNREACHABLE = "unreachable"  # not done: the caller cannot connect (in memory only)


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls the next ``remaining`` (>= 1; None: all until it is forgotten) calls of an action, of one caller or any (None)."""

    action: str
    mishap: Mishap = Mishap.REFUSED
    code: str | None = None
    remaining: int | None = 1
    caller: str | None = None

    def fits(self, action: str, caller: str) -> bool:
        """Whether it befalls this call."""
        return self.action in {action, ANY_ACTION} and self.caller in {caller, None}

    @property
    def is_answer_lost(self) -> bool:
        """Whether the call is done and the caller does not hear of it."""
        return self.mishap in {Mishap.ANSWER_CUT, Mishap.ANSWER_LATE}


@dataclass(slots=True)
class FaultTable:
    """Faults in the order in which they were asked for; the first that fits a call is used up first."""

    _faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put a fault at the end."""
        self._faults.append(fault)

    def take(self, action: str, caller: str = "") -> Fault | None:
        """Use one count of the first fault that fits, or return None."""
        for index, fault in enumerate(self._faults):
            if fault.fits(action, caller):
                if fault.remaining is not None:
                    left = replace(fault, remaining=fault.remaining - 1)
                    self._faults[index : index + 1] = [left] if left.remaining else []
                return fault
        return None

    def forget(self, caller: str) -> None:
        """Forget the faults of one caller."""
        self._faults = [fault for fault in self._faults if fault.caller != caller]

    def waiting(self) -> list[Fault]:
        """List what is still to come."""
        return list(self._faults)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()
