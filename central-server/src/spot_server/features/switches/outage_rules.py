"""How long a workload stood still for a move, and what that is counted from: decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.words import DowntimeBasis


@dataclass(frozen=True, slots=True)
class OldSide:
    """What is known of when the old side served last; None: not known."""

    last_seen_at: datetime
    """Its last heartbeat, or what EC2 said later that shows that it ran."""
    quiesced_at: datetime | None = None
    """When it confirmed that it serves no more."""
    named_end_at: datetime | None = None
    """When EC2 would take it: as its notice said, or two minutes after that, where the channel does not see the end."""
    gone_at: datetime | None = None
    """When it was known to have ended, or was taken for lost: it ended before."""
    heard_every_seconds: float = 75.0
    """One that was not seen for so long was gone, as far as anybody knows (`MovePolicy.daemon_fresh_seconds`)."""


@dataclass(frozen=True, slots=True)
class Downtime:
    """How long a workload stood still, and what the beginning is."""

    milliseconds: int
    basis: DowntimeBasis


def outage_began(old: OldSide) -> tuple[datetime, DowntimeBasis]:
    """Return when the old side served last: by its own word, else by its end as EC2 named it, else by when it was last seen.

    The named end holds for one that was seen until then, and not after it, and that was not known to be gone before: a loss without a
    warning looks like a notice to whoever reads only the state of a spot request.
    """
    if old.quiesced_at is not None:
        return old.quiesced_at, DowntimeBasis.QUIESCED
    if old.named_end_at is not None and _was_taken_at(old, old.named_end_at):
        return old.named_end_at, DowntimeBasis.INSTANCE_END
    return min(old.last_seen_at, old.gone_at or old.last_seen_at), DowntimeBasis.LAST_SEEN


def _was_taken_at(old: OldSide, named_end_at: datetime) -> bool:
    is_seen_until_then = named_end_at - timedelta(seconds=old.heard_every_seconds) <= old.last_seen_at <= named_end_at
    return is_seen_until_then and (old.gone_at is None or old.gone_at >= named_end_at)


def downtime_until(served_again_at: datetime, old: OldSide) -> Downtime:
    """Return the downtime of a move whose workload was reached again then; none where the old side served until then."""
    began_at, basis = outage_began(old)
    return Downtime(max(0, round((served_again_at - began_at).total_seconds() * 1000)), basis)
