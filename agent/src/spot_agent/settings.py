"""Settings: read once, frozen, validated together. docs/daemon.md is their reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spot_agent.errors import SettingsInvalid
from spot_agent.model import JsonObject
from spot_agent.settings_reader import Reader

CARRY_RSYNC, CARRY_HOOK, CARRY_VOLUME = "rsync", "hook", "volume"
CARRIES = ("stateless", "image_after_quiesce", CARRY_RSYNC, CARRY_HOOK, CARRY_VOLUME)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class HookCommands:
    """Each a command line already split into words; empty when the hook is not set."""

    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    standby_check: tuple[str, ...] = ()
    serving_check: tuple[str, ...] = ()
    traffic: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    thaw: tuple[str, ...] = ()

    def by_name(self) -> dict[str, tuple[str, ...]]:
        """Each by its name as hooks are told it in SPOT_HOOK."""
        return {
            "start": self.start,
            "stop": self.stop,
            "standby_check": self.standby_check,
            "serving_check": self.serving_check,
            "traffic": self.traffic,
            "freeze": self.freeze,
            "thaw": self.thaw,
        }


@dataclass(frozen=True, slots=True)
class Settings:
    """The daemon's environment. The server's configuration overrides some of it (rules/config.py)."""

    server_url: str
    logical_agent_id: str
    enrolment_token: str | None = field(repr=False)
    enrolment_token_file: Path | None
    heartbeat_interval_seconds: float
    pending_commands_check_interval_seconds: float
    command_wait_seconds: float
    pricing_report_interval_seconds: float
    notice_poll_interval_seconds: float
    scheduled_events_poll_interval_seconds: float
    cleanup_interval_seconds: float
    auto_terminate_enabled: bool
    terminate_wait_seconds: int
    create_snapshot_on_switch: bool
    cleanup_snapshots_older_than_days: int
    cleanup_images_older_than_days: int
    image_refresh_hours: int
    carry: str
    data_volumes: tuple[JsonObject, ...]
    sync_paths: tuple[Path, ...]
    sync_port: int
    sync_first_command: tuple[str, ...]
    sync_last_command: tuple[str, ...]
    allowed_instance_types: tuple[str, ...]
    traffic_handles: tuple[JsonObject, ...]
    imds_endpoint: str
    machine_root: Path
    state_directory: Path
    runtime_directory: Path
    workload_unit: str | None
    hooks: HookCommands
    hook_bound_seconds: float
    freeze_bound_seconds: float
    metrics_port: int
    log_level: str


def load_settings(environment: Mapping[str, str], env_file_text: str | None = None) -> Settings:
    """`environment` wins over the env file. Raises SettingsInvalid with every problem at once."""
    reader = Reader(environment, env_file_text)
    settings = _read(reader)
    if reader.problems:
        raise SettingsInvalid(tuple(reader.problems))
    return settings


def _read(reader: Reader) -> Settings:
    return Settings(
        server_url=reader.url("SPOT_SERVER_URL"),
        logical_agent_id=reader.identifier("LOGICAL_AGENT_ID"),
        enrolment_token=reader.token("ENROLMENT_TOKEN", "ENROLMENT_TOKEN_FILE"),
        enrolment_token_file=reader.optional_path("ENROLMENT_TOKEN_FILE"),
        heartbeat_interval_seconds=reader.seconds("HEARTBEAT_INTERVAL", 30, 0.1, 240),
        pending_commands_check_interval_seconds=reader.seconds("PENDING_COMMANDS_CHECK_INTERVAL", 15, 0.1, 300),
        command_wait_seconds=reader.seconds("COMMAND_WAIT", 50, 0, 60),
        pricing_report_interval_seconds=reader.seconds("PRICING_REPORT_INTERVAL", 300, 1, 86_400),
        notice_poll_interval_seconds=reader.seconds("NOTICE_POLL_INTERVAL", 1, 0.05, 5),
        scheduled_events_poll_interval_seconds=reader.seconds("SCHEDULED_EVENTS_POLL_INTERVAL", 60, 0.1, 3_600),
        cleanup_interval_seconds=reader.seconds("CLEANUP_INTERVAL", 3_600, 1, 86_400),
        auto_terminate_enabled=reader.boolean("AUTO_TERMINATE_OLD_INSTANCE", default=True),
        terminate_wait_seconds=reader.whole("TERMINATE_WAIT_SECONDS", 1_800, 0, 604_800),
        create_snapshot_on_switch=reader.boolean("CREATE_SNAPSHOT_ON_SWITCH", default=True),
        cleanup_snapshots_older_than_days=reader.whole("CLEANUP_SNAPSHOTS_OLDER_THAN_DAYS", 7, 1, 3_650),
        cleanup_images_older_than_days=reader.whole("CLEANUP_AMIS_OLDER_THAN_DAYS", 30, 1, 3_650),
        image_refresh_hours=reader.whole("AMI_REFRESH_HOURS", 24, 0, 720),
        carry=reader.one_of("CARRY", "stateless", CARRIES),
        data_volumes=reader.objects("DATA_VOLUMES", "mount_point"),
        sync_paths=reader.paths("SYNC_PATHS"),
        sync_port=reader.whole("SYNC_PORT", 7_022, 1, 65_535),
        sync_first_command=reader.command("SYNC_FIRST_COMMAND"),
        sync_last_command=reader.command("SYNC_LAST_COMMAND"),
        allowed_instance_types=reader.words("ALLOWED_INSTANCE_TYPES"),
        traffic_handles=_traffic_handles(reader),
        imds_endpoint=reader.url("IMDS_ENDPOINT", "http://169.254.169.254"),
        machine_root=reader.path("MACHINE_ROOT", "/"),
        state_directory=reader.path("STATE_DIRECTORY", "/var/lib/spot-agent"),
        runtime_directory=reader.path("RUNTIME_DIRECTORY", "/run/spot-optimizer"),
        workload_unit=reader.unit("WORKLOAD_UNIT"),
        hooks=_hooks(reader, reader.text("WORKLOAD_UNIT", "")),
        hook_bound_seconds=reader.seconds("HOOK_BOUND_SECONDS", 30, 0.1, 600),
        freeze_bound_seconds=reader.seconds("FREEZE_BOUND_SECONDS", 10, 0.5, 60),
        metrics_port=reader.whole("METRICS_PORT", 0, 0, 65_535),
        log_level=reader.one_of("LOG_LEVEL", "INFO", LOG_LEVELS),
    )


def _hooks(reader: Reader, unit: str) -> HookCommands:
    """What is not set is systemd's affair, where a unit is named."""

    def systemctl(*words: str) -> tuple[str, ...]:
        return ("systemctl", *words, unit) if unit else ()

    freeze, thaw = reader.command("FREEZE_COMMAND"), reader.command("THAW_COMMAND")
    if bool(freeze) != bool(thaw):
        reader.problems.append("FREEZE_COMMAND and THAW_COMMAND must be set together: what is frozen must be thawed")
    return HookCommands(
        start=reader.command("START_COMMAND") or systemctl("start"),
        stop=reader.command("STOP_COMMAND") or systemctl("stop"),
        standby_check=reader.command("STANDBY_CHECK_COMMAND"),
        serving_check=reader.command("SERVING_CHECK_COMMAND") or systemctl("is-active", "--quiet"),
        traffic=reader.command("TRAFFIC_COMMAND"),
        freeze=freeze,
        thaw=thaw,
    )


def _traffic_handles(reader: Reader) -> tuple[JsonObject, ...]:
    """ELASTIC_IP_ALLOCATION_ID is short for the most usual one. What each kind needs is the server's to say."""
    allocation_id = reader.text("ELASTIC_IP_ALLOCATION_ID", "")
    first = [{"kind": "elastic_ip", "allocation_id": allocation_id}] if allocation_id else []
    return (*first, *reader.objects("TRAFFIC_HANDLES", "kind"))
