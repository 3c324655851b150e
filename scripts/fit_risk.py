#!/usr/bin/env python3
"""Fit the risk model, compare choices for it, and score it.

Usage: scripts/fit_risk.py choose [--data DIR]    compare choices on folds inside the training part, and print them
       scripts/fit_risk.py fit [--data DIR]       fit on the training part, and write the coefficients that the server ships
       scripts/fit_risk.py test [--data DIR]      score those on the last third of each series: for publishing, not for choosing

DIR holds spot_traces and spot_advisor; default: SPOT_DATA_DIR, else shared/data beside the repository. Needs numpy (requirements/dev.in).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from risk_fitting.judging import (
    LONG_SETS,
    Mark,
    drift_for_coverage,
    hour_samples,
    mark,
    marks_of_long_sets,
    mean_mark,
    pool_chances,
    table_chances,
    tell_folds,
)
from risk_fitting.models import FOLDS, Choice, Source, fit_model, parameters_of
from risk_fitting.prior import BEFORE_THE_TRACES, NEWEST_FOR_TRAINING, fit_prior, worth_of_price
from risk_fitting.samples import world_of
from risk_fitting.scoring import test_report
from spot_server.backtest.traces import Part, TraceError, read_traces
from spot_server.clock import SystemClock
from spot_server.features.risk.advisor import AdvisorFileInvalid, read_advisor_file
from spot_server.features.risk.model import FILE_NAME, ModelInvalid, content_sha256, parse_model

ROOT = Path(__file__).resolve().parent.parent
COEFFICIENTS = ROOT / "central-server/src/spot_server/features/risk" / FILE_NAME
PLOT = ROOT / "docs/risk-reliability.svg"

CHOSEN = Choice()
"""What `choose` found no worse than anything else."""

OTHERS = {
    "level half-life 48 h": replace(CHOSEN, level_half_life_hours=48.0),
    "level half-life 336 h": replace(CHOSEN, level_half_life_hours=336.0),
    "own half-life 3 h": replace(CHOSEN, own_half_life_hours=3.0),
    "own half-life 24 h": replace(CHOSEN, own_half_life_hours=24.0),
    "siblings' half-life 3 h": replace(CHOSEN, sibling_half_life_hours=3.0),
    "siblings' half-life 12 h": replace(CHOSEN, sibling_half_life_hours=12.0),
    "prior worth 0.05 losses": replace(CHOSEN, prior_losses=0.05),
    "prior worth 0.3 losses": replace(CHOSEN, prior_losses=0.3),
    "prior worth 1 loss": replace(CHOSEN, prior_losses=1.0, ratio_losses=1.0),
    "ratios smoothed by 1 loss": replace(CHOSEN, ratio_losses=1.0),
    "without other types of the zone": replace(CHOSEN, uses_zone=False),
    "without siblings": replace(CHOSEN, uses_zone=False, uses_type=False),
    "without the last hours": replace(CHOSEN, uses_zone=False, uses_type=False, uses_own=False),
    "age alone": replace(CHOSEN, uses_zone=False, uses_type=False, uses_own=False, uses_level=False),
}


def main() -> int:
    """Run one command; 2 for data or coefficients that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["choose", "fit", "test"])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SPOT_DATA_DIR") or ROOT.parent / "shared" / "data"))
    options = parser.parse_args()
    try:
        {"choose": choose, "fit": fit, "test": test}[options.command](options.data)
    except (TraceError, AdvisorFileInvalid, ModelInvalid) as error:
        print(f"fit_risk: {error}", file=sys.stderr)
        return 2
    return 0


def load_source(data: Path, part: Part = Part.TRAIN) -> Source:
    """Read traces and Spot Advisor's rows; without `part`, the training part alone."""
    advisor = read_advisor_file(advisor_file(data))
    return Source([world_of(trace) for trace in read_traces(data / "spot_traces", part)], advisor, fit_prior(advisor))


def advisor_file(data: Path) -> Path:
    """Return where the recorded data has Spot Advisor's rows."""
    return data / "spot_advisor" / "spot_advisor_linux.csv.gz"


def choose(data: Path) -> None:
    """Print how each choice does on the folds, and whether the price would earn its place in the prior."""
    source = load_source(data)
    print(f"{'mean of three folds: AUC, Brier':38}" + "".join(f"{name:>32}" for name in LONG_SETS))
    for name, marks in _simple_marks(source).items():
        _print_marks(name, marks)
    for name, choice in {"chosen": CHOSEN, **OTHERS}.items():
        _print_marks(name, marks_of_long_sets(tell_folds(source, choice)))
    worth = worth_of_price(source.advisor, BEFORE_THE_TRACES, NEWEST_FOR_TRAINING, source.prior)
    print(f"price: the band of {worth.markets} markets three years later is told by the earlier band")
    print(f"    alone: RMSE {worth.rmse_without:.4f}, rank {worth.rank_without:.4f}")
    print(f"    with the savings: RMSE {worth.rmse_with:.4f}, rank {worth.rank_with:.4f}")


def _simple_marks(source: Source) -> dict[str, dict[str, Mark]]:
    found: dict[str, dict[str, Mark]] = {"mean of the pool": {}, "table of age and losses (the bar)": {}}
    for world in source.worlds:
        if world.trace.name not in LONG_SETS:
            continue
        means, tables = [], []
        for begin, end in FOLDS:
            fitted = hour_samples(world, world.fold_cut(0.0), world.fold_cut(begin))
            asked = hour_samples(world, world.fold_cut(begin), world.fold_cut(end))
            lost = asked.is_lost.astype(float)
            means.append(mark(lost, pool_chances(fitted, asked)))
            tables.append(mark(lost, table_chances(world, fitted, asked)))
        found["mean of the pool"][world.trace.name] = mean_mark(means)
        found["table of age and losses (the bar)"][world.trace.name] = mean_mark(tables)
    return found


def _print_marks(name: str, marks: dict[str, Mark]) -> None:
    print(f"{name:38}" + "".join(f"{marks[long].auc:24.4f}{marks[long].brier:8.4f}" for long in LONG_SETS), flush=True)


def fit(data: Path) -> None:
    """Fit on the whole training part and write the coefficients, with what they were made of."""
    source = load_source(data)
    drift = drift_for_coverage(tell_folds(source, CHOSEN), source.prior.drift_log_sd)
    model = replace(fit_model(source, CHOSEN, 1.0), drift_log_sd=drift)
    document = {
        "command": "scripts/fit_risk.py fit",
        "trained_on": [world.trace.name for world in source.worlds],
        "trained_part": "the first two thirds of each series",
        "trained_at": SystemClock().now().date().isoformat(),
        "data_sha256": data_hashes(data),
        "parameters": parameters_of(model),
    }
    # As the file has it: tuples are lists there, and the hash is of what is read again.
    document = json.loads(json.dumps(document))
    document["sha256"] = content_sha256(document)
    COEFFICIENTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {COEFFICIENTS.relative_to(ROOT)}, {document['sha256'][:12]}")


def data_hashes(data: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that the model is made of."""
    files = [*sorted((data / "spot_traces").glob("*.csv.gz")), advisor_file(data)]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test(data: Path) -> None:
    """Score the shipped coefficients on the last third of each series; print tables, and draw the reliability plot."""
    text = COEFFICIENTS.read_text(encoding="utf-8")
    if json.loads(text).get("data_sha256") != data_hashes(data):
        raise ModelInvalid("the coefficients were made of other data than is here")
    report, svg = test_report(load_source(data, Part.WHOLE), parse_model(text))
    PLOT.write_text(svg, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    sys.exit(main())
