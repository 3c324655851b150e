"""The command line: `spot-agent run`, `spot-agent status` and `spot-agent check`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from spot_agent import __version__
from spot_agent.clock import SystemClock
from spot_agent.daemon import run_daemon
from spot_agent.errors import SettingsInvalid
from spot_agent.exit_codes import EXIT_BAD_SETTINGS, EXIT_OK, EXIT_UNHEALTHY
from spot_agent.logs import start_logging
from spot_agent.settings import Settings, load_settings
from spot_agent.settings_reader import foreign_values
from spot_agent.status import as_json, human_lines, read_status

ENV_FILE_VARIABLE = "SPOT_AGENT_ENV_FILE"


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """0 fine; 1 not healthy (status), or something needed does not work (check); 2 bad settings or usage."""
    given = _parser().parse_args(arguments)
    world = dict(os.environ if environment is None else environment)
    env_file = given.env_file or (Path(world[ENV_FILE_VARIABLE]) if world.get(ENV_FILE_VARIABLE) else None)
    try:
        text = _env_file_text(env_file)
        settings = load_settings(world, text)
    except SettingsInvalid as error:
        print(f"spot-agent: bad settings: {error}", file=sys.stderr)
        return EXIT_BAD_SETTINGS
    world = {**foreign_values(text), **world}
    if environment is None:
        os.environ.update(world)  # botocore, urllib3 and hooks look there
    if given.command == "status":
        return _status(settings, is_json=given.json)
    if given.command == "check":
        from spot_agent.check_command import run_check  # noqa: PLC0415 - a daemon that runs for months need not hold it

        return run_check(settings, env_file, world, is_json=given.json)
    return run_daemon(settings, world, start_logging(settings.log_level))


def _status(settings: Settings, *, is_json: bool) -> int:
    status = read_status(settings, SystemClock().now())
    print(as_json(status) if is_json else "\n".join(human_lines(status)))
    return EXIT_OK if status.healthy else EXIT_UNHEALTHY


def _env_file_text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SettingsInvalid((f"the env file {path} cannot be read: {reason}",)) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spot-agent", description="The Spot Optimizer daemon of one instance.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the daemon in the foreground")
    status = commands.add_parser("status", help="show what the daemon knows and does")
    check = commands.add_parser("check", help="try everything that the daemon depends on, and say what does not work")
    for command in (run, status, check):
        command.add_argument(
            "--env-file", type=Path, help=f"KEY=VALUE lines; the environment wins over them. Default: ${ENV_FILE_VARIABLE}"
        )
    for command in (status, check):
        command.add_argument("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
