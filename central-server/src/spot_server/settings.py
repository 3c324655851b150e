"""Every setting of the server: read once from the environment, checked together, then frozen."""

# ruff: noqa: RUF009 - the functions called in the class body return dataclass fields

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "SPOT_"
LONGEST_RETENTION_DAYS = 3650


class WorkerKind(StrEnum):
    """How a web process serves many requests at once; docs/adr/0006-waiting-requests.md says which and why."""

    GTHREAD = "gthread"
    GEVENT = "gevent"


class LogFormat(StrEnum):
    """JSON lines for machines, coloured text for a person at a terminal."""

    JSON = "json"
    TEXT = "text"


class LogLevel(StrEnum):
    """The least important message that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class SettingsError(Exception):
    """Settings cannot be used; `problems` names every one of them, one line each."""

    def __init__(self, problems: list[str]) -> None:
        """Keep all problems, so that a person mends them in one go."""
        super().__init__("\n".join(problems))
        self.problems = problems


def text(default: str, meaning: str) -> str:
    """Declare a setting that is any text."""
    return field(default=default, metadata={"parse": str, "meaning": meaning})


def integer(default: int, meaning: str, *, least: int, most: int) -> int:
    """Declare a whole number between `least` and `most`, both allowed."""
    return field(default=default, metadata={"parse": _bounded(int, "a whole number", least, most), "meaning": meaning})


def number(default: float, meaning: str, *, least: float, most: float) -> float:
    """Declare a number between `least` and `most`, both allowed."""
    return field(default=default, metadata={"parse": _bounded(float, "a number", least, most), "meaning": meaning})


def usd(default: str, meaning: str, *, least: str, most: str) -> Decimal:
    """Declare an amount of USD between `least` and `most`, both allowed; never a float."""
    return field(default=Decimal(default), metadata={"parse": _amount_between(Decimal(least), Decimal(most)), "meaning": meaning})


def choice(default: Any, meaning: str) -> Any:  # noqa: ANN401
    """Declare a setting that draws from the closed set to which `default` belongs."""
    return field(default=default, metadata={"parse": _one_of(type(default)), "meaning": meaning})


def _bounded(convert: Callable[[str], Any], name: str, least: float, most: float) -> Callable[[str], Any]:
    expected = f"{name} from {least} to {most}"

    def parse(raw: str) -> Any:  # noqa: ANN401
        try:
            value = convert(raw)
        except ValueError:
            raise ValueError(expected) from None
        if not least <= value <= most:
            raise ValueError(expected)
        return value

    return parse


def _amount_between(least: Decimal, most: Decimal) -> Callable[[str], Decimal]:
    expected = f"a decimal number from {least} to {most}"

    def parse(raw: str) -> Decimal:
        try:
            value = Decimal(raw)
        except InvalidOperation:
            raise ValueError(expected) from None
        if not value.is_finite() or not least <= value <= most:
            raise ValueError(expected)
        return value

    return parse


def _one_of(members: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(raw: str) -> StrEnum:
        try:
            return members(raw.lower())
        except ValueError:
            raise ValueError(f"one of {', '.join(members)}") from None

    return parse


@dataclass(frozen=True, slots=True)
class Settings:
    """The server's settings. The environment variable of `x_seconds` is `SPOT_X_SECONDS`; an empty one counts as absent."""

    database_url: str = text("sqlite:///var/spot.db", "Where the data is: sqlite:///<path>, mysql+pymysql://… or mariadb+pymysql://…")
    database_pool_connections: int = integer(
        20, "Database connections that one process has at most, and keeps. Who finds all at work waits for one.", least=1, most=500
    )
    web_report_threads: int = integer(
        4, "Heartbeats and price reports that one web process stores at once; further ones wait for their turn.", least=1, most=500
    )

    bind_address: str = text("127.0.0.1", "The address on which the web processes listen.")
    bind_port: int = integer(8080, "The TCP port on which the web processes listen.", least=1, most=65535)
    web_processes: int = integer(2, "Web processes. Each has its own waiting room and token cache.", least=1, most=64)
    web_worker_kind: WorkerKind = choice(WorkerKind.GTHREAD, "gthread or gevent; docs/adr/0006-waiting-requests.md has the figures.")
    web_threads: int = integer(32, "Threads of a gthread web process beside those that wait.", least=2, most=1000)
    web_stop_seconds: int = integer(20, "How long a web process may finish its requests when it is told to stop.", least=1, most=600)
    body_limit_bytes: int = integer(1024 * 1024, "The largest request body that is read.", least=1024, most=64 * 1024 * 1024)

    waiting_room_seats: int = integer(
        1000, "Requests that may wait in one web process; the next one is answered at once.", least=0, most=20000
    )
    command_wait_seconds: int = integer(50, "How long daemons are told to wait for commands in one request.", least=0, most=60)
    poller_period_ms: int = integer(100, "Between two looks of a web process for new commands and revoked tokens.", least=20, most=5000)
    token_cache_seconds: int = integer(
        5, "How long a token is believed without asking the database; up to 600 s while revocations are watched.", least=0, most=60
    )

    heartbeat_interval_seconds: int = integer(30, "How often daemons send a heartbeat.", least=1, most=3600)
    pending_commands_check_interval_seconds: int = integer(
        15, "How often daemons ask for commands when they cannot wait for them.", least=1, most=3600
    )
    pricing_report_interval_seconds: int = integer(300, "How often daemons report prices.", least=1, most=86400)
    rebalance_hold_seconds: int = integer(
        1800, "How long the replica that a rebalance recommendation made is kept, if nothing more happens.", least=0, most=86400
    )
    offline_after_seconds: int = integer(300, "Silence after which an agent is shown as offline.", least=5, most=86400)
    on_demand_catalogue: str = text("", "Path of a file with on-demand prices; empty: none are known.")

    daemon_fresh_seconds: float = number(75, "How long after its last sign of life a daemon is still given work.", least=0.5, most=86400)
    image_bound_seconds: float = number(1200, "How long an image may take to become available.", least=1, most=86400)
    first_image_seconds: float = number(
        60, "How long after its first instance registered the first image of an agent with state is made.", least=0, most=86400
    )
    launch_bound_seconds: float = number(120, "How long the answer to a launch may take.", least=1, most=3600)
    boot_bound_seconds: float = number(900, "How long a launched instance may take until its standby check passes.", least=1, most=86400)
    check_bound_seconds: float = number(60, "How long a check or a look at EC2 may take.", least=1, most=3600)
    quiesce_bound_seconds: float = number(30, "How long a workload may take to stop writes.", least=1, most=3600)
    copy_bound_seconds: float = number(3600, "How long the first pass of the rsync carry may take.", least=1, most=86400)
    sync_bound_seconds: float = number(300, "How long the last pass of the rsync carry may take, while nobody serves.", least=1, most=3600)
    sync_session_seconds: float = number(
        14400, "How long the keys and the SSH server of one move may live, whatever became of it.", least=60, most=172800
    )
    traffic_bound_seconds: float = number(120, "How long the move of a traffic handle may take.", least=1, most=3600)
    start_bound_seconds: float = number(120, "How long a workload may take to start and pass its serving check.", least=1, most=3600)
    unheard_start_seconds: float = number(
        300,
        "How long the daemon of a new side with state, which was told to serve, may be silent before its move is taken back.",
        least=0,
        most=3600,
    )
    terminate_bound_seconds: float = number(600, "How long EC2 may take to terminate an instance.", least=1, most=86400)
    command_margin_seconds: float = number(30, "Added to each bound for the way to the daemon and back.", least=0.1, most=600)
    fence_poll_seconds: float = number(2, "Between two looks at EC2's word about an old instance.", least=0.05, most=60)
    fence_patience_seconds: float = number(
        15, "After the time that a notice named, before the old instance is terminated by us.", least=0, most=3600
    )
    fence_alarm_seconds: float = number(
        120, "How long a handover waits for the end of an old instance before a person is told.", least=1, most=86400
    )
    notice_margin_seconds: float = number(10, "How long before the time that a notice names a handover should be over.", least=0, most=120)
    parting_seconds: float = number(
        3, "How long before that time a primary whose replica still boots stops its workload and confirms it. 0: never.", least=0, most=60
    )
    parting_launch_seconds: float = number(
        20, "How long before that time the replica must have been launched for it to be worth while.", least=0, most=120
    )

    control_role_period_seconds: float = number(
        0.5, "How often commands are looked for that the server carries out with a client's control role.", least=0.05, most=60
    )
    control_role_threads: int = integer(8, "Calls to AWS with control roles that may be under way at once.", least=2, most=200)

    simulated_region_url: str = text(
        "",
        "The simulated region in which game days are played, such as http://127.0.0.1:8400; empty: by AWS FIS, where a client allows it.",
    )
    game_day_period_seconds: float = number(1, "How often game days are taken further.", least=0.05, most=60)
    game_day_bound_seconds: float = number(1800, "How long an agent has to come through a game day.", least=5, most=86400)

    coordinator_period_seconds: float = number(10, "How often replicas are compared with what is wanted.", least=0.05, most=3600)
    switch_sweep_period_seconds: float = number(1, "How often running switches are looked at.", least=0.05, most=3600)
    image_refresh_period_seconds: float = number(
        30, "How often agents are looked for whose newest image is too old.", least=0.05, most=3600
    )
    offline_sweep_period_seconds: float = number(15, "How often silent agents are looked for.", least=0.05, most=3600)
    notice_watch_period_seconds: float = number(
        15, "How often EC2 is asked for notices with the control roles that clients gave.", least=0.05, most=3600
    )
    notice_queue_period_seconds: float = number(
        1,
        "How often it is looked whether clients' SQS queues have brought notices; the waiting itself is a long poll.",
        least=0.05,
        most=60,
    )
    sweeper_period_seconds: float = number(
        60, "How often what runs in EC2 under our tags is compared with what is wanted.", least=0.05, most=3600
    )
    sweeper_settle_seconds: float = number(
        600, "How long after its launch an instance that nobody owns is left alone, before it is terminated.", least=60, most=86400
    )
    sweeper_agent_retirements_per_hour: int = integer(
        5, "Instances of one agent that are terminated in an hour because nobody owns them; 0: none.", least=0, most=1000
    )
    sweeper_client_retirements_per_hour: int = integer(20, "The same, of all agents of a client.", least=0, most=10000)
    spending_replica_count: int = integer(5, "Replicas of one agent at a time; a rescue is launched all the same.", least=1, most=100)
    spending_launches_per_hour: int = integer(
        20, "Instances that are launched for one agent in an hour; 0: none but rescues.", least=0, most=10000
    )
    spending_overlap_hours: float = number(
        24,
        "How long an instance may run beside its primary, unless it is a standby that somebody wants, before a person is told.",
        least=0.1,
        most=8760,
    )
    decision_period_seconds: float = number(300, "How often it is decided where each agent should run.", least=0.5, most=86400)
    silence_sweep_period_seconds: float = number(2, "How often primaries are looked for that fell silent.", least=0.05, most=10)
    risk_period_seconds: float = number(900, "How often the chance of loss in each spot pool is computed.", least=10, most=86400)
    retention_sweep_period_seconds: float = number(3600, "How often what is too old is deleted.", least=1, most=86400)
    retention_batch_rows: int = integer(500, "Rows that one transaction of the retention sweep deletes.", least=1, most=10_000)
    retention_run_rows: int = integer(
        50_000, "Rows that one run of the retention sweep deletes at most; the next run goes on.", least=1, most=10_000_000
    )
    event_retention_days: int = integer(180, "How long events are kept.", least=1, most=LONGEST_RETENTION_DAYS)
    audit_retention_days: int = integer(180, "How long the audit log is kept.", least=1, most=LONGEST_RETENTION_DAYS)
    notification_retention_days: int = integer(180, "How long notifications are kept, read or not.", least=1, most=LONGEST_RETENTION_DAYS)
    decision_retention_days: int = integer(
        30, "How long decisions are kept after they were last made, with what they were made from.", least=1, most=LONGEST_RETENTION_DAYS
    )
    cleanup_retention_days: int = integer(180, "How long reports of cleanups are kept.", least=1, most=LONGEST_RETENTION_DAYS)
    switch_retention_days: int = integer(
        180, "How long switches are kept, with their steps, replicas and images; and all commands.", least=1, most=LONGEST_RETENTION_DAYS
    )
    interruption_retention_days: int = integer(
        365, "How long interruptions are kept; at least as long as switches.", least=1, most=LONGEST_RETENTION_DAYS
    )
    price_retention_days: int = integer(
        90, "How long prices are kept, and what is known of their consolidations.", least=1, most=LONGEST_RETENTION_DAYS
    )
    terminated_instance_retention_days: int = integer(
        30,
        "How long an instance's record is kept after EC2 terminated it; at least as long as switches and audit rows, which name it.",
        least=1,
        most=LONGEST_RETENTION_DAYS,
    )
    price_pull_period_seconds: float = number(
        300, "How often the server reads spot prices with the control roles that clients gave.", least=1, most=86400
    )
    on_demand_refresh_seconds: float = number(
        86400, "How old on-demand prices may be before the Price List API is asked again.", least=60, most=2592000
    )
    consolidation_period_seconds: float = number(43200, "How often prices are consolidated.", least=300, most=604800)
    risk_retention_days: int = integer(30, "How long what was computed of pools' risk is kept.", least=1, most=LONGEST_RETENTION_DAYS)
    savings_period_seconds: float = number(
        300, "How often days are looked for whose savings are not in the books yet, or not for good.", least=1, most=86400
    )
    savings_run_days: int = integer(
        2_000, "Days of agents that one run of that job reckons at most; the next run goes on.", least=1, most=1_000_000
    )
    snapshot_usd_per_gb_month: Decimal = usd(
        "0.05", "What a GB-month of EBS snapshots costs, for the savings account.", least="0", most="10"
    )
    snapshot_change_ratio: Decimal = usd(
        "0.1", "What share of its volumes each further image of an agent is taken to hold alone, for the same.", least="0", most="1"
    )
    public_address_usd_per_hour: Decimal = usd(
        "0.005", "What an hour of a public IPv4 address costs, for the same, in use or not.", least="0", most="10"
    )
    lease_seconds: float = number(10, "How long the jobs process leads without renewing.", least=0.5, most=300)
    lease_renew_period_seconds: float = number(3, "How often the jobs process renews its lease.", least=0.1, most=100)
    jobs_metrics_port: int = integer(0, "The port on which the jobs process serves its metrics; 0: none.", least=0, most=65535)

    log_level: LogLevel = choice(LogLevel.INFO, "debug, info, warning or error.")
    log_format: LogFormat = choice(LogFormat.JSON, "json or text.")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read and check all settings; SettingsError names every problem at once."""
        values: dict[str, Any] = {}
        problems: list[str] = []
        for setting in fields(cls):
            raw = environment.get(variable_name(setting), "").strip()
            if not raw:
                continue
            try:
                values[setting.name] = setting.metadata["parse"](raw)
            except ValueError as error:
                problems.append(f"{variable_name(setting)}={raw!r} cannot be used; expected {error}")
        if not problems:
            settings = cls(**values)
            problems = settings.contradictions()
            if not problems:
                return settings
        raise SettingsError(problems)

    def contradictions(self) -> list[str]:
        """Return what cannot be true together, one line each."""
        problems = []
        try:
            backend = make_url(self.database_url).get_backend_name()
        except ArgumentError:
            backend = ""
        if backend not in {"sqlite", "mysql", "mariadb"}:
            problems.append("SPOT_DATABASE_URL cannot be used; expected sqlite:///<path>, mysql+pymysql://… or mariadb+pymysql://…")
        if self.simulated_region_url and not self.simulated_region_url.startswith(("http://", "https://")):
            problems.append("SPOT_SIMULATED_REGION_URL cannot be used; expected an address such as http://127.0.0.1:8400, or nothing")
        if self.lease_renew_period_seconds * 2 > self.lease_seconds:
            problems.append("SPOT_LEASE_RENEW_PERIOD_SECONDS must be at most half of SPOT_LEASE_SECONDS")
        if self.offline_after_seconds < 2 * self.heartbeat_interval_seconds:
            problems.append("SPOT_OFFLINE_AFTER_SECONDS must be at least twice SPOT_HEARTBEAT_INTERVAL_SECONDS")
        return problems

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used."""
        return make_url(self.database_url).get_backend_name() == "sqlite"


def variable_name(setting: Field[Any]) -> str:
    """Return the environment variable of one field of Settings."""
    return PREFIX + setting.name.upper()
