"""Which tokens make sense, for every request that could be made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spot_server.errors import FieldInvalid
from spot_server.features.tokens.rules import PATTERN, TokenRequest, complete_request
from spot_server.words import TokenKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)

REQUESTS = st.builds(
    TokenRequest,
    kind=st.sampled_from(TokenKind),
    label=st.just("x"),
    client_id=st.none() | st.just("client-1"),
    logical_agent_id_pattern=st.none() | st.sampled_from(["*", "web-*", "web-1", "a*b", "", "*x", "-x"]),
    uses_left=st.none() | st.integers(1, 10),
    expires_at=st.none() | st.integers(-10, 10).map(lambda hours: NOW + timedelta(hours=hours)),
)


def complete(request: TokenRequest) -> TokenRequest | None:
    """The completed request, or None when it is refused."""
    try:
        return complete_request(request, NOW)
    except FieldInvalid:
        return None


@given(REQUESTS)
def test_a_completed_request_has_what_its_kind_needs_and_nothing_else(request: TokenRequest) -> None:
    done = complete(request)

    if done is None:
        return
    is_enrolment = done.kind is TokenKind.ENROLMENT
    assert done.kind is not TokenKind.AGENT
    assert (done.client_id is None) == (done.kind is TokenKind.ADMIN)
    assert (done.logical_agent_id_pattern is not None) == is_enrolment
    assert (done.uses_left is not None) == is_enrolment
    assert not is_enrolment or done.expires_at is not None
    assert done.expires_at is None or done.expires_at > NOW


@given(REQUESTS)
def test_completing_changes_nothing_that_was_asked_for(request: TokenRequest) -> None:
    done = complete(request)

    if done is None:
        return
    assert all(asked in {None, getattr(done, name)} for name, asked in zip(request.__slots__, _values(request), strict=True))


@given(REQUESTS)
def test_completing_twice_is_completing_once(request: TokenRequest) -> None:
    done = complete(request)

    assert done is None or complete(done) == done


@given(st.from_regex(PATTERN, fullmatch=True))
def test_a_pattern_has_its_star_at_the_end_or_nowhere(pattern: str) -> None:
    assert "*" not in pattern[:-1]


def _values(request: TokenRequest) -> list[object]:
    return [getattr(request, name) for name in request.__slots__]
