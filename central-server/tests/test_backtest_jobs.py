"""Jobs with a deadline, played over made-up capacity: what each policy pays, worked out by hand, and the bound below all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spot_server.backtest.history import job_ticks, known_series
from spot_server.backtest.job_bound import job_bound
from spot_server.backtest.job_policies import CheapestSpotJob, GreedyJob, OnDemandJob, UniformProgressJob
from spot_server.backtest.jobs import JobPolicy, JobResult, JobTerms, JobView, play_job
from spot_server.backtest.ours_job import OurJob
from spot_server.backtest.policies import shipped_model
from spot_server.backtest.terms import ImpossibleTerms

HOUR = 3600.0
# Four hours of work in six, half an hour to start, spot at a third of the price.
TERMS = JobTerms(work_seconds=4 * HOUR, total_seconds=6 * HOUR, changeover_seconds=0.5 * HOUR, price_ratio=3.0)
ALL_POLICIES = (OnDemandJob, CheapestSpotJob, GreedyJob, UniformProgressJob, lambda: OurJob(shipped_model(), TERMS.spot_price))


def played(policy: JobPolicy, capacity: str, terms: JobTerms = TERMS, step_seconds: float = HOUR) -> JobResult:
    """Play a job; `capacity` is a 1 or a 0 for each tick, zone after zone."""
    return play_job(policy, terms, job_ticks([series(zone) for zone in capacity.split()], step_seconds), step_seconds)


def series(capacity: str) -> list[bool]:
    return [tick == "1" for tick in capacity]


def test_on_demand_pays_for_the_work_and_one_start() -> None:
    result = played(OnDemandJob(), "000000")

    assert result.cost == pytest.approx(4.5 / 4)
    assert (result.starts, result.losses, result.is_late) == (1, 0, False)


def test_spot_that_is_always_there_costs_a_third() -> None:
    result = played(GreedyJob(), "111111")

    assert result.cost == pytest.approx(4.5 / 3 / 4)
    assert (result.starts, result.is_late) == (1, False)


def test_greedy_waits_while_it_can_and_then_stays_on_demand() -> None:
    # After an hour 5 h are left for 4 h of work and a start: one more would be too late. It does not go back for the spot that comes then.
    result = played(GreedyJob(), "001111")

    assert result.cost == pytest.approx(4.5 / 4)
    assert (result.starts, result.is_late) == (1, False)


def test_the_cheapest_spot_goes_on_demand_at_a_loss_and_back() -> None:
    # An hour of spot and one on demand, half of each a start, and spot for a start and the 3 h that are left.
    result = played(CheapestSpotJob(), "101111111", JobTerms(4 * HOUR, 9 * HOUR, 0.5 * HOUR, 3.0))

    assert result.cost == pytest.approx((1 / 3 + 1 + 3.5 / 3) / 4)
    assert (result.starts, result.losses) == (3, 1)


def test_uniform_progress_waits_only_while_it_is_ahead_of_the_line() -> None:
    # Two hours of spot: 1.5 h of work, where the line has 1.33, so it waits. An hour later the line has 2: on demand for a start and 2.5 h.
    result = played(UniformProgressJob(), "110111", JobTerms(4 * HOUR, 6 * HOUR, 0.5 * HOUR, 3.0), HOUR)

    assert result.cost == pytest.approx((2 / 3 + 3) / 4)
    assert (result.starts, result.losses) == (2, 1)


def test_ours_takes_spot_while_it_is_there_and_is_in_time_when_it_never_is() -> None:
    model = shipped_model()

    with_spot = played(OurJob(model, TERMS.spot_price), "111111")
    without = played(OurJob(model, TERMS.spot_price), "000000")

    assert with_spot.cost == pytest.approx(4.5 / 3 / 4)
    assert with_spot.starts == 1
    assert without.cost == pytest.approx(4.5 / 4)
    assert not without.is_late


@pytest.mark.parametrize(("capacity", "best_hours"), [("111111", 4.5 / 3), ("000000", 4.5), ("000111", 2 + 3 / 3)])
def test_the_bound_is_at_most_what_the_best_way_costs(capacity: str, best_hours: float) -> None:
    # The last: a start and 1.5 h of work on demand, then a start and 2.5 h on spot.
    bound = job_bound(TERMS, [series(capacity)], HOUR)

    assert bound <= best_hours / 4 + 1e-9
    assert bound == pytest.approx(best_hours / 4, rel=0.15)


@pytest.mark.parametrize("make", [CheapestSpotJob, GreedyJob, UniformProgressJob, lambda: OurJob(shipped_model(), 1 / 3, ("a", "b"))])
def test_among_zones_a_job_goes_on_where_there_is_capacity(make: Callable[[], JobPolicy]) -> None:
    # Two hours in the first zone, then half an hour's start and 2.5 h in the second.
    result = played(make(), "110000 001111")

    assert result.cost == pytest.approx((2 + 3) / 3 / 4)
    assert (result.starts, result.losses, result.is_late) == (2, 1, False)


def test_among_zones_a_job_stays_while_there_is_capacity_and_takes_the_zone_that_has_had_it_longest() -> None:
    three_zones = "01111111 11100000 00111111"
    seen: list[int | None] = []

    class Watched(GreedyJob):
        def choose(self, view: JobView) -> int | None:
            seen.append(super().choose(view))
            return seen[-1]

    played(Watched(), three_zones, JobTerms(4 * HOUR, 8 * HOUR, 0.5 * HOUR, 3.0))

    assert seen == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("capacity", "best_hours"),
    # The second: to leave the first zone while it has capacity costs a start and saves nothing. The third: on demand between two zones.
    [("110000 001111", 5 / 3), ("111111 111111", 4.5 / 3), ("11000 00001", 2 / 3 + 3)],
)
def test_the_bound_among_zones_is_at_most_what_the_best_way_costs(capacity: str, best_hours: float) -> None:
    zones = [series(zone) for zone in capacity.split()]
    bound = job_bound(TERMS, zones, HOUR)

    assert bound <= best_hours / 4 + 1e-9
    assert bound == pytest.approx(best_hours / 4, rel=0.15)
    assert all(bound <= job_bound(TERMS, [zone], HOUR) + 1e-9 for zone in zones)


@settings(deadline=None, max_examples=15)
@given(
    zones=st.lists(st.lists(st.booleans(), min_size=40, max_size=40), min_size=2, max_size=3),
    step=st.sampled_from([360.0, 720.0]),
)
def test_among_zones_no_policy_costs_less_than_the_bound_nor_misses_the_deadline(zones: list[list[bool]], step: float) -> None:
    total = step * len(zones[0])
    terms = JobTerms(work_seconds=0.7 * total, total_seconds=total, changeover_seconds=900.0)
    names = [str(number) for number in range(len(zones))]
    ticks = job_ticks(zones, step)

    bound = job_bound(terms, zones, step)

    for policy in (OnDemandJob(), CheapestSpotJob(), GreedyJob(), UniformProgressJob(), OurJob(shipped_model(), terms.spot_price, names)):
        result = play_job(policy, terms, ticks, step)
        assert not result.is_late
        assert result.cost >= bound - 1e-9


@settings(deadline=None, max_examples=20)
@given(capacity=st.lists(st.booleans(), min_size=40, max_size=40), step=st.sampled_from([360.0, 720.0]))
def test_no_policy_costs_less_than_the_bound_nor_misses_the_deadline(capacity: list[bool], step: float) -> None:
    total = step * len(capacity)
    terms = JobTerms(work_seconds=0.7 * total, total_seconds=total, changeover_seconds=900.0)
    ticks = job_ticks([capacity], step)

    bound = job_bound(terms, [capacity], step)

    for make in ALL_POLICIES:
        result = play_job(make(), terms, ticks, step)
        assert not result.is_late
        assert result.cost >= bound - 1e-9


@settings(deadline=None, max_examples=40)
@given(capacity=st.lists(st.booleans(), min_size=2, max_size=40), place=st.integers(0, 39))
def test_what_is_known_at_a_tick_does_not_depend_on_what_came_after(capacity: list[bool], place: int) -> None:
    here = place % len(capacity)
    other = capacity[: here + 1] + [not tick for tick in capacity[here + 1 :]]

    assert known_series(capacity, 600.0)[: here + 1] == known_series(other, 600.0)[: here + 1]
    assert job_ticks([capacity, other], 600.0)[: here + 1] == job_ticks([capacity, capacity], 600.0)[: here + 1]


class _TakesWhatIsNotThere:
    def choose(self, view: JobView) -> int | None:
        return 0


def test_spot_without_capacity_cannot_be_chosen() -> None:
    with pytest.raises(ValueError, match="without capacity"):
        played(_TakesWhatIsNotThere(), "0")


@pytest.mark.parametrize(
    ("work_hours", "total_hours", "start_hours", "ratio", "said"),
    [
        (0.0, 6.0, 0.5, 3.0, "work hours 0.0"),
        (4.0, 4.2, 0.5, 3.0, "deadline hours 4.2: expected at least work and one start, 4.5"),
        (4.0, 6.0, -0.1, 3.0, "changeover hours -0.1"),
        (4.0, 6.0, 0.5, 0.9, "price ratio 0.9"),
        (float("nan"), 6.0, 0.5, 3.0, "work hours nan"),
    ],
)
def test_a_job_that_cannot_be_is_refused(work_hours: float, total_hours: float, start_hours: float, ratio: float, said: str) -> None:
    with pytest.raises(ImpossibleTerms, match=said):
        JobTerms(work_hours * HOUR, total_hours * HOUR, start_hours * HOUR, ratio)
