"""What one channel tells of an interruption."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.features.interruptions.rules import named_end
from spot_server.words import InterruptionKind, NoticeChannel


@dataclass(frozen=True, slots=True)
class Report:
    """What a channel saw. `notice_id` identifies it within the channel: repeats, restarts and both endpoints make one event.

    `action_at` is the end that the notice names, None where the channel cannot see it; `announced_at` is when EC2 announced it, where the
    channel says so.
    """

    notice_id: str
    instance_id: str
    kind: InterruptionKind
    action_at: datetime | None
    detected_at: datetime
    channel: NoticeChannel = NoticeChannel.DAEMON
    announced_at: datetime | None = None
    is_heard_now: bool = True
    """Of a daemon: it tells this now. False for what it told with a heartbeat, of which only the word was kept."""
    code: str | None = None
    """Of scheduled maintenance: what EC2 will do."""
    detail: str = ""
    """What else a person should read, in words; it goes into the notification."""

    @property
    def end_at(self) -> datetime | None:
        """When the instance goes: as named, or by the usual lead; None for what does not take it."""
        return self.action_at or named_end(self.kind, self.announced_at or self.detected_at)
