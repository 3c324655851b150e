"""Published policies for a job with a deadline."""

from __future__ import annotations

from spot_server.backtest.jobs import JobView
from spot_server.words import Mode


class OnDemandJob:
    """On demand from the start to the end."""

    def choose(self, view: JobView) -> Mode | None:
        """Never waits."""
        return Mode.ON_DEMAND


class CheapestSpotJob:
    """Spot whenever there is capacity, on demand whenever there is none: never waits."""

    def choose(self, view: JobView) -> Mode | None:
        """Takes what there is."""
        return Mode.SPOT if view.known.has_capacity and view.may_run_on_spot else Mode.ON_DEMAND


class GreedyJob:
    """Spot whenever there is capacity, waits while there is none, and goes on demand for good when the deadline says so."""

    def choose(self, view: JobView) -> Mode | None:
        """Waits until it must not."""
        if view.runs_on is Mode.ON_DEMAND:
            return Mode.ON_DEMAND
        if view.known.has_capacity and view.may_run_on_spot:
            return Mode.SPOT
        return None if view.may_wait else Mode.ON_DEMAND


class UniformProgressJob:
    """Uniform Progress: on demand while it is behind the line from nothing at the start to all the work at the deadline.

    Once on demand, it leaves that for spot capacity alone, and when it is two changeovers ahead of the line. Source: "Can't Be Late",
    NSDI 2024, section 4.
    """

    def choose(self, view: JobView) -> Mode | None:
        """Compares the work done with the line."""
        terms = view.terms
        done = terms.work_seconds - view.work_seconds_left
        passed = terms.total_seconds - view.seconds_left
        pace = terms.work_seconds / terms.total_seconds
        is_spot_possible = view.known.has_capacity and view.may_run_on_spot
        if view.runs_on is Mode.ON_DEMAND:
            is_ahead = done >= pace * (passed + 2 * terms.changeover_seconds)
            return Mode.SPOT if is_spot_possible and is_ahead else Mode.ON_DEMAND
        if is_spot_possible:
            return Mode.SPOT
        return None if view.may_wait and done >= pace * passed else Mode.ON_DEMAND
