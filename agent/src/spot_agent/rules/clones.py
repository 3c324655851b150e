"""Is this journal ours? The first question of all, before anything is read from it."""

from __future__ import annotations

from enum import Enum

from spot_agent.journal_contents import JournalContents


class Origin(str, Enum):
    """Where the journal came from."""

    OURS = "ours"
    FRESH = "fresh"
    FOREIGN = "foreign"


def origin_of(contents: JournalContents, instance_id: str) -> Origin:
    """FOREIGN: this disk was copied from another instance, with its token, role, plan and unsent reports."""
    if not contents.instance_id:
        return Origin.FRESH
    return Origin.OURS if contents.instance_id == instance_id else Origin.FOREIGN


def own_journal(contents: JournalContents, instance_id: str) -> JournalContents:
    """The journal as it is if it is ours; else an empty one.

    Kept are our own id, and that a thaw is due: an image that was made in a freeze holds what the freeze left on the disk.
    """
    if origin_of(contents, instance_id) is Origin.OURS:
        return contents
    return JournalContents(instance_id=instance_id, freezing=contents.freezing)
