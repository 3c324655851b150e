"""The program `spotctl`: every way in which a command can end becomes an exit code and, if it is an error, one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import click

from spotctl.bootstrap import this_machine
from spotctl.commands import agents, cancel, completion, events, gameday, kept, login, promote, rollback, specification, switch, unexpected
from spotctl.errors import CommandFailed, Refused
from spotctl.exits import ExitCode
from spotctl.session import Session, Surroundings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(version("spot-server"), prog_name="spotctl")
def group() -> None:
    """Operate Spot Optimizer from the command line. Begin with `spotctl login`."""


for _command in (
    login.login,
    login.logout,
    agents.agents,
    switch.switch,
    promote.promote,
    cancel.cancel,
    rollback.rollback,
    kept.kept,
    unexpected.unexpected,
    specification.specification,
    events.events,
    gameday.gameday,
    completion.completion,
):
    group.add_command(_command)


def process() -> int:
    """Be the process `spotctl`."""
    return main()


def main(arguments: Sequence[str] | None = None, surroundings: Surroundings | None = None) -> int:
    """Run one command and return its exit code; nothing is raised, whatever happens."""
    session = Session(surroundings or this_machine())
    try:
        ended: Any = group.main(arguments, prog_name="spotctl", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except CommandFailed as failed:
        return _tell(session, str(failed), failed.exit_code, failed.problem if isinstance(failed, Refused) else None)
    except click.exceptions.NoArgsIsHelpError as shown:
        click.echo(shown.format_message(), err=True)
        return ExitCode.USAGE
    except click.ClickException as wrong:
        context = getattr(wrong, "ctx", None)
        told = f" (see `{context.command_path} --help`)" if context is not None else ""
        return _tell(session, f"{wrong.format_message()}{told}", ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _tell(session, "interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output is gone; what is still buffered must not fail once more at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.READER_GONE
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person never sees a traceback
        return _tell(session, f"{type(error).__name__}: {error}. This is a defect of spotctl; please report it", ExitCode.DEFECT)
    return ended if isinstance(ended, int) else ExitCode.DONE


def _tell(session: Session, text: str, exit_code: ExitCode, problem: dict[str, Any] | None = None) -> int:
    line = " ".join(text.split())
    with suppress(OSError):
        if session.is_json:
            click.echo(json.dumps({"error": line, "exit_code": int(exit_code), "problem": problem}), err=True)
        else:
            click.echo(f"spotctl: {line}", err=True)
    return exit_code
