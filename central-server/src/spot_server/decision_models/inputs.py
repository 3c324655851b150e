"""What a decision model is given: frozen values, the same for the server, for a replay and for the backtest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from spot_server.words import Mode, Role

INTERFACE_VERSION = 1
"""Raised when a field changes its meaning; a stored input of another version is not replayed."""

WINDOW_DAYS = 7
"""How far back the price windows reach."""

Z_80_PERCENT = 1.2816
"""Standard deviations on each side that hold 80 % of a normal distribution: so wide are the intervals of all risks."""


@dataclass(frozen=True, slots=True)
class PriceStep:
    """A price that holds from `at` until the next step. `is_interpolated`: nobody reported it, it was filled in between two that were."""

    at: datetime
    usd_per_hour: Decimal
    is_interpolated: bool = False


@dataclass(frozen=True, slots=True)
class PoolRisk:
    """The chances (0..1) that a spot instance is lost in its next hour and day; of the day an 80 % interval (low <= chance <= high)."""

    chance_per_hour: float
    chance_per_day: float
    low_per_day: float
    high_per_day: float
    basis: str
    """Where it comes from, for a person; `unknown` first where nothing was computed and an assumption stands in."""
    is_known: bool = True
    computed_at: datetime | None = None
    boot_seconds: float | None = None
    """How long instances took there from launch to ready, by our own measurements; None: not measured."""


@dataclass(frozen=True, slots=True)
class Market:
    """One spot pool, or on-demand capacity of one type in one AZ, with what is known of it. Shared between the agents that may use it."""

    mode: Mode
    instance_type: str
    az_id: str
    usd_per_hour: Decimal | None
    """None: not known, or seen too long ago to be the price of now."""
    priced_at: datetime | None
    """When the price was seen last."""
    prices: tuple[PriceStep, ...] = ()
    """The last WINDOW_DAYS, oldest first; on demand: empty, its price does not move."""
    risk: PoolRisk | None = None
    """None: on demand, which is not taken away."""
    key: str = field(init=False, compare=False)
    """The market as one word: mode/type/AZ id."""
    _figures: MarketFigures | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Put the key together, once: it is asked for hundreds of times for each agent."""
        object.__setattr__(self, "key", f"{self.mode}/{self.instance_type}/{self.az_id}")
        object.__setattr__(self, "_figures", None)

    @property
    def figures(self) -> MarketFigures:
        """What follows from price, window and risk; worked out once, however many agents may go there."""
        found = self._figures
        if found is None:
            found = figures_of(self)
            object.__setattr__(self, "_figures", found)
        return found


HOURS_PER_DAY = 24.0
LEAST_DAILY_CHANGE = 0.005
"""A price moves by about this share a day (median of AWS's steps of 2026: 0.3-0.8 %), also where a short window shows none."""


class MarketFigures(NamedTuple):
    """A market in floats, for statistics."""

    usd_per_hour: float
    """0.0 while the price is not known: ask the market first."""
    losses_per_hour: float
    """Of an instance that is launched now."""
    daily_deviation_usd_per_hour: float
    """By how much the price is expected to change in a day (one standard deviation of its steps in the window)."""
    interpolated_share: float
    """Of the price window, 0..1."""


def losses_per_hour(chance_per_day: float) -> float:
    """Return the expected losses in an hour of the next day (>= 0): the hazard that gives this chance (0..1) of loss in a day."""
    return -math.log1p(-min(chance_per_day, 0.999999)) / HOURS_PER_DAY


def figures_of(market: Market) -> MarketFigures:
    """Work out a market's figures."""
    price = float(market.usd_per_hour or 0)
    if market.mode is not Mode.SPOT:
        return MarketFigures(price, 0.0, 0.0, 0.0)
    steps = market.prices
    losses = 0.0 if market.risk is None else losses_per_hour(market.risk.chance_per_day)
    deviation = price * LEAST_DAILY_CHANGE
    if len(steps) > 1:
        squares = math.fsum((float(later.usd_per_hour) - float(earlier.usd_per_hour)) ** 2 for earlier, later in pairwise(steps))
        days = max((steps[-1].at - steps[0].at).total_seconds() / 86_400, 1.0)
        deviation = max(math.sqrt(squares / days), deviation)
    share = sum(step.is_interpolated for step in steps) / len(steps) if steps else 0.0
    return MarketFigures(price, losses, deviation, share)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A market that the agent's types and subnets reach. `refusal`: why nothing of this agent may be launched there now; None: it may."""

    market: Market
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Where the workload runs."""

    role: Role
    market: Market
    uptime_seconds: float
    """Since the instance booted."""
    in_place_seconds: float
    """Since it became PRIMARY."""
    on_demand_usd_per_hour: Decimal | None
    """What its own type costs on demand; None: not known."""
    chance_per_hour: float | None = None
    """Of losing this very instance, at its age, in the next hour; None: not computed, the market's risk stands in."""
    chance_per_day: float | None = None

    @property
    def saving_usd_per_hour(self) -> Decimal | None:
        """The cost difference to on demand, below zero where spot costs more; None where a price is not known."""
        if self.on_demand_usd_per_hour is None or self.market.usd_per_hour is None:
            return None
        return self.on_demand_usd_per_hour - self.market.usd_per_hour


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What a person set for the agent."""

    enabled: bool
    auto_switch_enabled: bool
    manual_replica_enabled: bool
    early_replica_on_warning: bool
    value_per_minute_usd: Decimal
    """What a minute without the workload costs its owner."""
    moves_per_day: int
    min_saving_percent: int
    """Of what staying costs: a move that saves less is not worth the disturbance."""
    terminate_wait_seconds: int
    """For how long the old instance is paid after a move."""


@dataclass(frozen=True, slots=True)
class Experience:
    """What the agent's own moves cost so far, and what befell it of late."""

    planned_downtime_seconds: float | None
    """Of its planned moves, on average; None: none was measured."""
    forced_downtime_seconds: float | None
    """Of the moves that a notice or a loss forced."""
    moves_in_day: int
    """Planned moves that decisions began within 24 hours."""
    last_move_at: datetime | None
    last_forced_at: datetime | None
    losses_in_day: int
    is_moving: bool
    live_replicas: int
    """Standing by for two more ticks at least. One whose hold ends earlier is not counted: CREATE_REPLICA has it held for longer."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """When the agent may be moved, and when it disturbs least."""

    may_move_now: bool = True
    """Inside the maintenance window, or there is none."""
    opens_at: datetime | None = None
    """When the window opens next, while it is closed."""
    activity_ratio: float | None = None
    """This hour's activity by the agent's average (1.0); None: nothing was learned yet."""
    quiet_ratio: float | None = None
    """The same of the quietest hour of the next 24 in which it may be moved."""
    quiet_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlwaysOn:
    """One instance serves, for as long as the agent lives. What every agent of the server is today."""


class ServingMachine(NamedTuple):
    """One instance of a service."""

    key: str
    """Of its market."""
    mode: Mode
    losses_per_hour: float
    """That are expected of it now, at its age (>= 0); on demand 0.0."""
    starting_seconds_left: float
    """Until it can serve; 0.0: it can."""


@dataclass(frozen=True, slots=True)
class ServingReplicas:
    """Instances that serve side by side, decided about together: is one more worth its price, and where? Played by the backtest.

    CREATE_REPLICA: one more there; STAY: none. Whether one that is there is still worth its price is asked without it.
    """

    wanted: int
    machines: tuple[ServingMachine, ...]


class JobPlace(NamedTuple):
    """A spot pool that a job may use, as it was of late."""

    key: str
    """Of its market, a candidate's or the situation's."""
    spell_seconds: float
    """How long it has had capacity, or had none."""


@dataclass(frozen=True, slots=True)
class DeadlineJob:
    """Work that must be done by a deadline, and may stand still until then. Played by the backtest.

    It runs in the situation's market or not at all; the candidates are the other pools that it may use, and on demand.
    """

    work_seconds: float
    """Of all work, at the start."""
    total_seconds: float
    """From the start to the deadline."""
    work_seconds_left: float
    seconds_left: float
    changeover_seconds: float
    """What each start costs before work goes on."""
    starting_seconds_left: float
    """Of the present start."""
    step_seconds: float
    """Until it is decided again."""
    runs_on: Mode | None
    """None: it stands still."""
    spell_seconds: float
    """How long any of its pools has had capacity, or none had."""
    available_share: float
    """Of the time of late in which any had capacity, 0..1."""
    spells_per_hour: float
    """How often of late any began to have capacity while none had."""
    places: tuple[JobPlace, ...] = ()
    """Its spot pools, each for itself; none needs to be told where there is one alone."""


Objective = AlwaysOn | ServingReplicas | DeadlineJob


@dataclass(frozen=True, slots=True)
class DecisionInput:
    """Everything that a decision rests on. `candidates` does not hold the market in which the workload runs."""

    decided_at: datetime
    agent_id: str
    situation: Situation
    candidates: tuple[Candidate, ...]
    settings: AgentSettings
    experience: Experience
    calendar: Calendar = field(default_factory=Calendar)
    objective: Objective = field(default_factory=AlwaysOn)
