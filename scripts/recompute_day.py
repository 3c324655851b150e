#!/usr/bin/env python3
"""Recompute one agent's day from the simulated region's own billing log, and compare it with the server's account, to the cent.

Usage: scripts/recompute_day.py --bill FILE --state FILE --day FILE
       FILE is a path or an address: the region's /_region/billing and /_region/state, and the server's GET …/agents/<id>/savings/<day>
       (for which SPOT_TOKEN holds a client token). It knows nothing of the server's code: only what the region billed.

Exit code 0: what was paid for instances is the same to the cent, for each of them and for the day. 1: it is not. 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

AGENT_TAG = "spot-optimizer:logical-agent-id"
HALF_A_CENT = Decimal("0.005")


def billed_usd(bill: dict[str, Any], state: dict[str, Any], logical_agent_id: str, since: datetime, until: datetime) -> dict[str, Decimal]:
    """Return what the region billed between two moments for each instance that carries the agent's tag."""
    own = {machine["instance_id"] for machine in state["instances"] if machine["tags"].get(AGENT_TAG) == logical_agent_id}
    found: dict[str, Decimal] = {}
    for line in (line for line in bill["instances"] if line["instance_id"] in own):
        for span in line["spans"]:
            begin, end = max(datetime.fromisoformat(span["from"]), since), min(datetime.fromisoformat(span["to"]), until)
            if begin < end:
                usd = Decimal(span["usd_per_hour"]) * Decimal(str((end - begin).total_seconds())) / 3600
                found[line["instance_id"]] = found.get(line["instance_id"], Decimal(0)) + usd
    return found


def account_usd(day: dict[str, Any]) -> dict[str, Decimal]:
    """Return what the account says was paid for each instance, by its lines."""
    found: dict[str, Decimal] = {}
    for line in (line for line in day["lines"] if line["purpose"] in {"primary", "replica", "overlap"}):
        found[line["what"]] = found.get(line["what"], Decimal(0)) + Decimal(line.get("usd") or 0)
    return found


def differences(bill: dict[str, Any], state: dict[str, Any], day: dict[str, Any]) -> list[str]:
    """Return what is not the same to the cent, a line for each; empty: the account adds up."""
    since, until = datetime.fromisoformat(day["since"]), datetime.fromisoformat(day["until"])
    billed, told = billed_usd(bill, state, day["logical_agent_id"], since, until), account_usd(day)
    pairs = {name: (billed.get(name, Decimal(0)), told.get(name, Decimal(0))) for name in sorted(billed | told)}
    pairs["all of them"] = (sum(billed.values(), start=Decimal(0)), sum(told.values(), start=Decimal(0)))
    return [
        f"{name}: billed {one:.6f} USD, account {other:.6f} USD" for name, (one, other) in pairs.items() if abs(one - other) >= HALF_A_CENT
    ]


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
    options = parser.parse_args(arguments)
    try:
        bill, state, day = _read(options.bill), _read(options.state), _read(options.day)
        found = differences(bill, state, day)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"recompute_day: cannot compare: {error!r}", file=sys.stderr)
        return 2
    total = sum(account_usd(day).values(), start=Decimal(0))
    print("\n".join(found) or f"{day['logical_agent_id']} on {day['day']}: {total:.6f} USD for instances, the same to the cent as the bill")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
