"""The command line `spot-server`.

Imports happen inside the commands: under gevent the standard library must be patched before anything else is imported, and the
metrics library reads its environment when it is imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from spot_server.imports import imported_for_good

if TYPE_CHECKING:
    from spot_server.settings import Settings

T = TypeVar("T")

MOST_DAYS = 90

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DATABASE = 3


class CommandFailed(Exception):
    """A command cannot go on; its text is the one line that a person needs."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        """`exit_code` is 1 (failed), 2 (settings or arguments), or 3 (database or schema)."""
        super().__init__(message)
        self.exit_code = exit_code


def process() -> int:
    """Be the process `spot-server`: what it logs goes to standard error, because scripts read the answers from standard output."""
    return main(is_logging=True)


def main(arguments: Sequence[str] | None = None, *, is_logging: bool = False) -> int:
    """Run one command and return its exit code. `is_logging` sets up this process's log."""
    options = _parser().parse_args(arguments)
    if options.command == "web" and os.environ.get("SPOT_WEB_WORKER_KIND", "").strip().lower() == "gevent":
        from gevent import monkey  # noqa: PLC0415 - see above

        monkey.patch_all()
    from spot_server.settings import Settings, SettingsError  # noqa: PLC0415 - see above

    run: Callable[[argparse.Namespace, Settings], None] = options.run
    try:
        settings = Settings.from_environment(os.environ)
        if is_logging:
            from spot_server.log_setup import set_up_logging  # noqa: PLC0415 - see above

            set_up_logging(settings.log_level, settings.log_format)
        run(options, settings)
    except SettingsError as error:
        for problem in error.problems:
            print(f"spot-server: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except CommandFailed as error:
        print(f"spot-server: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spot-server", description="The central server of Spot Optimizer.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace, Settings], None], meaning: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=meaning, description=meaning)
        command.set_defaults(run=run)
        return command

    add("web", _web, "Serve the API and the dashboard.")
    add("jobs", _jobs, "Run the periodic jobs; a second process stands by.")
    add("migrate", _migrate, "Bring the database to the schema of this release.")
    client = add("create-client", _create_client, "Make a client and print its id.")
    client.add_argument("name")
    client.add_argument("--if-missing", action="store_true", help="print the id of the client of this name if there is one")
    client.add_argument("--aws-role-arn", help="the IAM role in its account that the server may assume; without it, daemons act")
    client.add_argument("--external-id", help="for the role's trust policy; default: one is made up and printed")
    client.add_argument("--fis-role-arn", help="the IAM role in its account that AWS FIS takes on for game days; with a control role only")
    client.add_argument("--notice-queue-url", help="the SQS queue to which its EventBridge sends notices; with a control role only")
    token = add("create-token", _create_token, "Make a token and print it, this once.")
    token.add_argument("kind", choices=["admin", "client", "enrolment"])
    token.add_argument("--label", default="command line", help="who or what it is for; the audit log shows it")
    token.add_argument("--client-id")
    token.add_argument("--pattern", help="enrolment: a logical agent id, or the beginning of one and a *")
    token.add_argument("--uses", type=int, help="enrolment: how many registrations; default 1")
    token.add_argument("--days", type=float, help="until it expires; default: never, enrolment: 1")
    advisor = add("import-spot-advisor", _import_spot_advisor, "Store Spot Advisor's bands of interruption, which pools' risk begins with.")
    advisor.add_argument("file", help="CSV, gzipped or not: snapshot, region, instance_type, savings_pct, interruption_band (0 to 4)")
    _add_price_commands(add)
    compare = add("compare-models", _compare_models, "Compare what decision models did, acting or in the shadow.")
    compare.add_argument("--days", type=_days, default=7, help="over how many days, 1 to 90; default 7")
    replay = add("replay-decision", _replay_decision, "Make a stored decision once more, and say whether the answer is the same.")
    replay.add_argument("decision_id")
    _add_backtest(add)
    openapi = add("openapi", _openapi, "Write the description of the interface.")
    _add_generated(openapi)
    machines = add("state-machines", _state_machines, "Write docs/STATE_MACHINE.md from the tables in code.")
    _add_generated(machines)
    return parser


def _add_price_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    catalogue = add("import-on-demand-prices", _import_on_demand_prices, "Store the on-demand prices of a catalogue file.")
    catalogue.add_argument("file", help="CSV, plain or gzip: instance_type, region, and usd_per_hour, od_usd_hr or od_linux")
    catalogue.add_argument("--region", help="the region of every row, for a file without that column")
    export = add("export-training-data", _export_training_data, "Write consolidated prices, the last three months unless said otherwise.")
    export.add_argument("--out", default="-", help="the file to write; default: - for standard output (CSV only)")
    export.add_argument(
        "--format", choices=["csv", "parquet"], default="csv", help="parquet needs pyarrow, which the server does not bring along"
    )
    export.add_argument("--since", help="a day, or a time as RFC 3339 has it; default: three months before the end")
    export.add_argument("--until", help="the end, left out itself; default: now")
    export.add_argument("--region", help="only pools of this region")


def _add_backtest(add: Callable[..., argparse.ArgumentParser]) -> None:
    command = add("backtest", _backtest, "Play policies over recorded availability, and say what they cost.")
    command.add_argument("--traces", required=True, metavar="DIR", help="the folder of the trace files")
    command.add_argument("--policy", action="append", default=[], metavar="NAME", help="on_demand, ours, …; again for more; default: all")
    command.add_argument("--setting", action="append", default=[], help="always_on, job, job_zones, replicas; again for more; default: all")
    command.add_argument("--set", action="append", default=[], metavar="NAME", help="only this file's; again for more; default: all")
    command.add_argument("--part", choices=["train", "test"], default="train", help="test: the last third, for a score that is published")
    command.add_argument("--work-hours", type=float, default=48.0, help="a job's work; default 48")
    command.add_argument("--deadline-hours", type=float, default=60.0, help="from a job's start; default 60")
    command.add_argument("--changeover-hours", type=float, default=0.2, help="of each start of a job; default 0.2")
    command.add_argument("--every-hours", type=float, default=12.0, help="between two jobs' starts; default 12")
    command.add_argument("--job-price-ratio", type=float, default=3.145, help="on demand by spot, of jobs; default 3.145")
    command.add_argument("--replicas", type=int, default=3, help="how many serve side by side; default 3")
    command.add_argument("--cold-start-seconds", type=float, default=120.0, help="until a new machine serves; default 120")
    command.add_argument("--price-ratio", type=float, default=3.0, help="on demand by spot, of machines that serve; default 3")
    command.add_argument("--value-per-minute", default="0.10", metavar="USD", help="what a minute without one costs; default 0.10")
    command.add_argument("--gap-seconds", type=float, help="of a tick, in files that do not say")
    command.add_argument("--plots", metavar="DIR", help="write plots (SVG) there")
    command.add_argument("--by-pool", action="store_true", help="a line for each pool besides")
    command.add_argument("--markdown", action="store_true", help="print the table as Markdown")


def _add_generated(command: argparse.ArgumentParser) -> None:
    command.add_argument("--root", default=".", help="the repository's directory; default: here")
    command.add_argument("--check", action="store_true", help="write nothing; fail if a file is not current")


def _web(_options: argparse.Namespace, settings: Settings) -> None:
    from spot_server.metrics_directory import metrics_directory  # noqa: PLC0415 - see above

    with metrics_directory():
        with imported_for_good():
            from spot_server.listening import CannotListen  # noqa: PLC0415 - see above
            from spot_server.web import serve  # noqa: PLC0415 - see above

        _require_catalogue(settings)
        _require_database(settings)
        try:
            serve(settings)
        except CannotListen as error:
            raise CommandFailed(str(error)) from error


def _jobs(_options: argparse.Namespace, settings: Settings) -> None:
    with imported_for_good():
        from spot_server.jobs.main import run_jobs  # noqa: PLC0415 - see above

    _require_catalogue(settings)
    _require_database(settings)
    run_jobs(settings)


def _require_catalogue(settings: Settings) -> None:
    from spot_server.features.pricing.on_demand import CatalogueError, load_catalogue  # noqa: PLC0415 - see above

    try:
        load_catalogue(settings.on_demand_catalogue)
    except CatalogueError as error:
        raise CommandFailed(f"SPOT_ON_DEMAND_CATALOGUE: {error}", EXIT_USAGE) from error


def _require_database(settings: Settings) -> None:
    from spot_server.clock import SystemClock  # noqa: PLC0415 - see above
    from spot_server.db.factory import build_database  # noqa: PLC0415 - see above
    from spot_server.features.health.readiness import check_database  # noqa: PLC0415 - see above

    database = build_database(settings, SystemClock())
    readiness = check_database(database)
    database.engine.dispose()
    if not readiness.is_ready:
        raise CommandFailed(readiness.detail, EXIT_DATABASE)


def _migrate(_options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import admin  # noqa: PLC0415 - see above

    print(_or_fail(lambda: admin.migrate_database(settings)))


def _create_client(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import admin  # noqa: PLC0415 - see above
    from spot_server.features.clients.service import NewClient  # noqa: PLC0415 - see above

    roles = {"aws_role_arn": options.aws_role_arn, "aws_external_id": options.external_id, "fis_role_arn": options.fis_role_arn}
    new = NewClient(name=options.name, notice_queue_url=options.notice_queue_url, **roles)
    print(_or_fail(lambda: admin.create_client(settings, new, if_missing=options.if_missing)))


def _create_token(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import admin  # noqa: PLC0415 - see above

    wanted = admin.WantedToken(
        kind=options.kind,
        label=options.label,
        client_id=options.client_id,
        pattern=options.pattern,
        uses=options.uses,
        days=options.days,
    )
    print(_or_fail(lambda: admin.create_token(settings, wanted)))


def _import_spot_advisor(options: argparse.Namespace, settings: Settings) -> None:
    from pathlib import Path  # noqa: PLC0415 - see above

    from spot_server import admin  # noqa: PLC0415 - see above
    from spot_server.clock import SystemClock  # noqa: PLC0415 - see above
    from spot_server.features.risk.advisor import AdvisorFileInvalid, read_advisor_file  # noqa: PLC0415 - see above

    try:
        rows = read_advisor_file(Path(options.file), now=SystemClock().now())
    except AdvisorFileInvalid as error:
        raise CommandFailed(str(error), EXIT_USAGE) from error
    print(_or_fail(lambda: admin.import_spot_advisor(settings, rows)))


def _import_on_demand_prices(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import price_commands  # noqa: PLC0415 - see above
    from spot_server.features.pricing.on_demand import CatalogueError  # noqa: PLC0415 - see above

    try:
        print(_or_fail(lambda: price_commands.import_on_demand_prices(settings, options.file, options.region)))
    except CatalogueError as error:
        raise CommandFailed(str(error), EXIT_USAGE) from error


def _export_training_data(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import price_commands  # noqa: PLC0415 - see above
    from spot_server.errors import FieldInvalid  # noqa: PLC0415 - see above
    from spot_server.features.training_data.writing import ParquetUnavailable  # noqa: PLC0415 - see above

    if options.format == "parquet" and options.out == "-":
        raise CommandFailed("Parquet is written to a file: name one with --out", EXIT_USAGE)
    wanted = price_commands.WantedExport(options.out, options.format, options.since, options.until, options.region)

    def export() -> str:
        try:
            return price_commands.export_training_data(settings, wanted)
        except (ParquetUnavailable, FieldInvalid) as error:
            raise CommandFailed(str(error), EXIT_USAGE) from error
        except OSError as error:
            raise CommandFailed(f"{wanted.out} cannot be written: {error.strerror}") from error

    print(_or_fail(export), file=sys.stderr)


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_DAYS}")
    return int(text)


def _compare_models(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import decision_commands  # noqa: PLC0415 - see above

    print(_or_fail(lambda: decision_commands.compare_models(settings, options.days)))


def _replay_decision(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server import decision_commands  # noqa: PLC0415 - see above

    said, is_same = _or_fail(lambda: decision_commands.replay_decision(settings, options.decision_id))
    print(said)
    if not is_same:
        raise CommandFailed("the answer is not the same as then")


def _backtest(options: argparse.Namespace, _settings: Settings) -> None:
    from spot_server.backtest_command import BacktestRefused, WantedBacktest, run_backtest  # noqa: PLC0415 - see above

    wanted = WantedBacktest(
        traces=options.traces,
        policies=tuple(options.policy),
        settings=tuple(options.setting),
        sets=tuple(options.set),
        part=options.part,
        work_hours=options.work_hours,
        deadline_hours=options.deadline_hours,
        changeover_hours=options.changeover_hours,
        every_hours=options.every_hours,
        job_price_ratio=options.job_price_ratio,
        replicas=options.replicas,
        cold_start_seconds=options.cold_start_seconds,
        price_ratio=options.price_ratio,
        value_per_minute=options.value_per_minute,
        gap_seconds=options.gap_seconds,
        plots=options.plots,
        is_by_pool=options.by_pool,
        is_markdown=options.markdown,
    )
    try:
        print(run_backtest(wanted, lambda line: print(line, file=sys.stderr)))
    except BacktestRefused as error:
        raise CommandFailed(str(error), EXIT_USAGE) from error


def _openapi(options: argparse.Namespace, settings: Settings) -> None:
    from spot_server.generated import interface_files  # noqa: PLC0415 - see above

    _write_generated(options, interface_files(settings))


def _state_machines(options: argparse.Namespace, _settings: Settings) -> None:
    from spot_server.generated import state_machine_files  # noqa: PLC0415 - see above

    _write_generated(options, state_machine_files())


def _write_generated(options: argparse.Namespace, files: dict[str, str]) -> None:
    from spot_server.generated import write_files  # noqa: PLC0415 - see above

    stale = write_files(options.root, files, check_only=options.check)
    if stale and options.check:
        raise CommandFailed(f"not current: {', '.join(stale)}; run `spot-server {options.command}` in the repository")
    for path in stale:
        print(f"wrote {path}")


def _or_fail(act: Callable[[], T]) -> T:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see above

    from spot_server.errors import DatabaseUnavailable, ProductError  # noqa: PLC0415 - see above
    from spot_server.migrations import MigrationBusy  # noqa: PLC0415 - see above

    try:
        return act()
    except (DatabaseUnavailable, SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        raise CommandFailed(f"the database cannot be used: {cause}", EXIT_DATABASE) from error
    except MigrationBusy as error:
        raise CommandFailed("another process has been migrating this database for two minutes", EXIT_DATABASE) from error
    except ProductError as error:
        raise CommandFailed(error.detail) from error


if __name__ == "__main__":
    sys.exit(process())
