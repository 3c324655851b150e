"""`python -m spot_simulator.virtual`: thousands of fault schedules on a virtual clock. scripts/simulate.sh starts it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path

from spot_simulator.virtual.campaign import Totals, prepare, results
from spot_simulator.virtual.coverage_table import coverage_lines
from spot_simulator.virtual.interruption import Interrupted, ended_by_signals
from spot_simulator.virtual.parts import Part, PartRefused, add_up, go_on, read_part
from spot_simulator.virtual.plants import PLANTS, planted
from spot_simulator.virtual.played import NotNamed, find_played
from spot_simulator.virtual.report import summary_lines, violation_lines
from spot_simulator.virtual.run import Result
from spot_simulator.virtual.shrink import shrink
from spot_simulator.virtual.watch import PROGRESS_SECONDS, Watch

ROOT = Path(__file__).parents[4]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run, print, and return 1 if any invariant was broken, 2 for what cannot be done, 130 or 143 when SIGINT or SIGTERM ended it.

    `root` is the working tree whose code this is.
    """
    options = _options(arguments)
    try:
        if options.add:
            return _tell_totals(*add_up({str(name): read_part(name) for name in dict.fromkeys(options.add)}))
        part = _begin(options, root)
    except (PartRefused, NotNamed) as refused:
        print(f"simulate: {refused}", file=sys.stderr)
        return 2
    with ended_by_signals():
        return _hunt(options) if options.plant is not None else _play(options, part)


def _begin(options: argparse.Namespace, root: Path) -> Part:
    """Return the part to play, with what its file holds already."""
    if not options.json:
        return Part("", "", options.seed, options.fair, 0.0, options.futures)
    played = find_played(root)
    return go_on(options.json, Part(played.identity, played.commit, options.seed, options.fair, 0.0, options.futures))


def _hunt(options: argparse.Namespace) -> int:
    """Play until a run finds the planted defect."""
    named = f"PLANTED {options.plant} ({PLANTS[options.plant].what})"
    prepare()
    number = 0
    try:
        for number, result in enumerate(chain.from_iterable(_results(options, options.seed)), start=1):
            if result.violations:
                with planted(options.plant):
                    smallest = result if options.as_drawn else shrink(result)
                print(*violation_lines(smallest), f"{named}: found in run {number}", sep="\n")
                return 0
    except Interrupted as interrupted:
        print(f"simulate: {interrupted} after {number} runs", file=sys.stderr)
        return interrupted.exit_code
    print(f"{named}: not found in {options.runs} runs")
    return 1


def _play(options: argparse.Namespace, part: Part) -> int:
    """Play what the part lacks, and keep it in its file, if it has one: however the campaign ends, it goes on from there."""
    if part.totals.runs:
        print(f"{options.json}: {part.totals.runs} runs were played before, and are counted", flush=True)
    prepare()
    watch = Watch(part, options.json, options.runs, partial(print, flush=True))
    try:
        for of_seed in _results(options, part.seeds.stop):
            watch.note(of_seed, lambda broken: broken if options.as_drawn else shrink(broken))
            if options.at_most_seconds is not None and watch.lasts_seconds >= options.at_most_seconds:
                print(f"the time is up: {part.totals.seeds} of {options.runs} runs were played", flush=True)
                break
    except Interrupted as interrupted:
        watch.keep()
        print(f"simulate: {interrupted} after {part.totals.runs} runs", file=sys.stderr)
        return interrupted.exit_code
    watch.keep()
    return _tell_totals(part.totals, watch.took_seconds)


def _results(options: argparse.Namespace, first_seed: int) -> Iterator[list[Result]]:
    seeds = range(first_seed, options.seed + options.runs)
    return results(seeds, options.processes, plant=options.plant, is_fair=options.fair, futures=options.futures)


def _tell_totals(totals: Totals, took_seconds: float) -> int:
    print("\n".join(summary_lines(totals, took_seconds)))
    print("\n".join(coverage_lines(totals.met)))
    return 1 if totals.broken else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="simulate.sh", description="Fault schedules on a virtual clock, judged over the simulated world.")
    parser.add_argument("--runs", type=_at_least_one, default=10, help="how many schedules (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first; the others follow (default 1)")
    parser.add_argument(
        "--processes", type=_at_least_one, default=os.cpu_count() or 1, help="how many of them run at once (default: one per core)"
    )
    parser.add_argument(
        "--at-most-seconds",
        type=_at_least_one,
        metavar="SECONDS",
        help="begin no schedule after so long, and say how many were played: what came of those decides (default: no end)",
    )
    parser.add_argument(
        "--futures",
        type=_at_least_none,
        default=0,
        metavar="N",
        help="play up to so many futures of each schedule as well: one to three faults more strike where moves first come to a step, and"
        " what was before them is computed once (default 0). Each is counted as a run",
    )
    parser.add_argument("--fair", action="store_true", help="leave every fault out: what moves cost while nothing goes wrong")
    parser.add_argument(
        "--as-drawn", action="store_true", help="print the whole schedule of a violation, not a smaller one that breaks the same"
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--plant", choices=sorted(PLANTS), help="plant this defect, and end with 0 at the first run that finds it, with 1 if none does"
    )
    either.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"keep what was counted, and what was broken, in this file, every {PROGRESS_SECONDS:.0f} s; where it holds the first of these"
        " runs already, as after an interruption, only the others are played. Refused while what is played has changes that no commit has",
    )
    either.add_argument(
        "--add", type=Path, nargs="+", metavar="FILE", help="play nothing: add up such files that the same code played, and print the sum"
    )
    return parser.parse_args(arguments)


def _at_least_none(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return value


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        sys.exit("simulate: PYTHONHASHSEED=0 must be set, or the same seed gives another run; scripts/simulate.sh sets it")
    sys.exit(main())
