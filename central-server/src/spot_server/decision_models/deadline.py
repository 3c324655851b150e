"""Work with a deadline: wait for spot capacity as long as the slack allows, and keep of it what the changeovers to come will cost."""

from __future__ import annotations

from spot_server.decision_models.answers import Decision
from spot_server.decision_models.inputs import Candidate, DeadlineJob, DecisionInput
from spot_server.words import Action, Mode

# Chosen on the training parts of two sets of recorded availability (docs/backtest.md), all in changeovers or shares, so that they carry
# over to other lengths of jobs and of changeovers.
LEAST_RESERVE_CHANGEOVERS = 1.0
CHANGEOVERS_PER_SPELL = 4.0
"""Kept for each time that capacity is expected to come and go again: there and back, twice over, for it does not come evenly."""

MOST_RESERVE_SHARE = 0.6
"""Of the slack that is left, what changeovers are kept for at most. The slack is used up evenly with the work when all goes as planned."""

SCARCE_SHARE = 0.4
"""A pool that has capacity for less than this share of the time will not do the work alone: more of the slack is kept."""

WAIT_CHANGEOVERS = 0.75
WAIT_CHANGEOVERS_PER_LOSS = 0.5
"""How long capacity must have been there before work leaves on-demand for it, and how much longer for each loss an hour of late: young
spells end soonest."""

LEAST_SHARE = 0.05


def decide_deadline(given: DecisionInput, job: DeadlineJob) -> Decision:
    """Return where the job should run until it is decided again: SWITCH to a candidate, or STAY as it is."""
    spot, on_demand = _best_spot(given, job), _on_demand(given)
    if job.work_seconds_left <= 0:
        return Decision(Action.NO_ACTION, 1.0, "the work is done")
    if job.runs_on is None:
        slack = job.seconds_left - job.work_seconds_left - job.changeover_seconds
    else:
        slack = job.seconds_left - job.work_seconds_left - job.starting_seconds_left
    hours = f"{slack / 3600:.1f} h of slack"
    has_spot = spot is not None and _may_run_on_spot(job)
    if job.runs_on is Mode.SPOT and _may_run_on_spot(job):
        return Decision(Action.STAY, 1.0, f"spot capacity is there, and {hours}")
    if job.runs_on is Mode.ON_DEMAND:
        if not has_spot or not _is_worth_leaving(job, slack):
            return Decision(Action.STAY, 0.8, f"no spot capacity that is likely to last, and {hours}")
        return _to(spot, job, f"spot capacity has been there for {job.spell_seconds / 60:.0f} min, and {hours}")
    if has_spot:
        return _to(spot, job, f"spot capacity is there, and {hours}")
    if not _may_wait(job):
        return _to(on_demand, job, f"{hours}: from now on only on demand is sure to be in time")
    reserve = reserve_seconds(job)
    if slack > reserve:
        return Decision(Action.STAY, 0.8, f"waits for spot capacity: {hours}, of which {reserve / 3600:.1f} h are kept for changeovers")
    return _to(on_demand, job, f"no spot capacity, and {hours}, which changeovers are expected to need")


def _may_wait(job: DeadlineJob) -> bool:
    """Whether the deadline can still be kept, on demand, when it is decided again."""
    return job.work_seconds_left + job.changeover_seconds <= job.seconds_left - job.step_seconds


def _may_run_on_spot(job: DeadlineJob) -> bool:
    """The same after a step on spot, which is taken to last that long."""
    starting = job.starting_seconds_left if job.runs_on is Mode.SPOT else job.changeover_seconds
    left = job.work_seconds_left - max(0.0, job.step_seconds - starting)
    return left <= 0 or left + job.changeover_seconds <= job.seconds_left - job.step_seconds


def reserve_seconds(job: DeadlineJob) -> float:
    """Return how much of the slack is kept: waiting may use the rest."""
    even_share = job.work_seconds_left * (job.total_seconds / job.work_seconds - 1.0)
    spells = job.spells_per_hour * job.seconds_left / 3600
    changeovers = min(CHANGEOVERS_PER_SPELL * spells * job.changeover_seconds, MOST_RESERVE_SHARE * even_share)
    scarcity = max(0.0, SCARCE_SHARE - job.available_share) * even_share
    return LEAST_RESERVE_CHANGEOVERS * job.changeover_seconds + changeovers + scarcity


def _is_worth_leaving(job: DeadlineJob, slack_seconds: float) -> bool:
    losses_per_hour = job.spells_per_hour / max(job.available_share, LEAST_SHARE)
    wait = (WAIT_CHANGEOVERS + WAIT_CHANGEOVERS_PER_LOSS * losses_per_hour) * job.changeover_seconds
    return job.spell_seconds >= wait and slack_seconds >= 2 * job.changeover_seconds + job.step_seconds


def _on_demand(given: DecisionInput) -> Candidate | None:
    return next((candidate for candidate in given.candidates if candidate.market.mode is Mode.ON_DEMAND), None)


def _best_spot(given: DecisionInput, job: DeadlineJob) -> Candidate | None:
    """Return the pool with capacity that is expected to keep it longest; None: none has any."""
    # Young spells end soonest. How long a pool's spells were of late adds nothing to that: tried, on the training parts.
    able = [candidate for candidate in given.candidates if candidate.market.mode is Mode.SPOT and candidate.refusal is None]
    spells = {place.key: place.spell_seconds for place in job.places}
    return max(able, key=lambda candidate: spells.get(candidate.market.key, 0.0), default=None)


def _to(candidate: Candidate | None, job: DeadlineJob, reasoning: str) -> Decision:
    if candidate is None or candidate.refusal is not None:
        return Decision(Action.STAY, 0.5, f"{reasoning}; but that cannot be used")
    if job.runs_on is candidate.market.mode:
        return Decision(Action.STAY, 1.0, reasoning)
    return Decision(Action.SWITCH, 0.9, reasoning, candidate.market.key)
