"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from click.shell_completion import CompletionItem

from spotctl.api import Json
from spotctl.errors import CommandFailed
from spotctl.session import Session

P = ParamSpec("P")
R = TypeVar("R")
Command = Callable[..., Any]


def _set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    context.ensure_object(Session).is_json = value


def _set_path(context: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    context.ensure_object(Session).chosen_path = value


def shared(command: Command) -> Command:
    """Give a command the session, `--json` and `--credentials`."""
    with_json = click.option(
        "--json", is_flag=True, expose_value=False, is_eager=True, callback=_set_json, help="Print JSON, errors too, and ask nothing."
    )
    with_path = click.option(
        "--credentials",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="SPOTCTL_CREDENTIALS",
        expose_value=False,
        is_eager=True,
        callback=_set_path,
        help="The file that `spotctl login` writes.  [env: SPOTCTL_CREDENTIALS]",
    )
    decorated: Command = with_json(with_path(click.pass_obj(command)))
    return decorated


def _complete_agent(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of the client's agents; nothing when the server cannot be asked: a prompt shows no errors."""
    session = context.find_object(Session)
    if session is None:
        return []
    try:
        names = [str(agent["logical_agent_id"]) for agent in session.api().items("agents")]
    except (CommandFailed, KeyError):
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def agent_option(*, is_required: bool = True) -> Callable[[Command], Command]:
    """Give a command `--agent`."""
    return click.option(
        "--agent",
        "agent_name",
        required=is_required,
        metavar="NAME",
        shell_complete=_complete_agent,
        help="The agent: its logical_agent_id or its agent_id.",
    )


def target_options(command: Callable[P, R]) -> Callable[..., R]:
    """Give a command `--mode`, `--type` and `--az-id`, and hand it `target` with those that were said."""

    @click.option("--mode", type=click.Choice(["spot", "on_demand"]), help="Default: spot, and on-demand when no pool is left.")
    @click.option("--type", "instance_type", metavar="TYPE", help="An instance type such as m5a.large.")
    @click.option("--az-id", metavar="AZ_ID", help="An AZ id such as use1-az1, not an AZ name.")
    @wraps(command)
    def with_target(*args: Any, mode: str | None, instance_type: str | None, az_id: str | None, **others: Any) -> R:  # noqa: ANN401
        said = {"mode": mode, "instance_type": instance_type, "az_id": az_id}
        target: Json = {name: value for name, value in said.items() if value is not None}
        return command(*args, target=target, **others)  # type: ignore[arg-type]  # the wrapped command's own parameters and target

    return with_target


request_id_option = click.option("--request-id", metavar="ID", help="Makes a repeat safe; default: a new one.")
differences_option = click.option(
    "--accept-differences", is_flag=True, help="Go on although the new instance is not like the old one; without it the move is taken back."
)
yes_option = click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
wait_option = click.option("--wait", "is_awaited", is_flag=True, help="Return when it is over; exit code 7 if it ended otherwise.")
