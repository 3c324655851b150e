"""What every command works with: its options, the server, and how it speaks to its caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from spotctl.api import Api, Json
from spotctl.clock import Clock
from spotctl.credentials import Credentials, load_credentials
from spotctl.errors import CommandFailed, Unreachable
from spotctl.exits import ExitCode
from spotctl.http_client import Transport, TransportFailed


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the machine a command needs; tests bring their own."""

    open_transport: Callable[[str, str | None], Transport]
    """For a server's URL and the file of the certificates to trust, or None. Raises TransportFailed."""
    clock: Clock
    new_request_id: Callable[[], str]
    is_interactive: Callable[[], bool]
    """Whether somebody sits there who can be asked."""
    home: Path
    """Where credentials are kept unless an option says otherwise."""


@dataclass(slots=True)
class Session:
    """One run of a command. The options that all commands share are set before the command begins."""

    surroundings: Surroundings
    is_json: bool = False
    chosen_path: Path | None = None

    @property
    def credentials_path(self) -> Path:
        """The file with the server and the token."""
        return self.chosen_path if self.chosen_path is not None else self.surroundings.home / "credentials.json"

    @property
    def clock(self) -> Clock:
        """The time of this machine."""
        return self.surroundings.clock

    def api(self) -> Api:
        """Return the pages of the client that is logged in."""
        return self.api_with(load_credentials(self.credentials_path))

    def api_with(self, credentials: Credentials) -> Api:
        """Return the pages that these credentials open."""
        try:
            transport = self.surroundings.open_transport(credentials.server_url, credentials.ca_file)
        except TransportFailed as failed:
            raise Unreachable(str(failed)) from failed
        return Api(transport, credentials, self.clock)

    def show(self, document: Json, lines: Iterable[str]) -> None:
        """Print the result: the document for a program, the lines for a person."""
        if self.is_json:
            click.echo(json.dumps(document, indent=2))
            return
        for line in lines:
            click.echo(line)

    def say(self, line: str) -> None:
        """Tell a person something beside the result; a program does not hear it."""
        if not self.is_json:
            click.echo(line, err=True)

    def confirm(self, question: str, *, is_agreed: bool) -> None:
        """Return when a person agrees, or did so beforehand with --yes. Raises CommandFailed otherwise."""
        if is_agreed:
            return
        if self.is_json or not self.surroundings.is_interactive():
            raise CommandFailed("not confirmed: nobody can be asked here; look with --dry-run, then say --yes", ExitCode.NOT_CONFIRMED)
        if not click.confirm(question, err=True):
            raise CommandFailed("not confirmed; nothing was done", ExitCode.NOT_CONFIRMED)
