"""Every call to AWS goes through here: any failure leaves as AwsFailed, with its meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from spot_server.aws.errors import AwsFailed, ErrorClass, class_of_code, is_absence

Answer = TypeVar("Answer")
Call = Callable[[], Answer]

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10

_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


def client_config(attempts: int) -> Config:
    """Return the settings of a boto3 client that tries `attempts` times (>= 1) in all."""
    return Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


def asked(call: Call[Answer]) -> Answer:
    """Make the call. Raises AwsFailed for whatever goes wrong."""
    try:
        return call()
    except ClientError as error:
        raise _failure_of(error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AwsFailed(ErrorClass.NOT_AUTHORIZED, "NoCredentials", str(error)) from error
    except _NEVER_SENT as error:
        raise AwsFailed(ErrorClass.UNREACHABLE, type(error).__name__, str(error)) from error
    except BotoCoreError as error:
        raise AwsFailed(ErrorClass.UNREACHABLE, type(error).__name__, str(error), may_have_acted=True) from error


def paged(call: Callable[..., Any], **wanted: Any) -> Iterator[Any]:  # noqa: ANN401 - boto3's own arguments and answers
    """Make a call that takes and answers `NextToken` until there are no more pages; a page may be empty and have more behind it."""
    token = ""
    while True:
        arguments = {**wanted, "NextToken": token} if token else wanted
        page = asked(partial(call, **arguments))
        yield page
        token = page.get("NextToken") or ""
        if not token:
            return


def found(call: Call[Answer]) -> Answer | None:
    """Make the call; None when AWS knows no such thing."""
    try:
        return asked(call)
    except AwsFailed as error:
        if is_absence(error.code):
            return None
        raise


def _failure_of(error: ClientError) -> AwsFailed:
    told = error.response.get("Error", {})
    code = str(told.get("Code", "Unknown"))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    meaning = class_of_code(code)
    if meaning is ErrorClass.UNEXPECTED and status >= 500:
        meaning = ErrorClass.UNREACHABLE
    return AwsFailed(meaning, code, str(told.get("Message", error)), may_have_acted=meaning is ErrorClass.UNREACHABLE)
