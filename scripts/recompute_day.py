#!/usr/bin/env python3
"""Recompute one agent's day from the simulated region's own billing log, and compare it with the server's account.

Usage: scripts/recompute_day.py --bill FILE --state FILE --day FILE [--edge-seconds N]
       FILE is a path or an address: the region's /_region/billing and /_region/state, and the server's GET …/agents/<id>/savings/<day>
       (for which SPOT_TOKEN holds a client token). It knows nothing of the server's code: only what the region billed.

Each amount must be its own time at the region's prices, to a millionth of a USD; the times of an instance must join without a hole, and
begin and end when the region's do, to N seconds: before an instance registers nothing is paid for by the account, and the end of one
that is lost without a word is learned late. Both sums are printed.

Exit code 0: so it is, for each instance. 1: it is not. 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

AGENT_TAG = "spot-optimizer:logical-agent-id"
MOST_USD = Decimal("0.000001")
"""By how much an amount may differ: both sides round, and EC2 tells when a price changed to the second."""
MOST_HOLE_SECONDS = 1.0
EDGE_SECONDS = 120.0
"""An instance that lies in the way of nothing registers within two minutes of its launch, and is found lost within two of its end."""


class Stretch(NamedTuple):
    """A time at one price; of the account with its amount, None where it knows no price."""

    begin: datetime
    end: datetime
    usd_per_hour: Decimal = Decimal(0)
    usd: Decimal | None = None


def billed_stretches(bill: dict[str, Any], state: dict[str, Any], logical_agent_id: str) -> dict[str, list[Stretch]]:
    """Return for each instance that carries the agent's tag what the region billed, in order; an instance that cost nothing is left out."""
    own = {machine["instance_id"] for machine in state["instances"] if machine["tags"].get(AGENT_TAG) == logical_agent_id}
    lines = (line for line in bill["instances"] if line["instance_id"] in own and line["spans"])
    return {
        line["instance_id"]: [Stretch(_moment(span["from"]), _moment(span["to"]), Decimal(span["usd_per_hour"])) for span in line["spans"]]
        for line in lines
    }


def account_stretches(day: dict[str, Any]) -> dict[str, list[Stretch]]:
    """Return for each instance what the account says was paid, in order."""
    found: dict[str, list[Stretch]] = {}
    for line in (line for line in day["lines"] if line["purpose"] in {"primary", "replica", "overlap"}):
        usd = None if line.get("usd") is None else Decimal(line["usd"])
        found.setdefault(line["what"], []).append(Stretch(_moment(line["since"]), _moment(line["until"]), usd=usd))
    return {name: sorted(stretches, key=lambda one: one.begin) for name, stretches in found.items()}


def usd_at(billed: list[Stretch], begin: datetime, end: datetime) -> Decimal:
    """Return what this time costs at the prices that the region billed; before its first span and after its last one, at theirs."""
    begins = [begin, *(span.begin for span in billed[1:])]
    ends = [*(span.begin for span in billed[1:]), end]
    return sum(
        (_usd(span.usd_per_hour, max(begin, since), min(end, until)) for span, since, until in zip(billed, begins, ends, strict=True)),
        start=Decimal(0),
    )


def _usd(usd_per_hour: Decimal, begin: datetime, end: datetime) -> Decimal:
    return usd_per_hour * Decimal(str(max(0.0, (end - begin).total_seconds()))) / 3600


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def clipped(stretches: list[Stretch], since: datetime, until: datetime) -> list[Stretch]:
    """Return what of them lies in this time."""
    cut = (one._replace(begin=max(one.begin, since), end=min(one.end, until)) for one in stretches)
    return [one for one in cut if one.begin < one.end]


def billed_usd(billed: dict[str, list[Stretch]]) -> dict[str, Decimal]:
    """Return what the region billed for each instance."""
    return {
        name: sum((_usd(one.usd_per_hour, one.begin, one.end) for one in stretches), start=Decimal(0)) for name, stretches in billed.items()
    }


def account_usd(day: dict[str, Any]) -> dict[str, Decimal]:
    """Return what the account says was paid for each instance, by its lines."""
    return {name: sum((one.usd or Decimal(0) for one in lines), start=Decimal(0)) for name, lines in account_stretches(day).items()}


def billed_in_day(bill: dict[str, Any], state: dict[str, Any], day: dict[str, Any]) -> dict[str, list[Stretch]]:
    """Return for each of the agent's instances what the region billed on the day; what it did not cost on it is left out."""
    since, until = _moment(day["since"]), _moment(day["until"])
    found = {name: clipped(one, since, until) for name, one in billed_stretches(bill, state, day["logical_agent_id"]).items()}
    return {name: one for name, one in found.items() if one}


def differences(bill: dict[str, Any], state: dict[str, Any], day: dict[str, Any], edge_seconds: float = EDGE_SECONDS) -> list[str]:
    """Return what is not the same, a line for each; empty: the account adds up."""
    billed, told = billed_in_day(bill, state, day), account_stretches(day)
    every = billed_stretches(bill, state, day["logical_agent_id"])
    since, until = _moment(day["since"]), _moment(day["until"])
    found: list[str] = []
    for name in sorted(billed | told):
        if name not in every:
            found.append(f"{name}: the region billed nothing, account {account_usd(day)[name]:.6f} USD")
        elif name not in told:
            one = billed[name]
            is_at_an_edge = one[0].begin == since or one[-1].end == until
            if not is_at_an_edge or (one[-1].end - one[0].begin).total_seconds() > edge_seconds:
                found.append(f"{name}: billed {billed_usd(billed)[name]:.6f} USD, not in the account")
        else:
            found += [f"{name}: {text}" for text in _of_amounts(every[name], told[name])]
            found += [f"{name}: {text}" for text in _of_times(billed.get(name, []), told[name], edge_seconds)]
    return found


def _of_amounts(billed: list[Stretch], told: list[Stretch]) -> list[str]:
    pairs = [(one, usd_at(billed, one.begin, one.end)) for one in told]
    return [
        f"from {one.begin.isoformat()} to {one.end.isoformat()}: {expected:.8f} USD by the region's prices, account "
        + ("without a price" if one.usd is None else f"{one.usd:.8f} USD")
        for one, expected in pairs
        if one.usd is None or abs(one.usd - expected) > MOST_USD
    ]


def _of_times(billed: list[Stretch], told: list[Stretch], edge_seconds: float) -> list[str]:
    found = [
        f"the account has {(after.begin - before.end).total_seconds():.3f} s between {before.end.isoformat()} and what follows"
        for before, after in pairwise(told)
        if abs((after.begin - before.end).total_seconds()) > MOST_HOLE_SECONDS
    ]
    if not billed:
        seconds = sum((one.end - one.begin).total_seconds() for one in told)
        return [*found, f"not billed on this day, {seconds:.3f} s in the account"] if seconds > edge_seconds else found
    for what, one, other in (("begins", billed[0].begin, told[0].begin), ("ends", billed[-1].end, told[-1].end)):
        if abs((other - one).total_seconds()) > edge_seconds:
            found.append(f"{what} at {one.isoformat()} on the bill, at {other.isoformat()} in the account")
    return found


def _read(place: str) -> dict[str, Any]:
    if not place.startswith(("http://", "https://")):
        return dict(json.loads(Path(place).read_text(encoding="utf-8")))
    headers = {"Authorization": f"Bearer {os.environ.get('SPOT_TOKEN', '')}"}
    request = urllib.request.Request(place, headers=headers)  # noqa: S310 - http or https, as was looked at above
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
        return dict(json.load(answer))


def main(arguments: list[str] | None = None) -> int:
    """Compare, say the result, and return the exit code."""
    parser = argparse.ArgumentParser(description="Recompute one agent's day from the simulated region's billing log.")
    for name, what in (("--bill", "the region's bill"), ("--state", "the region's state"), ("--day", "the account's day")):
        parser.add_argument(name, required=True, metavar="FILE", help=what)
    parser.add_argument("--edge-seconds", type=float, default=EDGE_SECONDS, help="how far beginnings and ends may lie apart (%(default)g)")
    options = parser.parse_args(arguments)
    try:
        bill, state, day = _read(options.bill), _read(options.state), _read(options.day)
        found = differences(bill, state, day, options.edge_seconds)
        billed = sum(billed_usd(billed_in_day(bill, state, day)).values(), start=Decimal(0))
        told = sum(account_usd(day).values(), start=Decimal(0))
        title = f"{day['logical_agent_id']} on {day['day']}"
    except (OSError, ValueError, ArithmeticError, KeyError, TypeError) as error:
        print(f"recompute_day: cannot compare: {error!r}", file=sys.stderr)
        return 2
    print(
        "\n".join(found)
        or f"{title}: each amount is its time at the region's prices, and begins and ends within {options.edge_seconds:g} s"
    )
    print(f"{title}: bill {billed:.8f} USD, account {told:.8f} USD for instances")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
