"""How the server's processes of a run go about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ways:
    """`skew_seconds`: how far the wall clock of the server's machine is ahead; `leaves_out_quiet`: see patience.py."""

    seed: object
    skew_seconds: float = 0.0
    leaves_out_quiet: bool = True
