"""The policies of the backtest by name, and the one model that `ours` asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from spot_server.backtest.fleet import FleetPolicy
from spot_server.backtest.fleet_policies import (
    CheapestSpotFleet,
    EvenSpreadFleet,
    OnDemandFleet,
    RoundRobinFleet,
    SpotHedgeFleet,
)
from spot_server.backtest.job_policies import CheapestSpotJob, GreedyJob, OnDemandJob, UniformProgressJob
from spot_server.backtest.jobs import JobPolicy
from spot_server.decision_models.answers import DecisionModel
from spot_server.features.decisions.making import default_model


class Setting(StrEnum):
    """What is to be done with machines."""

    ALWAYS_ON = "always_on"
    """One instance serves all the time."""
    JOB = "job"
    """Work must be done by a deadline, and may stand still until then; in one zone."""
    JOB_ZONES = "job_zones"
    """The same work, which may move among the zones of its set that have its type."""
    REPLICAS = "replicas"
    """Several instances serve side by side."""


class PolicyName(StrEnum):
    """Every policy."""

    ON_DEMAND = "on_demand"
    CHEAPEST_SPOT = "cheapest_spot"
    GREEDY = "greedy"
    UNIFORM_PROGRESS = "uniform_progress"
    EVEN_SPREAD = "even_spread"
    ROUND_ROBIN = "round_robin"
    SPOTHEDGE = "spothedge"
    OURS = "ours"


JOB_POLICIES: Mapping[PolicyName, Callable[[], JobPolicy]] = {
    PolicyName.ON_DEMAND: OnDemandJob,
    PolicyName.CHEAPEST_SPOT: CheapestSpotJob,
    PolicyName.GREEDY: GreedyJob,
    PolicyName.UNIFORM_PROGRESS: UniformProgressJob,
}
FLEET_POLICIES: Mapping[PolicyName, Callable[[], FleetPolicy]] = {
    PolicyName.ON_DEMAND: OnDemandFleet,
    PolicyName.CHEAPEST_SPOT: CheapestSpotFleet,
    PolicyName.EVEN_SPREAD: EvenSpreadFleet,
    PolicyName.ROUND_ROBIN: RoundRobinFleet,
    PolicyName.SPOTHEDGE: SpotHedgeFleet,
}
"""A policy remembers what it did: each stretch gets a new one."""

JOB_SETTINGS = (Setting.JOB, Setting.JOB_ZONES)

PLAYED: Mapping[Setting, tuple[PolicyName, ...]] = {
    Setting.ALWAYS_ON: (PolicyName.ON_DEMAND, PolicyName.CHEAPEST_SPOT, PolicyName.OURS),
    Setting.JOB: (*JOB_POLICIES, PolicyName.OURS),
    Setting.JOB_ZONES: (*JOB_POLICIES, PolicyName.OURS),
    Setting.REPLICAS: (*FLEET_POLICIES, PolicyName.OURS),
}


def shipped_model() -> DecisionModel:
    """Return the model that the server asks until somebody activates another: the very object."""
    return default_model()
