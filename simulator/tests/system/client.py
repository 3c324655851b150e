"""A person's client that never gives up: it asks again, under the same request_id, until somebody answers."""

import threading
from dataclasses import dataclass, field
from typing import Any

from spot_simulator.demo.apis import CallRefused, JsonApi

PAUSE_SECONDS = 0.2
BOUND_ATTEMPTS = 300


@dataclass(slots=True)
class Ledger:
    """What the API acknowledged, as its callers remember it."""

    switches: dict[str, str] = field(default_factory=dict)
    """request_id to switch_id."""
    replicas: dict[str, str] = field(default_factory=dict)
    """request_id to replica_id."""
    contradictions: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, book: dict[str, str], request_id: str, made_id: str) -> None:
        """Remember an answer; another one to the same request is a contradiction."""
        with self._lock:
            earlier = book.setdefault(request_id, made_id)
            if earlier != made_id:
                self.contradictions.append(f"request {request_id} was answered with {earlier}, then with {made_id}")

    def refuse(self, problem: str) -> None:
        """Count a refusal by its kind."""
        with self._lock:
            self.refusals[problem] = self.refusals.get(problem, 0) + 1


def persist(api: JsonApi, method: str, path: str, body: Any = None) -> Any:
    """Return the answer; CallRefused only when the server itself refused (4xx), however often it was away before."""
    for _ in range(BOUND_ATTEMPTS):
        try:
            return api.call(method, path, body)
        except CallRefused as refused:
            if refused.status is not None and refused.status < 500:
                raise
        except OSError:
            pass
        threading.Event().wait(PAUSE_SECONDS)
    raise TimeoutError(f"{method} {path}: nobody answered")
