"""standby_check: is this replica fit to take over? The workload is not serving here."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.ports import HookName, Hooks, StateCarrier


def handle(_command: Command, tools: Tools) -> Handled:
    """Passes when STANDBY_CHECK_COMMAND does, or is not set, and nothing is missing for the carry."""
    require_carry(tools.carrier, tools.carry())
    require_standby(tools.hooks, tools.hook_bound_seconds)
    return Succeeded({})


def require_carry(carrier: StateCarrier, carry: str) -> None:
    """ActFailed that names what is missing on this instance for its state to come along."""
    problems = carrier.problems(carry)
    if problems:
        raise ActFailed(ErrorClass.CHECK_FAILED, "carry", "; ".join(problems))


def require_standby(hooks: Hooks, bound_seconds: float) -> None:
    """ActFailed with the check's output when it does not pass."""
    result = hooks.run(HookName.STANDBY_CHECK, bound_seconds)
    if result is None or result.passed:
        return
    if result.timed_out:
        message = result.output or "STANDBY_CHECK_COMMAND did not end in time"
        raise ActFailed(ErrorClass.HOOK_TIMED_OUT, "standby_check", message)
    message = result.output or f"STANDBY_CHECK_COMMAND ended with {result.exit_code}"
    raise ActFailed(ErrorClass.CHECK_FAILED, "standby_check", message)
