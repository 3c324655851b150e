"""Every setting that the demo compresses, with its real default, so that nobody mistakes one for the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Compressed:
    """One setting: where it goes, what it is in production, what it is here."""

    variable: str
    owner: str
    """server, daemon or region."""
    real: str
    here: str


REGION_DELAYS = (
    ("RunInstances to running", 10.0, 40.0),
    ("boot, running to services started", 30.0, 120.0),
    ("image, CreateImage to available", 120.0, 480.0),
    ("address move", 2.0, 10.0),
    ("workload start", 3.0, 3.0),
    ("notice to termination", 120.0, 120.0),
    ("shutting-down to terminated", 5.0, 20.0),
)
"""What the simulated region delays, in seconds; docs/simulated-region.md."""


def compressed_settings(scale: float) -> tuple[Compressed, ...]:
    """Return the server's and the daemon's settings that differ from their real defaults at this time scale."""
    return (
        Compressed("SPOT_HEARTBEAT_INTERVAL_SECONDS", "server", "30", _whole(30 * scale)),
        Compressed("SPOT_PENDING_COMMANDS_CHECK_INTERVAL_SECONDS", "server", "15", _whole(15 * scale)),
        Compressed("SPOT_PRICING_REPORT_INTERVAL_SECONDS", "server", "300", _whole(300 * scale)),
        Compressed("SPOT_REBALANCE_HOLD_SECONDS", "server", "1800", _whole(1800 * scale)),
        Compressed("SPOT_OFFLINE_AFTER_SECONDS", "server", "300", _whole(max(10, 300 * scale))),
        Compressed("SPOT_DAEMON_FRESH_SECONDS", "server", "75", _number(max(6.0, 75 * scale))),
        Compressed("SPOT_SILENCE_SWEEP_PERIOD_SECONDS", "server", "2", _number(max(0.25, 2 * scale))),
        Compressed("SPOT_DECISION_PERIOD_SECONDS", "server", "300", _number(max(5.0, 300 * scale))),
        Compressed("SPOT_RISK_PERIOD_SECONDS", "server", "900", "15"),
        Compressed("SPOT_COORDINATOR_PERIOD_SECONDS", "server", "10", _number(10 * scale)),
        Compressed("SPOT_SWITCH_SWEEP_PERIOD_SECONDS", "server", "1", _number(max(0.25, scale))),
        Compressed("SPOT_FENCE_POLL_SECONDS", "server", "2", _number(max(0.2, 2 * scale))),
        Compressed("SPOT_FENCE_PATIENCE_SECONDS", "server", "15", _number(15 * scale)),
        Compressed("SPOT_NOTICE_MARGIN_SECONDS", "server", "10", _number(10 * scale)),
        Compressed("SPOT_PARTING_SECONDS", "server", "3", _number(3 * scale)),
        Compressed("SPOT_PARTING_LAUNCH_SECONDS", "server", "20", _number(20 * scale)),
        Compressed("HEARTBEAT_INTERVAL", "daemon", "30", _whole(30 * scale)),
        Compressed("PENDING_COMMANDS_CHECK_INTERVAL", "daemon", "15", _whole(15 * scale)),
        Compressed("NOTICE_POLL_INTERVAL", "daemon", "1", _number(max(0.2, scale))),
        Compressed("SCHEDULED_EVENTS_POLL_INTERVAL", "daemon", "60", _number(60 * scale)),
        Compressed("PRICING_REPORT_INTERVAL", "daemon", "300", _whole(300 * scale)),
        Compressed("TERMINATE_WAIT_SECONDS", "daemon", "1800", "5"),
    )


def describe(scale: float) -> list[str]:
    """Return the lines that tell a person what is compressed."""
    lines = [
        f"time scale of the region: {scale} (each delay of the region is drawn from its real range and multiplied by it;",
        "settings of server and daemon are their real defaults multiplied by it too, but for floors and for two that are fixed:",
        "what follows is real -> here)",
    ]
    for name, low, high in REGION_DELAYS:
        real = f"{low:g} s" if low == high else f"{low:g}-{high:g} s"
        here = f"{low * scale:g} s" if low == high else f"{low * scale:g}-{high * scale:g} s"
        lines.append(f"  region  {name:<46} {real:>10} -> {here}")
    return lines + [
        f"  {setting.owner:<7} {setting.variable:<46} {setting.real + ' s':>10} -> {setting.here} s"
        for setting in compressed_settings(scale)
    ]


def _whole(value: float) -> str:
    return str(max(1, round(value)))


def _number(value: float) -> str:
    return f"{value:g}"
