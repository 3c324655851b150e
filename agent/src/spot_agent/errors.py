"""The exception tree. Expected outcomes are values; these are for what a caller cannot plan for."""

from __future__ import annotations

from enum import Enum


class ErrorClass(str, Enum):
    """What a failed act means to the server, whatever EC2 called it (docs/agent-protocol.md)."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    PRICE = "price"
    SUBNET = "subnet"
    POOL_INVALID = "pool_invalid"
    THROTTLED = "throttled"
    IDEMPOTENCY = "idempotency"
    NOT_AUTHORIZED = "not_authorized"
    RACE = "race"
    NOT_FOUND = "not_found"
    HOOK_FAILED = "hook_failed"
    HOOK_TIMED_OUT = "hook_timed_out"
    CHECK_FAILED = "check_failed"
    STALE_EPOCH = "stale_epoch"
    UNKNOWN_KIND = "unknown_kind"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNEXPECTED = "unexpected"


class DaemonError(Exception):
    """Root of everything that the daemon raises itself."""


class Stopping(DaemonError):
    """The daemon is asked to stop: the act is left where it is, and is recovered after the next start."""


class SettingsInvalid(DaemonError):
    """One or more settings are wrong; `problems` holds a line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class JournalUnwritable(DaemonError):
    """The journal could not be saved. What it says holds in memory only, until the disk takes it."""


class ActFailed(DaemonError):
    """An act failed in a way that the server understands."""

    def __init__(self, error_class: ErrorClass, code: str, message: str) -> None:
        super().__init__(f"{error_class.value}: {code}: {message}")
        self.error_class = error_class
        self.code = code
        self.message = message


class Ec2Failed(ActFailed):
    """EC2 refused or could not be asked."""


class HttpFailed(DaemonError):
    """An HTTP request got no whole answer; what it did is not known. Its text is the name of the library's error."""


class ServerFailed(DaemonError):
    """The central server did not give a usable answer."""


class ServerUnreachable(ServerFailed):
    """No answer: connection refused, time-out, broken connection, 5xx, or an answer that is not JSON.

    Whether the server acted is not known.
    """


class ServerRefused(ServerFailed):
    """A definite 4xx answer."""

    def __init__(self, status: int, problem: str, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {problem}: {detail}")
        self.status = status
        self.problem = problem
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class TokenRefused(ServerRefused):
    """401: the token is wrong, expired or revoked."""


class NotRegistered(ServerFailed):
    """The daemon holds no token, so there is nothing to call the server with."""
