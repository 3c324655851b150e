"""Whether the new side of a modelled switch is like the old one, and the promises about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spot_server.features.switches.decisions import Comparison
from spot_server.words import ReplicaStatus


@dataclass
class Likeness:
    """What a comparison would find, and whether it was made."""

    is_unlike: bool = False
    comparison: Comparison = Comparison.DUE

    @property
    def differences(self) -> tuple[str, ...]:
        return ("key_name",) if self.is_unlike and self.comparison is Comparison.RECORDED else ()

    def note(self, replica: ReplicaStatus | None) -> Iterator[str]:
        """Make the comparison; what is broken by that."""
        if self.comparison is not Comparison.DUE:
            yield "a comparison is recorded twice"
        if replica is not ReplicaStatus.READY:
            yield f"a replica that is {replica} is compared"
        self.comparison = Comparison.RECORDED

    def promote(self, *, is_planned: bool) -> Iterator[str]:
        """What is broken by a promotion."""
        if self.comparison is not Comparison.RECORDED:
            yield "what was not compared is promoted"
        if self.is_unlike and is_planned:
            yield "a planned move promotes what is not like the old side"
