"""What the invariants say when they are broken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold. `invariant` is its name, the same in each run; `text` tells of this case."""

    invariant: str
    at_seconds: float
    text: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.at_seconds:9.2f} s {self.invariant}: {self.text}"
