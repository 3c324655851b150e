"""`spotctl completion`: what a shell needs to complete commands, options and agents' names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode

COMPLETE_VARIABLE = "_SPOTCTL_COMPLETE"
"""What click looks for in the environment of a program of this name."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that completes spotctl in SHELL: eval "$(spotctl completion bash)"."""
    made = get_completion_class(shell)
    if made is None:
        raise CommandFailed(f"SHELL: there is no completion for {shell!r}; expected bash, zsh or fish", ExitCode.USAGE)
    click.echo(made(context.find_root().command, {}, "spotctl", COMPLETE_VARIABLE).source())
