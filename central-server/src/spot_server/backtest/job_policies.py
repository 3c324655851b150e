"""Published policies for a job with a deadline.

They were published for one zone. Among several each takes, where it takes spot, the one that has had capacity for longest, and stays there
while it has; everything else they ask of all zones together.
"""

from __future__ import annotations

from spot_server.backtest.jobs import JobView
from spot_server.backtest.terms import ON_DEMAND
from spot_server.words import Mode


class OnDemandJob:
    """On demand from the start to the end."""

    def choose(self, view: JobView) -> int | None:
        """Never waits."""
        return ON_DEMAND


class CheapestSpotJob:
    """Spot whenever there is capacity, on demand whenever there is none: never waits."""

    def choose(self, view: JobView) -> int | None:
        """Takes what there is."""
        zone = view.zone_to_take
        return ON_DEMAND if zone is None else zone


class GreedyJob:
    """Spot whenever there is capacity, waits while there is none, and goes on demand for good when the deadline says so."""

    def choose(self, view: JobView) -> int | None:
        """Waits until it must not."""
        if view.runs_on is Mode.ON_DEMAND:
            return ON_DEMAND
        zone = view.zone_to_take
        if zone is not None:
            return zone
        return None if view.may_wait else ON_DEMAND


class UniformProgressJob:
    """Uniform Progress: on demand while it is behind the line from nothing at the start to all the work at the deadline.

    Once on demand, it leaves that for spot capacity alone, and when it is two changeovers ahead of the line. Source: "Can't Be Late",
    NSDI 2024, section 4.
    """

    def choose(self, view: JobView) -> int | None:
        """Compares the work done with the line."""
        terms = view.terms
        done = terms.work_seconds - view.work_seconds_left
        passed = terms.total_seconds - view.seconds_left
        pace = terms.work_seconds / terms.total_seconds
        zone = view.zone_to_take
        if view.runs_on is Mode.ON_DEMAND:
            is_ahead = done >= pace * (passed + 2 * terms.changeover_seconds)
            return zone if zone is not None and is_ahead else ON_DEMAND
        if zone is not None:
            return zone
        return None if view.may_wait and done >= pace * passed else ON_DEMAND
