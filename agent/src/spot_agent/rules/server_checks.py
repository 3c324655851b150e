"""Judging the way to the server: whether it answers, whose clock is right, whether our token is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from spot_agent.ports import Readiness
from spot_agent.rules.checks import Line, fail, ok, skip, warn

CLOCK_WARN_SECONDS = 5.0
CLOCK_FAIL_SECONDS = 60.0
"""A notice leaves 120 s, counted on this clock. AWS refuses requests that are signed five minutes off."""

_HALF_A_DATE_SECONDS = 0.5
"""The Date header is cut to whole seconds: the true time lies up to one second after it."""

_LOOPBACK = ("localhost", "127.", "[::1]")


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What the readiness page answered, and between which moments of this instance's clock."""

    page: Readiness
    asked_at: datetime
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server knows our token."""

    agent_id: str
    instance_status: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no, such as 401 token-invalid."""

    status: int
    problem: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """No answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unregistered:
    """There is no token to try yet."""

    has_enrolment_token: bool
    has_nonce: bool


@dataclass(frozen=True, slots=True)
class Released:
    """The agent was deleted, and this instance set free."""


TokenTrial = Welcome | Refused | Unheard | Unregistered | Released


def judge_server(url: str, answer: ServerAnswer) -> Line:
    """Whether a central server is there, and well."""
    page = answer.page
    if page.status is None:
        advice = (
            "Is SPOT_SERVER_URL right? Do DNS, routes and security groups let this instance out to it? Without it the daemon hears nothing."
        )
        return fail("server", f"{url} does not answer: {page.detail}", advice)
    if not page.is_ours:
        return fail("server", f"{url} answers {page.status}, but not as a central server does", "SPOT_SERVER_URL names something else.")
    if page.status != 200:
        return fail("server", f"{url} is not ready: {page.detail}", "Its administrator has to look: `GET /readyz` says the same.")
    took_ms = (answer.answered_at - answer.asked_at) / timedelta(milliseconds=1)
    if _is_in_clear(url):
        advice = "Tokens cross the network unencrypted. Put TLS in front of the server, and https into SPOT_SERVER_URL."
        return warn("server", f"{url} answers and is ready ({took_ms:.0f} ms), without TLS", advice)
    return ok("server", f"{url} answers and is ready ({took_ms:.0f} ms)")


def _is_in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not parts.netloc.startswith(_LOOPBACK)


def judge_clock(answer: ServerAnswer) -> Line:
    """This instance's clock against the server's, as far as a Date header can tell."""
    if answer.page.server_time is None:
        return skip("clock", "the server told no time to compare with")
    middle = answer.asked_at + (answer.answered_at - answer.asked_at) / 2
    ahead_seconds = (middle - answer.page.server_time).total_seconds() - _HALF_A_DATE_SECONDS
    way_seconds = (answer.answered_at - answer.asked_at).total_seconds() / 2
    certain_seconds = max(0.0, abs(ahead_seconds) - way_seconds - _HALF_A_DATE_SECONDS)
    if certain_seconds < CLOCK_WARN_SECONDS:
        return ok("clock", f"within {max(1.0, abs(ahead_seconds)):.0f} s of the server's")
    found = f"{certain_seconds:.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} the server's"
    advice = "A notice's deadline is read off this clock, and AWS refuses requests signed five minutes off. Run chrony."
    return warn("clock", found, advice) if certain_seconds < CLOCK_FAIL_SECONDS else fail("clock", found, advice)


def judge_token(trial: TokenTrial, logical_agent_id: str) -> Line:
    """Whether the server takes us for the instance that we are. A token's value is never in a line."""
    match trial:
        case Welcome(agent_id=agent_id, instance_status=status, epoch=epoch):
            return ok("token", f"the server knows this instance as {status} of {logical_agent_id} ({agent_id}), epoch {epoch}")
        case Refused(status=status, problem=problem, detail=detail):
            advice = "The daemon registers again if it has an enrolment token: give it a new one (setup.sh --token-file FILE)."
            return fail("token", f"the server refuses it: {status} {problem} {detail}".rstrip(), advice)
        case Unheard(reason=reason):
            return skip("token", f"could not be tried: {reason}")
        case Released():
            advice = "A new installation begins with an empty state directory: uninstall.sh --drop-state, then setup.sh."
            return fail("token", "this instance was released: its agent was deleted", advice)
        case Unregistered():
            return _judge_unregistered(trial)


def _judge_unregistered(trial: Unregistered) -> Line:
    if trial.has_enrolment_token or trial.has_nonce:
        what = "an enrolment token" if trial.has_enrolment_token else "a launch nonce"
        advice = "The daemon registers as soon as it runs; until then nothing is protected. The line `daemon` says what keeps it."
        return fail("token", f"not registered yet; there is {what} to do it with", advice)
    advice = "Ask an administrator for an enrolment token and run setup.sh --token-file FILE."
    return fail("token", "not registered, and there is neither an enrolment token nor a launch nonce", advice)
