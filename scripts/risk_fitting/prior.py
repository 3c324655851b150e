"""The prior: what Spot Advisor's bands say about hazards, how long they hold, and whether the price says more."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import NormalDist

import numpy as np

from risk_fitting.measures import rank_correlation
from risk_fitting.samples import Floats
from spot_server.features.risk.advisor import AdvisorBand
from spot_server.features.risk.model import BAND_COUNT

BEFORE_THE_TRACES = datetime(2021, 2, 10, tzinfo=UTC)
NEWEST_FOR_TRAINING = datetime(2024, 2, 28, tzinfo=UTC)
LATER = datetime(2025, 6, 28, tzinfo=UTC)
"""The three snapshots of the recorded data; the last one is the last third of their time, and for testing."""

BAND_ENDS = (0.05, 0.11, 0.16, 0.22)
"""Shares of instances interrupted in a month, where the bands end. Source: bands.json beside the data, from AWS's own file."""

HOURS_PER_MONTH = 730.0

Market = tuple[str, str]
"""A region and an instance type."""


@dataclass(frozen=True, slots=True)
class Prior:
    """Monthly hazards: the geometric mean within each band and over all, and how far a band's hazard drifts until a later snapshot."""

    band_losses_per_month: tuple[float, ...]
    unknown_losses_per_month: float
    drift_log_sd: float


def bands_at(rows: Sequence[AdvisorBand], moment: datetime) -> dict[Market, AdvisorBand]:
    """Return what one snapshot says of each market."""
    return {(row.region, row.instance_type): row for row in rows if row.snapshot_at == moment}


def fit_prior(rows: Sequence[AdvisorBand]) -> Prior:
    """Fit a lognormal distribution of hazards to how many markets are in each band, from the snapshots for training."""
    earlier, later = bands_at(rows, BEFORE_THE_TRACES), bands_at(rows, NEWEST_FOR_TRAINING)
    mean, deviation = _lognormal([row.band for row in later.values()])
    logs = _band_means(mean, deviation)
    drift = [logs[later[market].band] - logs[row.band] for market, row in earlier.items() if market in later]
    return Prior(tuple(math.exp(value) for value in logs), math.exp(mean), float(np.std(drift)))


def _lognormal(bands: Sequence[int]) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm, by a line through the bands' ends on normal paper."""
    counts = np.bincount(bands, minlength=BAND_COUNT)
    below = np.cumsum(counts)[:-1] / counts.sum()
    places = [NormalDist().inv_cdf(float(share)) for share in below]
    slope, intercept = np.polyfit([_log_hazard(end) for end in BAND_ENDS], places, 1)
    return float(-intercept / slope), float(1.0 / slope)


def _log_hazard(share: float) -> float:
    return math.log(-math.log1p(-share))


def _band_means(mean: float, deviation: float) -> list[float]:
    normal = NormalDist()
    ends = [-math.inf, *((_log_hazard(end) - mean) / deviation for end in BAND_ENDS), math.inf]
    return [mean - deviation * (_pdf(high) - _pdf(low)) / (normal.cdf(high) - normal.cdf(low)) for low, high in pairwise(ends)]


def _pdf(place: float) -> float:
    return 0.0 if math.isinf(place) else NormalDist().pdf(place)


@dataclass(frozen=True, slots=True)
class PriceWorth:
    """How well the later hazard of a market in a region left out is told without and with the price: RMSE of the logarithm, and rank."""

    markets: int
    rmse_without: float
    rmse_with: float
    rank_without: float
    rank_with: float


def worth_of_price(rows: Sequence[AdvisorBand], begin: datetime, end: datetime, prior: Prior) -> PriceWorth:
    """Predict the band at `end` from that at `begin`, alone and with the savings of that day, each fifth of the regions by the others."""
    earlier, later = bands_at(rows, begin), bands_at(rows, end)
    markets = sorted(set(earlier) & set(later))
    logs = np.log(prior.band_losses_per_month)
    wanted = np.array([logs[later[market].band] for market in markets])
    savings = np.array([earlier[market].savings_percent / 100 for market in markets])
    band = np.array([[float(earlier[market].band == index) for index in range(BAND_COUNT)] for market in markets])
    regions = {region: index % 5 for index, region in enumerate(sorted({region for region, _ in markets}))}
    fold = np.array([regions[region] for region, _ in markets])
    without = _left_out(band, wanted, fold)
    # Squares, and the savings within each band: whatever a small model could make of it.
    with_price = _left_out(np.column_stack([band, savings, savings**2, band * savings[:, None]]), wanted, fold)
    return PriceWorth(
        len(markets),
        _rmse(wanted, without),
        _rmse(wanted, with_price),
        rank_correlation(wanted, without),
        rank_correlation(wanted, with_price),
    )


def _left_out(features: Floats, wanted: Floats, fold: Floats) -> Floats:
    told = np.zeros(len(wanted))
    for index in np.unique(fold):
        others = fold != index
        square = features[others].T @ features[others] + 1e-3 * np.eye(features.shape[1])
        told[~others] = features[~others] @ np.linalg.solve(square, features[others].T @ wanted[others])
    return told


def _rmse(wanted: Floats, told: Floats) -> float:
    return float(np.sqrt(np.mean((wanted - told) ** 2)))


def multiples(prior: Prior, losses_in_a_month: float) -> tuple[tuple[float, ...], float]:
    """Return the bands' and the unknown type's hazards as multiples of the base hazard, which expects so many losses in a month."""
    return tuple(one / losses_in_a_month for one in prior.band_losses_per_month), prior.unknown_losses_per_month / losses_in_a_month


def bands_of_pools(rows: Sequence[AdvisorBand], pools: Sequence[Market]) -> list[int | None]:
    """Return the band of each pool's market in the snapshot before the traces."""
    known: Mapping[Market, AdvisorBand] = bands_at(rows, BEFORE_THE_TRACES)
    return [known[pool].band if pool in known else None for pool in pools]
