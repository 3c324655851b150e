"""What settings an agent has, which exclude each other, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from spot_server.errors import SettingsConflict
from spot_server.words import Carry

TERMINATE_WAIT_SECONDS_MAX = 7 * 86_400
REBALANCE_HOLD_SECONDS_MAX = 86_400
CLEANUP_DAYS_MAX = 3_650
IMAGE_REFRESH_HOURS_MAX = 720
MOVES_PER_DAY_MAX = 48
VALUE_PER_MINUTE_USD_MAX = Decimal(1_000_000)

SETTING_NAMES = (
    "enabled",
    "auto_switch_enabled",
    "manual_replica_enabled",
    "replica_count",
    "auto_terminate_enabled",
    "terminate_wait_seconds",
    "rebalance_hold_seconds",
    "create_snapshot_on_switch",
    "cleanup_snapshots_older_than_days",
    "cleanup_images_older_than_days",
    "image_refresh_hours",
    "carry",
    "allowed_instance_types",
    "traffic_handles",
    "data_volumes",
    "launch_specification",
    "base_image_id",
    "failover_when_silent",
    "early_replica_on_warning",
    "safe_to_run_twice",
    "value_per_minute_usd",
    "moves_per_day",
    "min_saving_percent",
    "maintenance_window",
)
"""Every setting that a person may change, by the name that column, wire and daemon share."""


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings that really change: before and after. Both are empty when a request repeats what already holds."""

    before: dict[str, Any]
    after: dict[str, Any]


def decide_change(current: Mapping[str, Any], requested: Mapping[str, Any]) -> SettingsChange:
    """Return what `requested` changes in `current`; SettingsConflict when the result would contradict itself.

    `replica_count` follows `manual_replica_enabled`: 1 with it, 0 without.
    """
    wanted = {**current, **requested}
    if wanted["auto_switch_enabled"] and wanted["manual_replica_enabled"]:
        raise SettingsConflict(
            "auto_switch_enabled and manual_replica_enabled cannot both be true: a decision would move the agent away from the "
            "replica that a person wants kept. Turn one off in the same request.",
            fields=["auto_switch_enabled", "manual_replica_enabled"],
        )
    count = 1 if wanted["manual_replica_enabled"] else 0
    if requested.get("replica_count", count) != count:
        raise SettingsConflict(
            f"replica_count is {count} while manual_replica_enabled is {str(count == 1).lower()}: "
            "it follows that setting and cannot differ",
            fields=["replica_count", "manual_replica_enabled"],
        )
    wanted["replica_count"] = count
    if wanted["carry"] == Carry.VOLUME and not wanted["data_volumes"]:
        raise SettingsConflict(
            "carry is volume and data_volumes is empty: name at least one data volume in the same request, or another carry",
            fields=["carry", "data_volumes"],
        )
    changed = [name for name in SETTING_NAMES if wanted[name] != current[name]]
    return SettingsChange({name: current[name] for name in changed}, {name: wanted[name] for name in changed})


def settings_differences(server: Mapping[str, Any], daemon: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings in which the daemon's own view differs: {name: {"server": ..., "daemon": ...}}; the server's value holds."""
    return {
        name: {"server": server[name], "daemon": daemon[name]} for name in SETTING_NAMES if name in daemon and daemon[name] != server[name]
    }


def plain_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as JSON has them: amounts as text."""
    return {name: format(value.normalize(), "f") if isinstance(value, Decimal) else value for name, value in values.items()}
