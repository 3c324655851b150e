"""Every call to AWS goes through here: any failure leaves as Ec2Failed, with its meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.rules.ec2_errors import class_of_code, is_absence

Answer = TypeVar("Answer")
Call = Callable[[], Answer]


def asked(call: Call[Answer]) -> Answer:
    """Any failure as Ec2Failed with its meaning."""
    try:
        return call()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "Unknown"))
        message = str(error.response.get("Error", {}).get("Message", error))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        meaning = class_of_code(code)
        if meaning is ErrorClass.UNEXPECTED and status >= 500:
            meaning = ErrorClass.UNREACHABLE
        raise Ec2Failed(meaning, code, message) from error
    except (BotoCoreError, ResponseParserError) as error:
        raise Ec2Failed(_meaning_without_answer(error), type(error).__name__, str(error)) from error


def _meaning_without_answer(error: Exception) -> ErrorClass:
    """Only where the call may have reached EC2 is the outcome unknown; a call that was never made is a definite failure."""
    if isinstance(error, HTTPClientError | BotoConnectionError | ResponseParserError):
        return ErrorClass.UNREACHABLE
    if isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
        return ErrorClass.NOT_AUTHORIZED
    return ErrorClass.REFUSED if isinstance(error, ParamValidationError) else ErrorClass.UNEXPECTED


def found(call: Call[Answer]) -> Answer | None:
    """None when EC2 knows no such thing."""
    try:
        return asked(call)
    except Ec2Failed as error:
        if is_absence(error.code):
            return None
        raise
