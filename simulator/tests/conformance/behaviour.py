"""What the services of the tests do, whatever they are made of."""

from enum import StrEnum


class Behaviour(StrEnum):
    """A service's program."""

    SERVES = "serves"  # accepts requests, and answers its instance's id
    SLEEPS = "sleeps"  # until it gets a signal
    ENDS = "ends"  # at once, with exit code 0
    IS_DEAF = "is_deaf"  # makes srv/deaf, and ignores SIGTERM
    COUNTS = "counts"  # adds an x to srv/count again and again
    SPOILS = "spoils"  # overwrites the list of services with "not json"
    OBEYS_FAULTS = "obeys_faults"  # gives up when its start is ordered to fail, else sleeps
