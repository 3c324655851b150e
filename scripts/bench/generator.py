"""The load generator, a process of its own: `python -m bench.generator PLAN.json SEEN.json`."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
from pathlib import Path

from bench.flat_out import run_flat_out
from bench.mixed import MixedLoad
from bench.plan import Plan, Seen, read_plan, write_json

MIXED = "mixed"


def own_cpu_seconds() -> float:
    """Return the processor time that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(plan: Plan) -> Seen:
    """Do what the plan says, and add the processor time of its measured part."""
    loop = asyncio.get_running_loop()
    marks: list[float] = []
    loop.call_at(plan.window.begin_seconds, lambda: marks.append(own_cpu_seconds()))
    seen = await (MixedLoad(plan).run() if plan.kind == MIXED else run_flat_out(plan))
    seen.cpu_seconds = own_cpu_seconds() - (marks[0] if marks else 0.0)
    return seen


def main() -> int:
    """Read the plan, carry it out, write what was seen."""
    plan_path, seen_path = Path(sys.argv[1]), Path(sys.argv[2])
    plan = read_plan(plan_path)
    # A collection of the whole heap stops the loop for milliseconds, which would be counted as the server's.
    gc.disable()
    write_json(seen_path, asyncio.run(run(plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
