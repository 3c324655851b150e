"""What the demo's own prober, outside both instances, saw of game days, put beside the server's figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.day import Day
from spot_simulator.probe_report import read_held_numbers, read_log
from spot_simulator.probe_rules import downtime_seconds, lost_writes

SETTLE_SECONDS = 2.0
"""After a game day, before its probes are read: those that are under way then are answered."""

OUTAGE_THRESHOLD_SECONDS = 0.5
SOURCE = "the demo's prober, a write every 50 ms"


def report_probes(day: Day) -> list[str]:
    """Report what the prober saw of every game day that completed with a move and has no such report yet; return a line for each."""
    lines = []
    for name, agent_id in day.agents.items():
        try:
            listed = day.world.server.get(f"/agents/{agent_id}/gamedays")["items"]
            lines += [_report(day, name, agent_id, game_day) for game_day in listed if _is_due(day, game_day)]
        except (CallRefused, OSError):
            continue
    return lines


def _is_due(day: Day, game_day: dict[str, Any]) -> bool:
    if game_day["status"] != "completed" or game_day["switch_id"] is None or game_day["probe"] is not None:
        return False
    settled_at = datetime.fromisoformat(game_day["finished_at"]) + timedelta(seconds=SETTLE_SECONDS)
    return day.world.clock.now() > settled_at


def _report(day: Day, name: str, agent_id: str, game_day: dict[str, Any]) -> str:
    probes, _torn = read_log(day.world.prober_log(name))
    begun_at = datetime.fromisoformat(game_day["begun_at"])
    until = datetime.fromisoformat(game_day["finished_at"]) + timedelta(seconds=SETTLE_SECONDS / 2)
    seen_seconds = downtime_seconds(probes, OUTAGE_THRESHOLD_SECONDS, begun_at, until)
    held = read_held_numbers(f"http://{day.world.public_ips[name]}:8080")
    # What was lost in earlier moves is not this one's.
    lately = [probe for probe in probes if begun_at - timedelta(seconds=SETTLE_SECONDS) <= probe.sent_at <= until]
    report = {
        "source": SOURCE,
        "downtime_ms": round(seen_seconds * 1000),
        "lost_writes_count": len(lost_writes(lately, held)),
    }
    day.world.server.post(f"/agents/{agent_id}/gamedays/{game_day['game_day_id']}/probe", report)
    return (
        f"--- {name}: game day {game_day['kind']}: the prober saw {seen_seconds:.2f} s of outage, {report['lost_writes_count']} writes lost"
    )
