"""`spotctl login` and `spotctl logout`."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from typing import TextIO
from urllib.parse import urlsplit

import click

from spotctl.api import Json
from spotctl.credentials import Credentials, forget_credentials, store_credentials
from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode
from spotctl.options import shared
from spotctl.session import Session

LONGEST_TOKEN_CHARACTERS = 4096


@click.command()
@click.option("--server", "server_url", required=True, metavar="URL", help="Such as https://spot.example.org")
@click.option("--token-file", type=click.File("r", encoding="utf-8"), help="Default: standard input; a person is asked.")
@click.option("--client", "client_id", metavar="CLIENT_ID", help="Whose pages to use; needed with an admin's token only, which may read.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="Certificates (PEM) to trust instead.")
@click.option("--allow-http", is_flag=True, help="Send the token unencrypted to another machine all the same.")
@shared
def login(
    session: Session, *, server_url: str, token_file: TextIO | None, client_id: str | None, ca_file: str | None, allow_http: bool
) -> None:
    """Check a token and keep it in a file that only you can read. The token never stands on a command line."""
    address = _checked_address(server_url, allow_http=allow_http)
    token = _read_token(session, token_file)
    who = session.api_with(Credentials(address, "", token, ca_file)).who()
    credentials = Credentials(address, _client_of(who, client_id), token, ca_file)
    store_credentials(session.credentials_path, credentials)
    shown = {
        "server_url": address,
        "client_id": credentials.client_id,
        "client_name": who["client_name"],
        "kind": who["kind"],
        "label": who["label"],
        "expires_at": who["expires_at"],
        "credentials": str(session.credentials_path),
    }
    name = who["client_name"] or credentials.client_id
    session.show(shown, [f"logged in to {address} as {who['label'] or who['kind']} for {name}; kept in {session.credentials_path}"])


@click.command()
@shared
def logout(session: Session) -> None:
    """Remove the file that `spotctl login` wrote. The token itself stays valid until an admin revokes it."""
    was_there = forget_credentials(session.credentials_path)
    text = f"removed {session.credentials_path}" if was_there else f"there was no {session.credentials_path}"
    session.show({"credentials": str(session.credentials_path), "was_removed": was_there}, [text])


def _checked_address(url: str, *, allow_http: bool) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise _wrong_address(url) from error
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or parts.username is not None:
        raise _wrong_address(url)
    if parts.scheme == "http" and not allow_http and not _is_this_machine(host):
        text = f"--server: {url} would get the token unencrypted; expected https://, or say --allow-http"
        raise CommandFailed(text, ExitCode.USAGE)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _wrong_address(url: str) -> CommandFailed:
    return CommandFailed(f"--server: {url!r} cannot be used; expected an address such as https://spot.example.org", ExitCode.USAGE)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_token(session: Session, file: TextIO | None) -> str:
    if file is None and session.surroundings.is_interactive():
        token = str(click.prompt("token", hide_input=True, err=True))
    else:
        token = (file or sys.stdin).read(LONGEST_TOKEN_CHARACTERS + 1)
    token = token.strip()
    if (
        not token
        or len(token) > LONGEST_TOKEN_CHARACTERS
        or not token.isascii()
        or any(not mark.isprintable() or mark == " " for mark in token)
    ):
        raise CommandFailed("--token-file: there is no token in it; expected one line such as so_client_...", ExitCode.USAGE)
    return token


def _client_of(who: Json, client_id: str | None) -> str:
    own = who["client_id"]
    if own is not None and client_id not in (None, own):
        raise CommandFailed(f"--client: {client_id!r} is not the token's own; expected {own}, or leave it out", ExitCode.USAGE)
    chosen = own or client_id
    if chosen is None:
        raise CommandFailed(f"--client is needed: this token is of kind {who['kind']} and belongs to no client", ExitCode.USAGE)
    return str(chosen)
