"""What it is worth that EC2 knows no such instance, decided from values alone: less than any other word of it (ADR 0017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

GONE = "gone"
"""EC2 knows no such instance: it ended so long ago that EC2 forgot it, or the question reached the wrong account or a part of EC2 that
does not know it yet. As a word that was weighed: it has ended."""

UNKNOWN_YET = "unknown_yet"
"""In place of `gone`: it is asked again before it counts."""

UNKNOWN_ELSEWHERE = "unknown_elsewhere"
"""In place of `gone`: another account than the instance's was asked, whose word counts for nothing."""

UNKNOWN_APART_SECONDS = 60.0
"""Between the first and the last of the answers in a row that must all say `gone`. Source: EC2's notes on eventual consistency."""

REMEMBERED_SECONDS = 3600.0
"""How far back answers are read. EC2 lists what has ended for about an hour, so that one that said before that it ends is among them."""

_ENDING_STATES = frozenset({"shutting-down", "stopping", "terminated"})


@dataclass(frozen=True, slots=True)
class Said:
    """What EC2 answered about an instance. `is_other_account`: it was asked in an account that is not the instance's."""

    state: str
    at: datetime
    is_other_account: bool = False


def account_of_role(role_arn: str | None) -> str | None:
    """Return the AWS account that a role's ARN names, or None."""
    parts = (role_arn or "").split(":")
    return parts[4] if len(parts) > 5 and parts[4] else None


def is_elsewhere(asked_account: str | None, instance_account: str | None) -> bool:
    """Tell whether the account that was asked is known not to be the instance's."""
    return None not in {asked_account, instance_account} and asked_account != instance_account


def weigh(said: Sequence[Said], *, is_one_of_many: bool) -> str:
    """Return what the newest answer says, as far as it counts; `said`: at least one, newest first.

    `gone` counts when the right account says it over UNKNOWN_APART_SECONDS, each time that it is asked, and the instance did not fall
    silent together with many others; or at once, when EC2 had said before that the instance ends.
    """
    newest = said[0]
    if newest.state != GONE:
        return newest.state
    if newest.is_other_account:
        return UNKNOWN_ELSEWHERE
    in_a_row = list(takewhile(lambda one: one.state == GONE and not one.is_other_account, said))
    before = next((one.state for one in said[len(in_a_row) :] if one.state != GONE), None)
    if before in _ENDING_STATES:
        return GONE
    lasted = newest.at - in_a_row[-1].at
    return GONE if lasted >= timedelta(seconds=UNKNOWN_APART_SECONDS) and not is_one_of_many else UNKNOWN_YET


def in_words(state: str, who: str) -> str:
    """Say for a person what EC2 says of `who`, by a state that was weighed."""
    match state:
        case "unknown_yet":
            return f"EC2 says that it knows no such instance as {who}, and that is asked again"
        case "unknown_elsewhere":
            return f"EC2 says that it knows no such instance as {who}, in another account than the instance's"
        case _:
            return f"EC2 says that {who} is {state}"
