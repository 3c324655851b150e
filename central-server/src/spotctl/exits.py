"""The exit codes, for scripts; docs/spotctl.md explains each."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What became of a command."""

    DONE = 0
    REFUSED = 1
    """The server understood and refused: a move runs already, no place fits, the events are gone."""
    USAGE = 2
    """An option or a value is wrong; nothing was sent, or the server named the field."""
    NOT_LOGGED_IN = 3
    """No credentials, or the server does not take them."""
    NOT_FOUND = 4
    UNREACHABLE = 5
    """No answer, or one that is not the server's. Whether a write was done is not known."""
    NOT_CONFIRMED = 6
    ENDED_OTHERWISE = 7
    """What was waited for came to an end, and not to the one that was asked for."""
    DEFECT = 70
    INTERRUPTED = 130
    READER_GONE = 141
