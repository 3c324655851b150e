"""The client tokens of RunInstances: one token, one set of parameters, one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT")
TOKEN_MAX_CHARACTERS = 64
_IGNORED = frozenset({"ClientToken", "Version", "Action", "DryRun"})


@dataclass(frozen=True, slots=True)
class First:
    """The token is new in this zone: act, then ``remember``."""


@dataclass(frozen=True, slots=True)
class Repeat(Generic[AnswerT]):
    """The same request again: give the first answer."""

    answer: AnswerT


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The token came with other parameters before."""


Verdict = First | Repeat[AnswerT] | Mismatch


def fingerprint(parameters: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """What must be equal for a repeat: every parameter that describes the launch."""
    return tuple((key, parameters[key]) for key in sorted(parameters) if key not in _IGNORED)


@dataclass(slots=True)
class TokenTable(Generic[AnswerT]):
    """Tokens are kept per zone: with a zone in the request EC2's idempotency is zonal, so the same token elsewhere is new.

    A launch that failed is not remembered. The caller holds a lock from ``look_up`` to ``remember``.
    """

    _entries: dict[tuple[str, str], tuple[tuple[tuple[str, object], ...], AnswerT]] = field(default_factory=dict)

    def look_up(self, token: str, zone: str, parameters: Mapping[str, object]) -> Verdict[AnswerT]:
        """Say what a request with this token is."""
        entry = self._entries.get((token, zone))
        if entry is None:
            return First()
        seen, answer = entry
        return Repeat(answer) if seen == fingerprint(parameters) else Mismatch()

    def remember(self, token: str, zone: str, parameters: Mapping[str, object], answer: AnswerT) -> None:
        """Keep the answer of the first request; a later one for the same token and zone changes nothing."""
        self._entries.setdefault((token, zone), (fingerprint(parameters), answer))
