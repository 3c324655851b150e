"""The door of EC2 in memory: who calls what, what befalls the call, and the log of calls that change things."""

from collections.abc import Mapping
from dataclasses import dataclass

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.memory.calls.request import Handler, Parameters, Request
from spot_simulator.memory.shapes import Shape
from spot_simulator.model.faults import Fault, FaultTable, Mishap
from spot_simulator.ports import Log

READING = ("Describe", "Get", "List")
"""How the names of operations begin that change nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended: an answer or a refusal (one of the two, unless it never arrived), and whether the caller hears of it."""

    answer: Shape | None = None
    refusal: Ec2Error | None = None
    mishap: Mishap | None = None


class Ec2Api:
    """One account in one region."""

    def __init__(self, handlers: Mapping[str, Handler], faults: FaultTable, log: Log) -> None:
        """``handlers`` answer their actions."""
        self._handlers, self._faults, self._log = handlers, faults, log

    @property
    def actions(self) -> frozenset[str]:
        """The operations that it carries out."""
        return frozenset(self._handlers)

    def call(self, caller: str, action: str, parameters: Parameters) -> Outcome:
        """Carry a call out, or let the fault that was ordered befall it."""
        fault = self._faults.take(action, caller)
        outcome = self._carried_out(Request(action, parameters), fault)
        if fault is not None or not action.startswith(READING):
            self._log.append(
                "api",
                action=action,
                outcome=outcome.refusal.code if outcome.refusal else "ok",
                answer_lost=fault is not None and fault.is_answer_lost,
                caller=caller,
                request=parameters,
            )
        return outcome

    def _carried_out(self, request: Request, fault: Fault | None) -> Outcome:
        mishap = fault.mishap if fault is not None else None
        if mishap is Mishap.UNREACHABLE:
            return Outcome(mishap=mishap)
        if fault is not None and mishap is Mishap.REFUSED:
            return Outcome(refusal=Ec2Error(fault.code or "InternalError"), mishap=mishap)
        try:
            return Outcome(answer=self._handlers[request.action](request), mishap=mishap)
        except Ec2Error as error:
            return Outcome(refusal=error, mishap=mishap)
