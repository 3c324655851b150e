"""The watch over silent primaries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from spot_server.db.runner import Transaction
from spot_server.features.silences import queries, service
from spot_server.features.silences.listening import Ear, listen
from spot_server.features.silences.queries import Suspect
from spot_server.features.silences.rules import silent_together
from spot_server.features.silences.service import Looked, Watch
from spot_server.features.silences.visits import Visits
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


@dataclass(frozen=True, slots=True)
class _RollCall:
    """Who is silent, who is heard, and about whom EC2 was asked, at one moment."""

    suspects: list[Suspect]
    heard_count: int
    hears_somebody: bool
    asked: frozenset[str]


class SilenceWatch:
    """The job. It remembers how long it has listened: after a start, a long pause, or a clock that was set, a grace begins.

    And whom it looked into when, so that a thousand silent primaries are not a thousand transactions in every run.
    """

    def __init__(self) -> None:
        """Know of no look yet."""
        self._ear: Ear | None = None
        self._visits = Visits()

    def __call__(self, context: JobContext) -> str:
        """Look into the silences that are due, each in its own transaction; an agent that fails does not hold up the others."""
        call, now_seconds = context.database.read(_call_the_roll), context.clock.monotonic_seconds()
        ear = self._ear = listen(self._ear, now=context.clock.now(), now_seconds=now_seconds, hears_somebody=call.hears_somebody)
        many = silent_together({one.agent_id: one.last_heartbeat_at for one in call.suspects}, call.heard_count)
        context.metrics.silent_primaries.set(len(call.suspects))
        context.metrics.many_silent.set(1 if many else 0)
        if ear.listened_seconds < context.database.policy.daemon_fresh_seconds:
            return ""
        _page(context, call, many)
        due = self._visits.due([one.agent_id for one in call.suspects], call.asked, now_seconds)
        done = for_each(due, lambda key: self._look(context, key, ear, is_one_of_many=key in many))
        return "; ".join(sentence for sentence in done if sentence is not None)

    def _look(self, context: JobContext, agent_id: str, ear: Ear, *, is_one_of_many: bool) -> str | None:
        watch = Watch(
            suspected_after_seconds=context.database.policy.daemon_fresh_seconds,
            told_after_seconds=context.settings.offline_after_seconds,
            is_one_of_many=is_one_of_many,
            others_heard_seconds=ear.heard_seconds,
        )
        looked: Looked = context.database.write(partial(service.look_into, agent_id=agent_id, watch=watch))
        self._visits.note(agent_id, ear.looked_at_seconds + looked.again_after_seconds, is_asked=looked.is_asked)
        return looked.sentence


def _call_the_roll(tx: Transaction) -> _RollCall:
    cutoff = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    suspects = queries.list_suspects(tx, cutoff)
    heard_count = queries.count_heard(tx, cutoff) if len(suspects) > 1 else 0
    return _RollCall(
        suspects=suspects,
        heard_count=heard_count,
        hears_somebody=heard_count > 0 or queries.hears_somebody(tx, cutoff),
        asked=queries.asked_about(tx) if suspects else frozenset(),
    )


def _page(context: JobContext, call: _RollCall, many: frozenset[str]) -> None:
    counts = Counter(suspect.client_id for suspect in call.suspects if suspect.agent_id in many)
    for client_id, silent_count in counts.items():
        if context.database.write(partial(service.page_of_many, client_id=client_id, silent_count=silent_count)):
            context.log.error("many_silent", client_id=client_id, silent_count=silent_count, heard_count=call.heard_count)
