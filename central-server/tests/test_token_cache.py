"""The token cache: believed for a moment, longer while revocations are watched, never past a token's own end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server_support.clock import START, FakeClock
from spot_server.http.token_cache import LONGEST_SECONDS, TokenCache
from spot_server.principal import Principal
from spot_server.words import TokenKind

DIGEST = "d1"


@pytest.fixture
def cache(clock: FakeClock) -> TokenCache:
    return TokenCache(clock, believe_seconds=5, most_entries=2)


def principal(token_id: str, expires_in_seconds: float | None = None) -> Principal:
    expires_at = None if expires_in_seconds is None else START + timedelta(seconds=expires_in_seconds)
    return Principal(TokenKind.AGENT, token_id, "daemon", expires_at=expires_at)


def test_a_token_is_believed_for_a_few_seconds(cache: TokenCache, clock: FakeClock) -> None:
    cache.put(DIGEST, principal("t-1"), read_seconds=0)

    clock.advance(4.9)
    early = cache.get(DIGEST)
    clock.advance(0.1)

    assert (early, cache.get(DIGEST)) == (principal("t-1"), None)


def test_a_token_is_believed_for_ten_minutes_while_revocations_are_watched(cache: TokenCache, clock: FakeClock) -> None:
    cache.put(DIGEST, principal("t-1"), read_seconds=0)
    cache.watched([], since_seconds=-60, looked_seconds=0)

    clock.advance(LONGEST_SECONDS - 0.1)
    cache.watched([], since_seconds=0, looked_seconds=clock.monotonic_seconds())
    early = cache.get(DIGEST)
    clock.advance(0.1)

    assert (early, cache.get(DIGEST)) == (principal("t-1"), None)


def test_after_a_gap_in_the_watch_only_what_was_read_since_is_believed_for_long(cache: TokenCache, clock: FakeClock) -> None:
    cache.watched([], since_seconds=-60, looked_seconds=0)
    cache.put("before", principal("t-1"), read_seconds=0)
    clock.advance(90)
    cache.put("since", principal("t-2"), read_seconds=40)

    # A revocation between 0 and 30 s would never be told.
    cache.watched([], since_seconds=30, looked_seconds=90)

    assert (cache.get("before"), cache.get("since")) == (None, principal("t-2"))


def test_looks_that_overlap_leave_no_gap(cache: TokenCache, clock: FakeClock) -> None:
    cache.watched([], since_seconds=-60, looked_seconds=0)
    cache.put(DIGEST, principal("t-1"), read_seconds=0)
    clock.advance(59)

    cache.watched([], since_seconds=-1, looked_seconds=59)

    assert cache.get(DIGEST) == principal("t-1")


def test_a_watch_that_stopped_vouches_for_nothing(cache: TokenCache, clock: FakeClock) -> None:
    cache.put(DIGEST, principal("t-1"), read_seconds=0)
    cache.watched([], since_seconds=0, looked_seconds=0)

    clock.advance(6)

    assert cache.get(DIGEST) is None


def test_a_revoked_token_is_forgotten(cache: TokenCache) -> None:
    cache.put(DIGEST, principal("t-1"), read_seconds=0)

    cache.watched([DIGEST, "unknown"], since_seconds=0, looked_seconds=0)

    assert cache.get(DIGEST) is None


def test_a_token_is_not_believed_past_its_own_end(cache: TokenCache, clock: FakeClock) -> None:
    cache.put(DIGEST, principal("t-1", expires_in_seconds=2), read_seconds=0)

    clock.advance(2)

    assert cache.get(DIGEST) is None


def test_one_token_can_be_forgotten_by_its_id(cache: TokenCache) -> None:
    cache.put("d1", principal("t-1"), read_seconds=0)
    cache.put("d2", principal("t-2"), read_seconds=0)

    cache.forget("t-1")

    assert (cache.get("d1"), cache.get("d2")) == (None, principal("t-2"))


def test_the_cache_is_bounded_and_the_least_used_goes_first(cache: TokenCache) -> None:
    for digest in ("d1", "d2"):
        cache.put(digest, principal(digest), read_seconds=0)
    cache.get("d1")

    cache.put("d3", principal("d3"), read_seconds=0)

    assert [cache.get(digest) is not None for digest in ("d1", "d2", "d3")] == [True, False, True]


def test_no_belief_means_no_cache(clock: FakeClock) -> None:
    cache = TokenCache(clock, believe_seconds=0)

    cache.put(DIGEST, principal("t-1"), read_seconds=0)
    cache.watched([], since_seconds=0, looked_seconds=0)

    assert cache.get(DIGEST) is None
