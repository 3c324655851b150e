"""Whose value of a setting holds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent_fakes.world import settings_for
from spot_agent.model import Config, ServerView
from spot_agent.rules.config import effective_settings, settings_on_the_wire

VIEW = ServerView(None, is_primary=False, epoch=1)
SETTINGS = settings_for(Path("/nowhere"), ELASTIC_IP_ALLOCATION_ID="eipalloc-1", ALLOWED_INSTANCE_TYPES="m5.large, c5.large")
NUMBERS = st.none() | st.floats(-10, 1_000, allow_nan=False)


@given(NUMBERS, NUMBERS, st.none() | st.integers(-5, 100))
def test_no_server_can_make_a_loop_spin_or_a_cleanup_take_all(heartbeat: float | None, wait: float | None, days: int | None) -> None:
    config = Config(1, VIEW, heartbeat_interval_seconds=heartbeat, command_wait_seconds=wait, cleanup_images_older_than_days=days)

    effective = effective_settings(SETTINGS, config)

    assert effective.heartbeat_interval_seconds > 0
    assert effective.command_wait_seconds >= 0
    assert effective.cleanup_images_older_than_days >= 1


@given(st.floats(0.1, 1_000))
def test_the_servers_value_wins_once_it_said_one(seconds: float) -> None:
    config = Config(1, VIEW, heartbeat_interval_seconds=seconds, allowed_instance_types=("r5.large",))

    effective = effective_settings(SETTINGS, config)

    assert effective.heartbeat_interval_seconds == seconds
    assert effective.allowed_instance_types == ("r5.large",)


def test_before_the_first_configuration_the_environment_holds() -> None:
    effective = effective_settings(SETTINGS, None)

    assert effective.heartbeat_interval_seconds == 30
    assert effective.allowed_instance_types == ("m5.large", "c5.large")


def test_the_wire_names_the_traffic_handle() -> None:
    assert settings_on_the_wire(SETTINGS)["traffic_handles"] == [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}]
