"""Since when an instance runs, decided from values alone: EC2's word and the server's clock bound what the machine says of itself."""

from __future__ import annotations

from datetime import UTC, datetime

EC2_OPENED_AT = datetime(2006, 8, 24, tzinfo=UTC)
"""Nothing was launched before EC2 was there. Source: aws.amazon.com/blogs/aws/amazon_ec2_beta (24 August 2006)."""


def possible_launch(launched_at: datetime | None, now: datetime) -> datetime | None:
    """Return a launch as it can have been: none before there was EC2, none later than the server's present time; None: not known."""
    if launched_at is None or launched_at < EC2_OPENED_AT:
        return None
    return min(launched_at, now)


def possible_boot(launched_at: datetime | None, booted_at: datetime | None, now: datetime) -> datetime | None:
    """Return a boot as it can have been: never before the launch, and None where the machine's clock names a time to come.

    A container shows how long its host is up, and a clock that was not set yet shows 1970.
    """
    if booted_at is None or booted_at > now:
        return None
    if launched_at is not None:
        return max(booted_at, launched_at)
    return booted_at if booted_at >= EC2_OPENED_AT else None


def began_at(launched_at: datetime | None, booted_at: datetime | None, registered_at: datetime | None) -> datetime:
    """Return since when an instance runs: from its boot, if that lies between its launch and its registration, else from its launch.

    Without a word of EC2's on the launch it is the registration: nobody but the machine's own clock says that it ran before. One of
    `launched_at` and `registered_at` is known; `registered_at` is by the server's clock.
    """
    if launched_at is None:
        assert registered_at is not None  # noqa: S101 - a row is there because one of the two happened
        return registered_at
    if booted_at is not None and launched_at <= booted_at and (registered_at is None or booted_at <= registered_at):
        return booted_at
    return launched_at if registered_at is None else min(launched_at, registered_at)
