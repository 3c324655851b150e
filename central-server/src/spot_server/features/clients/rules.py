"""What a control role must look like, decided from values alone."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_EXTERNAL_ID_CHARACTERS = 128
ROLE_ARN_EXPECTED = "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/spot-optimizer"
EXTERNAL_ID_EXPECTED = f"2 to {LONGEST_EXTERNAL_ID_CHARACTERS} letters, digits or any of _+=,.@:/-"

ROLE_ARN_PATTERN = r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,200}\Z"
"""Of any partition, with or without a path. Source: the IAM reference on identifiers."""

EXTERNAL_ID_PATTERN = rf"[A-Za-z0-9_+=,.@:/-]{{2,{LONGEST_EXTERNAL_ID_CHARACTERS}}}\Z"
"""Source: AssumeRole in the STS API reference, which allows up to 1224 characters."""


QUEUE_URL_EXPECTED = "the URL of an SQS queue, such as https://sqs.us-east-1.amazonaws.com/123456789012/spot-optimizer"
QUEUE_URL_PATTERN = r"https://sqs\.([a-z0-9-]{1,32})\.amazonaws\.com(?:\.cn)?/[0-9]{12}/[A-Za-z0-9_-]{1,80}(?:\.fifo)?\Z"
"""AWS's own endpoints alone: with the client's role the server asks whatever this names. Source: the SQS developer guide, queue URLs."""


def region_of_queue(queue_url: str) -> str:
    """Return the region where a queue is, from a URL that was found good."""
    matched = re.match(QUEUE_URL_PATTERN, queue_url)
    assert matched is not None  # noqa: S101 - nothing else is stored
    return matched[1]


@dataclass(frozen=True, slots=True)
class RoleProblem:
    """What cannot be used, and what would be right."""

    field: str
    value: str
    expected: str


def find_role_problem(
    role_arn: str | None, external_id: str | None, fis_role_arn: str | None = None, notice_queue_url: str | None = None
) -> RoleProblem | None:
    """Return what is wrong with a client's role and external id, or None. Neither is needed; an external id alone means nothing.

    The role of FIS means nothing without the control role, which starts its experiments, nor does a queue, which it reads.
    """
    if notice_queue_url is not None and re.match(QUEUE_URL_PATTERN, notice_queue_url) is None:
        return RoleProblem("notice_queue_url", notice_queue_url, QUEUE_URL_EXPECTED)
    if notice_queue_url is not None and role_arn is None:
        return RoleProblem("notice_queue_url", notice_queue_url, "no queue without a control role")
    if role_arn is not None and re.match(ROLE_ARN_PATTERN, role_arn) is None:
        return RoleProblem("aws_role_arn", role_arn, ROLE_ARN_EXPECTED)
    if external_id is not None and re.match(EXTERNAL_ID_PATTERN, external_id) is None:
        return RoleProblem("aws_external_id", external_id, EXTERNAL_ID_EXPECTED)
    if role_arn is None and external_id is not None:
        return RoleProblem("aws_external_id", external_id, "no external id without a role")
    if fis_role_arn is not None and re.match(ROLE_ARN_PATTERN, fis_role_arn) is None:
        return RoleProblem("fis_role_arn", fis_role_arn, ROLE_ARN_EXPECTED)
    if fis_role_arn is not None and role_arn is None:
        return RoleProblem("fis_role_arn", fis_role_arn, "no role for FIS without a control role")
    return None
