"""What is printed of a campaign. Pure."""

from __future__ import annotations

from collections import Counter

from spot_simulator.virtual.campaign import Totals
from spot_simulator.virtual.figures import Answer, percentile
from spot_simulator.virtual.run import Result

PROMISED_SECONDS = 120.0
"""What a notice leaves."""
SHARES = (0.5, 0.95, 0.99, 1.0)


def summary_lines(totals: Totals, took_seconds: float) -> list[str]:
    """Say what all runs did and measured."""
    moves = totals.moves.total()
    with_time = [answer for answer in totals.answers if not answer.is_hibernation]
    rate = totals.agent_hours / took_seconds if took_seconds > 0 else 0.0
    return [
        f"runs {totals.runs}, events {totals.events}, faults {totals.faults}, moves {moves}, violations {len(totals.broken)}",
        *(f"  seed {seed}: {'; '.join(found)}" for seed, found in sorted(totals.broken.items())),
        *_aim_lines(totals),
        f"{totals.agent_hours:.1f} agent-hours in {took_seconds:.1f} s: {rate:.2f} agent-hours per second",
        f"{totals.alone} times a standby took over by itself while the server was away",
        f"{totals.beyond_help} agents ended with no instance, and with nothing to make one from or nobody who may",
        "moves: " + (", ".join(f"{name} {count}" for name, count in sorted(totals.moves.items())) or "none"),
        *_answer_lines("a replica ready", [answer for answer in with_time if answer.is_ready]),
        *_answer_lines("no replica ready", [answer for answer in with_time if not answer.is_ready]),
        *_answer_lines("no time left, a hibernation", [answer for answer in totals.answers if answer.is_hibernation]),
        _distribution("the longest time for which an agent of a run was not served", totals.longest_outages),
        *(_distribution(f"downtime of {name}", values) for name, values in sorted(totals.downtimes.items())),
    ]


def _aim_lines(totals: Totals) -> list[str]:
    """Say how many of the faults that waited for a step met it, and which did not."""
    if not totals.aimed:
        return []
    missed = totals.missed.total()
    share = 100 * (totals.aimed - missed) / totals.aimed
    by_step: Counter[str] = Counter()
    for name, count in totals.missed.items():
        by_step[name.partition(":")[0]] += count
    names = ", ".join(f"{step} {count}" for step, count in by_step.most_common())
    return [f"aimed faults {totals.aimed}, struck {totals.aimed - missed} ({share:.1f} %); their step did not come: {names or 'none'}"]


def _answer_lines(name: str, answers: list[Answer]) -> list[str]:
    """Say how notices were answered that found things in one way; the prober's figures are those of notices that were answered at all."""
    served = [answer.traffic for answer in answers if answer.traffic is not None]
    in_time = sum(seconds <= PROMISED_SECONDS for seconds in served)
    share = f"{100 * in_time / len(answers):.1f} %" if answers else "none"
    return [
        f"notices with {name}: {len(answers)}, served by another within {PROMISED_SECONDS:.0f} s: {in_time} ({share})",
        _distribution(f"  detection, {name}", [answer.detection for answer in answers if answer.detection is not None]),
        _distribution(f"  notice to traffic, {name}", served),
        _distribution(f"  beyond the region's own time, {name}", [answer.beyond for answer in answers if answer.beyond is not None]),
    ]


def _distribution(name: str, values: list[float]) -> str:
    if not values:
        return f"{name}: none"
    figures = ", ".join(f"{'most' if share == 1.0 else f'p{share:.0%}'[:-1]} {percentile(values, share):.2f} s" for share in SHARES)
    return f"{name} ({len(values)}): {figures}"


def violation_lines(result: Result) -> list[str]:
    """Say what went wrong in a run, and what had happened."""
    return [
        f"VIOLATION with seed {result.schedule.seed}:",
        *(f"  {violation}" for violation in result.violations),
        *(f"  {line}" for line in result.schedule.lines()),
    ]
