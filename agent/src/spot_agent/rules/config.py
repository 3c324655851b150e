"""Which value of a setting holds: the server's, once it said one, else the environment's."""

from __future__ import annotations

from dataclasses import dataclass

from spot_agent.model import Config, JsonObject, ServerView
from spot_agent.settings import Settings

_NO_VIEW = ServerView(role=None, is_primary=False, epoch=0)


@dataclass(frozen=True, slots=True)
class Effective:
    """The settings by which the daemon acts now."""

    heartbeat_interval_seconds: float
    pending_commands_check_interval_seconds: float
    command_wait_seconds: float
    pricing_report_interval_seconds: float
    cleanup_snapshots_older_than_days: int
    cleanup_images_older_than_days: int
    carry: str
    allowed_instance_types: tuple[str, ...]


def effective_settings(settings: Settings, config: Config | None) -> Effective:
    """The server's value wins where it gave a sensible one."""
    seen = config or Config(config_version=0, view=_NO_VIEW)
    return Effective(
        heartbeat_interval_seconds=_pick(seen.heartbeat_interval_seconds, settings.heartbeat_interval_seconds),
        pending_commands_check_interval_seconds=_pick(
            seen.pending_commands_check_interval_seconds, settings.pending_commands_check_interval_seconds
        ),
        command_wait_seconds=_pick_from_zero(seen.command_wait_seconds, settings.command_wait_seconds),
        pricing_report_interval_seconds=_pick(seen.pricing_report_interval_seconds, settings.pricing_report_interval_seconds),
        cleanup_snapshots_older_than_days=int(_pick(seen.cleanup_snapshots_older_than_days, settings.cleanup_snapshots_older_than_days)),
        cleanup_images_older_than_days=int(_pick(seen.cleanup_images_older_than_days, settings.cleanup_images_older_than_days)),
        carry=seen.carry or settings.carry,
        allowed_instance_types=seen.allowed_instance_types or settings.allowed_instance_types,
    )


def settings_on_the_wire(settings: Settings) -> JsonObject:
    """The `settings` object of registration and heartbeat: what the environment says, units in the names."""
    return {
        "auto_terminate_enabled": settings.auto_terminate_enabled,
        "terminate_wait_seconds": settings.terminate_wait_seconds,
        "create_snapshot_on_switch": settings.create_snapshot_on_switch,
        "carry": settings.carry,
        "allowed_instance_types": list(settings.allowed_instance_types),
        "traffic_handles": [dict(handle) for handle in settings.traffic_handles],
        "data_volumes": [dict(volume) for volume in settings.data_volumes],
        "cleanup_snapshots_older_than_days": settings.cleanup_snapshots_older_than_days,
        "cleanup_images_older_than_days": settings.cleanup_images_older_than_days,
        "image_refresh_hours": settings.image_refresh_hours,
    }


def _pick(said: float | None, fallback: float) -> float:
    """A zero or negative interval or age would make a loop spin or a clean-up take everything: not sensible."""
    return said if said is not None and said > 0 else fallback


def _pick_from_zero(said: float | None, fallback: float) -> float:
    return said if said is not None and said >= 0 else fallback
