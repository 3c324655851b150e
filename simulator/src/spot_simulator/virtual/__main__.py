"""`python -m spot_simulator.virtual`: thousands of fault schedules on a virtual clock. scripts/simulate.sh starts it."""

from __future__ import annotations

import argparse
import os
import sys
import time

from spot_simulator.virtual.campaign import Totals, prepare, results
from spot_simulator.virtual.plants import PLANTS, planted
from spot_simulator.virtual.report import coverage_lines, summary_lines, violation_lines
from spot_simulator.virtual.run import Result
from spot_simulator.virtual.shrink import shrink

PROGRESS_SECONDS = 10.0
LEAST_MET = 20


def main() -> int:
    """Run, print, and return 1 if any invariant was broken."""
    options = _options()
    prepare()
    totals, began_seconds = Totals(), time.monotonic()  # noqa: TID251 - how long the real machine took
    told_seconds = began_seconds
    for result in results(range(options.seed, options.seed + options.runs), options.processes, plant=options.plant, is_fair=options.fair):
        totals.add(result)
        if result.violations:
            _tell_violation(result, options)
            if options.plant is not None:
                print(f"PLANTED {options.plant} ({PLANTS[options.plant].what}): found in run {totals.runs}")
                return 0
        now_seconds = time.monotonic()  # noqa: TID251
        if now_seconds - told_seconds >= PROGRESS_SECONDS:
            told_seconds = now_seconds
            print(f"... {totals.runs} of {options.runs} runs, {len(totals.failed)} with violations, {now_seconds - began_seconds:.0f} s")
            sys.stdout.flush()
    if options.plant is not None:
        print(f"PLANTED {options.plant} ({PLANTS[options.plant].what}): not found in {totals.runs} runs")
        return 1
    print("\n".join(summary_lines(totals, time.monotonic() - began_seconds)))  # noqa: TID251
    print("\n".join(coverage_lines(totals.met, LEAST_MET)))
    return 1 if totals.failed else 0


def _tell_violation(result: Result, options: argparse.Namespace) -> None:
    with planted(options.plant):
        smallest = result if options.as_drawn else shrink(result)
    print("\n".join(violation_lines(smallest)), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulate.sh", description="Fault schedules on a virtual clock, judged over the simulated world.")
    parser.add_argument("--runs", type=_at_least_one, default=10, help="how many schedules (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first; the others follow (default 1)")
    parser.add_argument(
        "--processes", type=_at_least_one, default=os.cpu_count() or 1, help="how many of them run at once (default: one per core)"
    )
    parser.add_argument(
        "--plant", choices=sorted(PLANTS), help="plant this defect, and end with 0 at the first run that finds it, with 1 if none does"
    )
    parser.add_argument("--fair", action="store_true", help="leave every fault out: what moves cost while nothing goes wrong")
    parser.add_argument(
        "--as-drawn", action="store_true", help="print the whole schedule of a violation, not a smaller one that breaks the same"
    )
    return parser.parse_args()


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        sys.exit("simulate: PYTHONHASHSEED=0 must be set, or the same seed gives another run; scripts/simulate.sh sets it")
    sys.exit(main())
