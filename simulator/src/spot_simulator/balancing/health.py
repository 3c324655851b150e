"""What a load balancer thinks of a target. Pure. Source of rules and words: the Elastic Load Balancing user guide, target health."""

from dataclasses import dataclass, replace
from enum import StrEnum

from spot_simulator.ports import Checked


class TargetState(StrEnum):
    """As DescribeTargetHealth has them."""

    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNUSED = "unused"
    DRAINING = "draining"


class Reason(StrEnum):
    """Why a target is not healthy."""

    REGISTERING = "Elb.RegistrationInProgress"
    FIRST_CHECKS = "Elb.InitialHealthChecks"
    FAILED = "Target.FailedHealthChecks"
    TIMED_OUT = "Target.Timeout"
    WRONG_CODE = "Target.ResponseCodeMismatch"
    NOT_REGISTERED = "Target.NotRegistered"
    STOPPED = "Target.InvalidState"
    DRAINS = "Target.DeregistrationInProgress"


DESCRIPTIONS = {
    Reason.REGISTERING: "Target registration is in progress",
    Reason.FIRST_CHECKS: "Initial health checks in progress",
    Reason.FAILED: "Health checks failed",
    Reason.TIMED_OUT: "Request timed out",
    Reason.NOT_REGISTERED: "Target is not registered to the target group",
    Reason.STOPPED: "Target is in the stopped state",
    Reason.DRAINS: "Target deregistration is in progress",
}


@dataclass(frozen=True, slots=True)
class CheckSettings:
    """How a target group asks its targets; seconds are the region's. The defaults are those of an Application Load Balancer."""

    path: str = "/"
    interval_seconds: int = 30
    timeout_seconds: int = 5
    healthy_count: int = 5
    unhealthy_count: int = 2
    good_status: str = "200"


@dataclass(frozen=True, slots=True)
class Health:
    """What is thought of a target; ``passed`` and ``failed`` count the last checks in a row."""

    state: TargetState
    reason: Reason | None = None
    description: str = ""
    passed: int = 0
    failed: int = 0

    @classmethod
    def because(cls, state: TargetState, reason: Reason) -> "Health":
        """Return a health for a reason that has a sentence of its own."""
        return cls(state, reason, DESCRIPTIONS[reason])


REGISTERING = Health.because(TargetState.INITIAL, Reason.REGISTERING)
FIRST_CHECKS = Health.because(TargetState.INITIAL, Reason.FIRST_CHECKS)
DRAINS = Health.because(TargetState.DRAINING, Reason.DRAINS)
STOPPED = Health.because(TargetState.UNUSED, Reason.STOPPED)
NOT_REGISTERED = Health.because(TargetState.UNUSED, Reason.NOT_REGISTERED)


def judged(health: Health, checked: Checked, settings: CheckSettings) -> Health:
    """Return what is thought after one more check. A new target needs one good answer, one that was unhealthy several in a row."""
    failure = _failure(checked, settings)
    if failure is None:
        passed = health.passed + 1
        needed = settings.healthy_count if health.state is TargetState.UNHEALTHY else 1
        return Health(TargetState.HEALTHY, passed=passed) if passed >= needed else replace(health, passed=passed, failed=0)
    failed = health.failed + 1
    if failed < settings.unhealthy_count and health.state is not TargetState.UNHEALTHY:
        return replace(health, passed=0, failed=failed)
    reason, description = failure
    return Health(TargetState.UNHEALTHY, reason, description, failed=failed)


def _failure(checked: Checked, settings: CheckSettings) -> tuple[Reason, str] | None:
    if checked.is_timed_out:
        return Reason.TIMED_OUT, DESCRIPTIONS[Reason.TIMED_OUT]
    if checked.status is None:
        return Reason.FAILED, DESCRIPTIONS[Reason.FAILED]
    if str(checked.status) != settings.good_status:
        return Reason.WRONG_CODE, f"Health checks failed with these codes: [{checked.status}]"
    return None


def chosen(healths: list[Health]) -> list[int]:
    """Return the places of those that get requests: the healthy ones; where there are none, the unhealthy ones (fail open).

    A target that is still in its first checks gets none. What AWS says leaves open whether it does; clients wait longer so.
    """
    healthy = [place for place, health in enumerate(healths) if health.state is TargetState.HEALTHY]
    return healthy or [place for place, health in enumerate(healths) if health.state is TargetState.UNHEALTHY]
