"""How the server's processes of a run go about it."""

from dataclasses import dataclass
from enum import StrEnum


class Leaves(StrEnum):
    """What of quiet time is left out of a run."""

    NOTHING = "nothing"
    TURNS = "turns"
    """What daemons would repeat: quiet.py."""
    ALL = "all"
    """Also the looks of the server that would come to nothing: foresight.py."""


@dataclass(frozen=True, slots=True)
class Ways:
    """`skew_seconds`: how far the wall clock of the server's machine is ahead; `leaves_out_looks`: see foresight.py and patience.py."""

    seed: object
    skew_seconds: float = 0.0
    leaves_out_looks: bool = True
