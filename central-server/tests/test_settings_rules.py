"""What holds for every change of an agent's settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from spot_server.errors import SettingsConflict
from spot_server.features.agent_config.rules import SETTING_NAMES, decide_change, settings_differences

BASE: dict[str, Any] = {
    "enabled": True,
    "auto_switch_enabled": False,
    "manual_replica_enabled": False,
    "replica_count": 0,
    "auto_terminate_enabled": True,
    "terminate_wait_seconds": 1800,
    "rebalance_hold_seconds": 1800,
    "create_snapshot_on_switch": True,
    "cleanup_snapshots_older_than_days": 7,
    "cleanup_images_older_than_days": 30,
    "image_refresh_hours": 24,
    "carry": "stateless",
    "allowed_instance_types": ["m5.large"],
    "traffic_handles": [],
    "data_volumes": [],
    "launch_specification": None,
    "base_image_id": None,
    "failover_when_silent": False,
    "early_replica_on_warning": False,
    "safe_to_run_twice": False,
    "value_per_minute_usd": Decimal("0.10"),
    "moves_per_day": 4,
    "min_saving_percent": 10,
    "maintenance_window": None,
}

changes = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "auto_switch_enabled": st.booleans(),
        "manual_replica_enabled": st.booleans(),
        "replica_count": st.integers(0, 1),
        "terminate_wait_seconds": st.integers(0, 5),
        "carry": st.sampled_from(["stateless", "rsync", "volume"]),
        "data_volumes": st.lists(st.just({"device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}), max_size=1),
    },
)


def after(current: dict[str, Any], requested: dict[str, Any]) -> dict[str, Any]:
    try:
        return {**current, **decide_change(current, requested).after}
    except SettingsConflict:
        return current


@given(st.lists(changes, max_size=6))
def test_no_sequence_of_changes_leads_to_settings_that_contradict_each_other(sequence: list[dict[str, Any]]) -> None:
    current = BASE
    for requested in sequence:
        current = after(current, requested)

    assert not (current["auto_switch_enabled"] and current["manual_replica_enabled"])
    assert current["replica_count"] == (1 if current["manual_replica_enabled"] else 0)
    assert current["carry"] != "volume" or current["data_volumes"]


@given(changes, changes)
def test_what_was_accepted_is_what_holds_and_repeating_it_changes_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    current = after(BASE, first)
    try:
        change = decide_change(current, second)
    except SettingsConflict:
        return

    settled = {**current, **change.after}

    assert all(settled[name] == value for name, value in second.items())
    assert decide_change(settled, second).after == {}
    assert set(change.before) == set(change.after)


def test_every_setting_is_named_once() -> None:
    assert set(BASE) == set(SETTING_NAMES)
    assert len(SETTING_NAMES) == len(set(SETTING_NAMES))


def test_a_setting_that_the_daemon_does_not_report_is_no_difference() -> None:
    found = settings_differences(BASE, {"terminate_wait_seconds": 5, "enabled": True, "unknown": 1})

    assert found == {"terminate_wait_seconds": {"server": 1800, "daemon": 5}}
