"""A boto3-shaped client: the methods, paginators, answers and errors of boto3, on the region in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.memory.api import Ec2Api, Outcome
from spot_simulator.memory.parameters import NotInMemory, check
from spot_simulator.memory.services import EC2, Service
from spot_simulator.memory.shapes import Shape
from spot_simulator.model.delays import unit_draw
from spot_simulator.model.faults import Mishap

CONNECT_TIMEOUT_SECONDS = 3.0
READ_TIMEOUT_SECONDS = 10.0
"""As the product's own adapters set them."""
LONGEST_BACKOFF_SECONDS = 20.0
RETRIED_STATUSES = frozenset({500, 502, 503, 504})
RETRIED_CODES = frozenset({"RequestLimitExceeded", "Throttling", "ThrottlingException", "RequestTimeout", "EC2ThrottledException"})
"""Of botocore's standard mode, those that EC2 or a test gives. Its quota of retries is left out: 500 tokens are never used up here."""

_PAGING_OPTIONS = frozenset({"PageSize"})

Sleep = Callable[[float], None]


def no_time(seconds: float) -> None:
    """Let no time pass."""


@dataclass(frozen=True, slots=True)
class ClientParts:
    """``caller`` is whom faults can be ordered for; ``sleep`` lets time pass for whoever calls, in time-outs and between attempts."""

    api: Ec2Api
    region: str
    caller: str
    attempts: int = 1
    sleep: Sleep = no_time
    service: Service = EC2


class MemoryClient:
    """Operations that the region in memory lacks are missing attributes; parameters that it does not know raise ``NotInMemory``."""

    def __init__(self, parts: ClientParts) -> None:
        """``parts.attempts`` >= 1, as boto3's total_max_attempts in standard mode."""
        self._parts = parts
        self._actions, self._pageable = parts.service.actions(), parts.service.pageable()
        self._retries = 0

    def __getattr__(self, name: str) -> Callable[..., Shape]:
        action = self._actions.get(name)
        if action is None:
            raise AttributeError(f"the region in memory does not know {name}; it has {', '.join(sorted(self._actions))}")

        def call(**parameters: Any) -> Shape:  # noqa: ANN401 - as boto3 takes them
            return self._call(action, parameters)

        self.__dict__[name] = call
        return call

    def get_paginator(self, operation: str) -> "Paginator":
        """Return the pages of an operation; raise ``NotInMemory`` for one that has none."""
        if operation not in self._pageable:
            raise NotInMemory(f"{operation} has no pages in the region in memory; {', '.join(sorted(self._pageable))} have")
        return Paginator(getattr(self, operation))

    def _call(self, action: str, parameters: dict[str, Any]) -> Shape:
        check(self._parts.service.operations, action, parameters)
        attempt = 1
        while True:
            try:
                return self._attempt(action, parameters, attempt)
            except (ClientError, BotoCoreError) as error:
                if attempt >= self._parts.attempts or not _is_retried(error):
                    raise
            self._parts.sleep(self._backoff_seconds(attempt))
            attempt += 1

    def _attempt(self, action: str, parameters: dict[str, Any], attempt: int) -> Shape:
        outcome = self._parts.api.call(self._parts.caller, action, parameters)
        if outcome.mishap is not None and outcome.mishap is not Mishap.REFUSED:
            self._break_off(outcome)
        if outcome.refusal is not None:
            raise _client_error(outcome.refusal, action, attempt)
        answer = outcome.answer if outcome.answer is not None else {}
        answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "RetryAttempts": attempt - 1}
        return answer

    def _break_off(self, outcome: Outcome) -> None:
        url = f"https://{self._parts.service.name}.{self._parts.region}.amazonaws.com/"
        if outcome.mishap is Mishap.UNREACHABLE:
            self._parts.sleep(CONNECT_TIMEOUT_SECONDS)
            raise ConnectTimeoutError(endpoint_url=url)
        if outcome.mishap is Mishap.ANSWER_LATE:
            self._parts.sleep(READ_TIMEOUT_SECONDS)
            raise ReadTimeoutError(endpoint_url=url)
        raise ConnectionClosedError(endpoint_url=url)

    def _backoff_seconds(self, attempt: int) -> float:
        self._retries += 1
        return unit_draw("backoff", self._parts.caller, self._retries) * float(min(2 ** (attempt - 1), LONGEST_BACKOFF_SECONDS))


@dataclass(frozen=True, slots=True)
class Paginator:
    """All pages of an operation, one after the other."""

    call: Callable[..., Shape]

    def paginate(self, *, PaginationConfig: dict[str, int] | None = None, **parameters: Any) -> Iterator[Shape]:  # noqa: ANN401, N803 - as boto3
        """Ask for each page when it is wanted."""
        options = PaginationConfig or {}
        if options.keys() - _PAGING_OPTIONS:
            raise NotInMemory(f"the region in memory pages by {', '.join(_PAGING_OPTIONS)} only, not {', '.join(options)}")
        size = {"MaxResults": options["PageSize"]} if options else {}
        token: dict[str, str] = {}
        while True:
            page = self.call(**parameters, **size, **token)
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}


def _is_retried(error: ClientError | BotoCoreError) -> bool:
    if not isinstance(error, ClientError):
        return isinstance(error, ConnectTimeoutError | ReadTimeoutError | ConnectionClosedError)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in RETRIED_STATUSES or error.response["Error"]["Code"] in RETRIED_CODES


def _client_error(refusal: Ec2Error, action: str, attempt: int) -> ClientError:
    response: Any = {
        "Error": {"Code": refusal.code, "Message": refusal.message},
        "ResponseMetadata": {"HTTPStatusCode": refusal.status, "RetryAttempts": attempt - 1},
    }
    return ClientError(response, action)
