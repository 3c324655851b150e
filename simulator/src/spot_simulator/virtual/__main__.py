"""`python -m spot_simulator.virtual`: thousands of fault schedules on a virtual clock. scripts/simulate.sh starts it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from spot_simulator.virtual.campaign import Totals, prepare, results
from spot_simulator.virtual.coverage_table import coverage_lines
from spot_simulator.virtual.parts import CHANGED, Part, PartRefused, add_up, read_part, write_part
from spot_simulator.virtual.plants import PLANTS, planted
from spot_simulator.virtual.report import summary_lines, violation_lines
from spot_simulator.virtual.run import Result
from spot_simulator.virtual.shrink import shrink

PROGRESS_SECONDS = 10.0


def main() -> int:
    """Run, print, and return 1 if any invariant was broken, 2 for what cannot be done."""
    options = _options()
    return _add(options.add) if options.add else _play(options)


def _add(names: list[Path]) -> int:
    try:
        totals, took_seconds = add_up({str(name): read_part(name) for name in dict.fromkeys(names)})
    except PartRefused as refused:
        print(f"simulate: {refused}", file=sys.stderr)
        return 2
    return _tell_totals(totals, took_seconds)


def _play(options: argparse.Namespace) -> int:
    commit = _commit() if options.json else ""
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
        is_last = totals.runs == options.runs
        if is_last or now_seconds - told_seconds >= PROGRESS_SECONDS:
            told_seconds = now_seconds
            print(
                f"... {totals.runs} of {options.runs} runs, {len(totals.failed)} with violations, {now_seconds - began_seconds:.0f} s",
                flush=True,
            )
            if options.json:
                # What was played until here stays, however the campaign ends.
                write_part(options.json, Part(commit, options.seed, options.fair, now_seconds - began_seconds, totals))
    if options.plant is not None:
        print(f"PLANTED {options.plant} ({PLANTS[options.plant].what}): not found in {totals.runs} runs")
        return 1
    return _tell_totals(totals, time.monotonic() - began_seconds)  # noqa: TID251


def _tell_totals(totals: Totals, took_seconds: float) -> int:
    print("\n".join(summary_lines(totals, took_seconds)))
    print("\n".join(coverage_lines(totals.met)))
    return 1 if totals.failed else 0


def _commit() -> str:
    """Return the commit of the working tree, marked if that has changes; `unknown` and marked where there is none."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return f"unknown{CHANGED}"
    return f"{commit}{CHANGED}" if changes else commit


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
    parser.add_argument("--fair", action="store_true", help="leave every fault out: what moves cost while nothing goes wrong")
    parser.add_argument(
        "--as-drawn", action="store_true", help="print the whole schedule of a violation, not a smaller one that breaks the same"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--plant", choices=sorted(PLANTS), help="plant this defect, and end with 0 at the first run that finds it, with 1 if none does"
    )
    either.add_argument("--json", type=Path, metavar="FILE", help="write what was counted, for --add; also while it is being counted")
    either.add_argument(
        "--add", type=Path, nargs="+", metavar="FILE", help="play nothing: add up such files of one commit, and print the sum"
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
