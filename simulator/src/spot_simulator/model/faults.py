"""Faults on order: the next calls of an action fail, or act and lose their answer."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Fault:
    """``remaining`` (>= 1) calls of ``action`` fail with ``code``; with ``is_answer_lost`` they act, and the connection breaks."""

    action: str
    code: str | None
    remaining: int
    is_answer_lost: bool


@dataclass(slots=True)
class FaultTable:
    """Faults in the order in which they were asked for; the first that fits a call is used up first."""

    _faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put a fault at the end."""
        self._faults.append(fault)

    def take(self, action: str) -> Fault | None:
        """Use one count of the first fault of this action, or return None."""
        for index, fault in enumerate(self._faults):
            if fault.action == action:
                left = replace(fault, remaining=fault.remaining - 1)
                self._faults[index : index + 1] = [left] if left.remaining else []
                return fault
        return None

    def waiting(self) -> list[Fault]:
        """List what is still to come."""
        return list(self._faults)

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()
