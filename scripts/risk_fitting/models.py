"""Making a model of chosen constants, recorded traces and the prior; and saying with it what happens in another part of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise

import numpy as np

from risk_fitting.fitting import fit_log_hazard, hazards_of
from risk_fitting.prior import HOURS_PER_MONTH, Prior, bands_of_pools, multiples
from risk_fitting.samples import Evidences, Floats, Samples, Whole, World, base_hazard, evidences, samples
from spot_server.features.risk.advisor import AdvisorBand
from spot_server.features.risk.evidence_rules import prior_multiple
from spot_server.features.risk.model import Curve, RiskModel

AGE_EDGES_HOURS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
AGE_KNOTS_LOG2 = (-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.5)
HOUR, DAY = (0.0, 1.0), (1.0, 24.0)
"""The stretches of the two curves, in hours from now."""

FOLDS = ((1 / 2, 2 / 3), (2 / 3, 5 / 6), (5 / 6, 1.0))
"""Parts of the training part: what is before the first number fits, what is between the two is told."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What `choose` compares: half-lives in hours, weights in losses, and which evidence is used at all."""

    level_half_life_hours: float = 168.0
    own_half_life_hours: float = 12.0
    sibling_half_life_hours: float = 6.0
    prior_losses: float = 0.1
    ratio_losses: float = 0.5
    uses_level: bool = True
    uses_own: bool = True
    uses_type: bool = True
    uses_zone: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """What a model is made of: worlds, and Spot Advisor's rows with the prior that was fitted to them."""

    worlds: Sequence[World]
    advisor: Sequence[AdvisorBand]
    prior: Prior

    def multiples_of(self, world: World, model: RiskModel) -> list[float]:
        """Return the prior of each of a world's pools."""
        markets = [(pool.region, pool.instance_type) for pool in world.trace.pools]
        return [prior_multiple(model, band) for band in bands_of_pools(self.advisor, markets)]


def scaffold(source: Source, choice: Choice, share: float) -> RiskModel:
    """Return a model whose base hazard and prior are in place, and whose curves say nothing yet."""
    base = base_hazard(source.worlds, share, AGE_EDGES_HOURS)
    month = float(np.sum(base * np.diff([*AGE_EDGES_HOURS, HOURS_PER_MONTH])))
    bands, unknown = multiples(source.prior, month)
    nothing = Curve(0.0, (0.0,) * (len(AGE_KNOTS_LOG2) - 1), 0.0, 0.0, 0.0)
    shared = {field.name: getattr(choice, field.name) for field in fields(choice) if not field.name.startswith("uses_")}
    return RiskModel(
        version="fitting",
        age_edges_hours=AGE_EDGES_HOURS,
        base_losses_per_hour=tuple(float(one) for one in base),
        band_multiples=bands,
        unknown_multiple=unknown,
        age_knots_log2=AGE_KNOTS_LOG2,
        hour=nothing,
        rest=nothing,
        prior_log_sd=source.prior.drift_log_sd,
        drift_log_sd=0.0,
        **shared,
    )


def features_of(found: Samples, told: Evidences, choice: Choice) -> tuple[Floats, Floats]:
    """Return the columns of a curve (ages, own, type, zone) and its offset."""
    place = np.log2(found.age_hours + 0.25)
    ages = [np.clip((place - begin) / (end - begin), 0, 1) for begin, end in pairwise(AGE_KNOTS_LOG2)]
    ratios = [
        found.of(told.own) * choice.uses_own,
        found.of(told.type_siblings) * choice.uses_type,
        found.of(told.zone_siblings) * choice.uses_zone,
    ]
    return np.column_stack([*ages, *ratios]), found.of(told.log_level) * choice.uses_level


def fit_model(source: Source, choice: Choice, share: float) -> RiskModel:
    """Fit a model on the first `share` of each training part."""
    model = scaffold(source, choice, share)
    told = [evidences(world, model, source.multiples_of(world, model)) for world in source.worlds]
    return replace(model, hour=_fit(source.worlds, told, choice, share, HOUR), rest=_fit(source.worlds, told, choice, share, DAY))


def _fit(worlds: Sequence[World], told: Sequence[Evidences], choice: Choice, share: float, stretch: tuple[float, float]) -> Curve:
    columns, offsets, lost, weights = [], [], [], []
    for world, evidence in zip(worlds, told, strict=True):
        beginnings = world.fold_cut(0.0)
        found = samples(world, beginnings, world.fold_cut(share), after_hours=stretch[0], until_hours=stretch[1])
        features, offset = features_of(found, evidence, choice)
        columns.append(features)
        offsets.append(offset)
        lost.append(found.is_lost.astype(float))
        weights.append(np.full(len(offset), world.gap_hours))
    ages = len(AGE_KNOTS_LOG2) - 1
    fitted = fit_log_hazard(np.vstack(columns), np.concatenate(lost), np.concatenate(weights), np.concatenate(offsets), bounded_from=ages)
    rounded = [round(float(value), 6) for value in fitted]
    return Curve(rounded[0], tuple(rounded[1 : ages + 1]), *rounded[ages + 1 :])


@dataclass(frozen=True, slots=True)
class Told:
    """What a model says of samples, and what happened. Hazards, not chances, so that intervals can be laid around them."""

    world: World
    found: Samples
    hazards: Floats
    losses: Floats
    """That the pool's level rests on."""

    @property
    def chances(self) -> Floats:
        """The chances of loss."""
        result: Floats = -np.expm1(-self.hazards)
        return result

    @property
    def lost(self) -> Floats:
        """1 where the instance was lost, else 0."""
        return self.found.is_lost.astype(float)


def tell(source: Source, world: World, model: RiskModel, choice: Choice, part: tuple[Whole, Whole], *, day: bool = False) -> Told:
    """Say the chances of loss in the next hour (or day) of the samples in a part of a world."""
    told = evidences(world, model, source.multiples_of(world, model))
    found = samples(world, *part, after_hours=0.0, until_hours=DAY[1] if day else HOUR[1])
    features, offset = features_of(found, told, choice)
    hazards = hazards_of(_flat(model.hour), features, offset)
    if day:
        hazards = hazards + hazards_of(_flat(model.rest), features, offset)
    return Told(world, found, hazards, found.of(told.losses))


def _flat(curve: Curve) -> Floats:
    return np.array([curve.intercept, *curve.age, curve.own, curve.type_siblings, curve.zone_siblings])


def parameters_of(model: RiskModel) -> dict[str, object]:
    """Return the members of the shipped file's `parameters`."""
    return {name: value for name, value in asdict(model).items() if name != "version"}
