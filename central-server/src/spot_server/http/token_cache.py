"""Remembering for a moment which tokens are good, so that a heartbeat costs no SELECT for its token."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from spot_server.clock import Clock
from spot_server.principal import Principal

LONGEST_SECONDS = 600.0
"""How long an entry may live at most, even while revocations are watched."""

WATCH_FRESH_SECONDS = 2.0
"""A look for revocations that is older than this vouches for nothing."""


@dataclass(frozen=True, slots=True)
class _Entry:
    principal: Principal
    stored_seconds: float


class TokenCache:
    """Principals by the SHA-256 of their token, least recently used out first. Safe to share between threads.

    An entry is believed for `believe_seconds`; for LONGEST_SECONDS while `watched` is called at least every WATCH_FRESH_SECONDS, if no
    revocation since the entry was read can have been missed.
    """

    def __init__(self, clock: Clock, *, believe_seconds: float, most_entries: int = 20_000) -> None:
        """Start empty. `believe_seconds` 0 turns the cache off."""
        self._clock = clock
        self._believe_seconds = believe_seconds
        self._most_entries = most_entries
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._watched_seconds: float | None = None
        self._all_known_since_seconds = 0.0
        self._lock = threading.Lock()

    def get(self, token_sha256: str) -> Principal | None:
        """Return whom the token speaks for if that is known and still to be believed."""
        now_seconds = self._clock.monotonic_seconds()
        with self._lock:
            entry = self._entries.get(token_sha256)
            if entry is None:
                return None
            if now_seconds - entry.stored_seconds >= self._lifetime_seconds(entry, now_seconds) or self._is_expired(entry):
                del self._entries[token_sha256]
                return None
            self._entries.move_to_end(token_sha256)
            return entry.principal

    def put(self, token_sha256: str, principal: Principal, *, read_seconds: float) -> None:
        """Remember what the database said at `read_seconds` on the monotonic clock, taken before the SELECT."""
        if self._believe_seconds <= 0:
            return
        with self._lock:
            self._entries[token_sha256] = _Entry(principal, read_seconds)
            self._entries.move_to_end(token_sha256)
            while len(self._entries) > self._most_entries:
                self._entries.popitem(last=False)

    def watched(self, revoked_sha256: Iterable[str], *, since_seconds: float, looked_seconds: float) -> None:
        """Forget these tokens: all that were revoked from `since_seconds` to `looked_seconds` on the monotonic clock.

        Where that leaves a gap after the look before, what was read earlier is not believed any longer than without a watch.
        """
        with self._lock:
            for token_sha256 in revoked_sha256:
                self._entries.pop(token_sha256, None)
            if self._watched_seconds is None or since_seconds > self._watched_seconds:
                self._all_known_since_seconds = since_seconds
            self._watched_seconds = looked_seconds

    def forget(self, token_id: str) -> None:
        """Forget one token at once, in the process that revoked it."""
        with self._lock:
            for token_sha256 in [key for key, entry in self._entries.items() if entry.principal.token_id == token_id]:
                del self._entries[token_sha256]

    def _lifetime_seconds(self, entry: _Entry, now_seconds: float) -> float:
        is_watched = self._watched_seconds is not None and now_seconds - self._watched_seconds < WATCH_FRESH_SECONDS
        return LONGEST_SECONDS if is_watched and entry.stored_seconds >= self._all_known_since_seconds else self._believe_seconds

    def _is_expired(self, entry: _Entry) -> bool:
        expires_at = entry.principal.expires_at
        return expires_at is not None and expires_at <= self._clock.now()
