"""Logging in: the token comes from a file or standard input, is checked, and nobody else can read where it is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask

from server_support.builders import create_admin_token, create_client, create_client_token
from server_support.clock import FakeClock
from server_support.terminal import SERVER, Terminal
from spot_server.db.runner import Database
from spotctl.exits import ExitCode
from spotctl.http_client import HttpAnswer


@pytest.fixture
def terminal(app: Flask, clock: FakeClock, tmp_path: Path) -> Terminal:
    return Terminal(app, clock, tmp_path / "home")


@pytest.fixture
def client_id(database: Database) -> str:
    return create_client(database, "acme")


def test_a_token_from_standard_input_is_checked_and_kept_for_its_owner_alone(
    terminal: Terminal, database: Database, client_id: str
) -> None:
    token = create_client_token(database, client_id, "ops")

    said = terminal.run("login", "--server", f"{SERVER}/", typed=f"{token}\n")

    assert (said.code, said.out) == (0, f"logged in to {SERVER} as ops for acme; kept in {terminal.credentials}\n")
    assert terminal.credentials.stat().st_mode & 0o777 == 0o600
    assert terminal.credentials.parent.stat().st_mode & 0o777 == 0o700
    assert terminal.run("agents").code == 0


def test_a_token_from_a_file_is_never_shown(terminal: Terminal, database: Database, client_id: str, tmp_path: Path) -> None:
    token = create_client_token(database, client_id)
    (tmp_path / "token").write_text(f"{token}\n")

    said = terminal.run("login", "--server", SERVER, "--token-file", str(tmp_path / "token"), "--json")

    assert (said.code, said.json["client_name"]) == (0, "acme")
    assert token not in said.out + said.error


def test_a_person_is_asked_for_the_token_without_an_echo(terminal: Terminal, database: Database, client_id: str) -> None:
    token = create_client_token(database, client_id)
    terminal.is_interactive = True

    said = terminal.run("login", "--server", SERVER, typed=f"{token}\n")

    assert said.code == 0
    assert token not in said.out + said.error


def test_a_token_that_the_server_does_not_know_is_not_kept(terminal: Terminal) -> None:
    said = terminal.run("login", "--server", SERVER, typed="so_client_wrong")

    assert said.code == ExitCode.NOT_LOGGED_IN
    assert said.error.startswith("spotctl: The token is unknown, expired, used up or revoked")
    assert not terminal.credentials.exists()


@pytest.mark.parametrize("typed", ["", "  \n", "two words", "x" * 5000, "tökén"])
def test_what_is_no_token_is_not_sent_anywhere(terminal: Terminal, typed: str) -> None:
    said = terminal.run("login", "--server", SERVER, typed=typed)

    assert said.code == ExitCode.USAGE
    assert "--token-file: there is no token in it; expected one line" in said.error
    assert terminal.transport.sent == []


@pytest.mark.parametrize(
    "url",
    ["spot.test", "ftp://spot.test", "https://", "https://u:p@spot.test", "https://spot.test/?a=1", "http://[", "https://spot.test:x"],
)
def test_what_is_no_address_is_refused_with_an_example(terminal: Terminal, url: str) -> None:
    said = terminal.run("login", "--server", url, typed="so_client_x")

    assert said.code == ExitCode.USAGE
    assert "expected an address such as https://spot.example.org" in said.error


def test_a_token_goes_unencrypted_to_this_machine_only_unless_that_is_asked_for(terminal: Terminal) -> None:
    refused = terminal.run("login", "--server", "http://spot.test", typed="so_client_x")
    asked_for = terminal.run("login", "--server", "http://spot.test", "--allow-http", typed="so_client_x")
    here = terminal.run("login", "--server", "http://127.0.0.1:8080", typed="so_client_x")

    assert refused.code == ExitCode.USAGE
    assert "would get the token unencrypted; expected https://, or say --allow-http" in refused.error
    assert [url for url, _ca_file in terminal.opened] == ["http://spot.test", "http://127.0.0.1:8080"]
    assert asked_for.code == here.code == ExitCode.NOT_LOGGED_IN


def test_an_admin_names_the_client_and_may_read_its_pages_but_write_nothing(terminal: Terminal, database: Database, client_id: str) -> None:
    token = create_admin_token(database)

    without = terminal.run("login", "--server", SERVER, typed=token)
    with_client = terminal.run("login", "--server", SERVER, "--client", client_id, typed=token)

    assert without.code == ExitCode.USAGE
    assert (with_client.code, terminal.run("agents").out) == (0, "this client has no agents\n")


def test_a_client_cannot_log_in_for_another(terminal: Terminal, database: Database, client_id: str) -> None:
    said = terminal.run("login", "--server", SERVER, "--client", "other", typed=create_client_token(database, client_id))

    assert (said.code, said.error) == (2, f"spotctl: --client: 'other' is not the token's own; expected {client_id}, or leave it out\n")


def test_a_file_that_others_can_read_is_not_used(terminal: Terminal, database: Database, client_id: str) -> None:
    terminal.log_in(client_id, create_client_token(database, client_id))
    terminal.credentials.chmod(0o640)

    said = terminal.run("agents")

    assert said.code == ExitCode.NOT_LOGGED_IN
    assert "has mode 0640; expected 0600, it holds a token: chmod 600" in said.error
    assert terminal.transport.sent == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"server_url": "https://x", "client_id": 3, "token": "t"}', "null"])
def test_a_damaged_file_is_one_line(terminal: Terminal, content: str) -> None:
    terminal.log_in("c", "t")
    terminal.credentials.write_text(content)

    said = terminal.run("agents")

    assert (said.code, said.error) == (3, f"spotctl: {terminal.credentials} is no file of `spotctl login`; run it again\n")


def test_without_a_login_every_command_says_how_to_log_in(terminal: Terminal) -> None:
    said = terminal.run("agents", "--json")

    assert said.code == ExitCode.NOT_LOGGED_IN
    assert said.problem == {
        "error": f"not logged in: there is no {terminal.credentials}; run `spotctl login --server URL`",
        "exit_code": 3,
        "problem": None,
    }


def test_logging_out_removes_the_file_and_may_be_repeated(terminal: Terminal) -> None:
    terminal.log_in("c", "t")

    codes = [terminal.run("logout").code, terminal.run("logout").code]

    assert (codes, terminal.credentials.exists()) == ([0, 0], False)


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (502, b"<html>"), (302, b""), (200, b"[]"), (404, json.dumps({"error": "x"}).encode())]
)
def test_what_is_not_our_server_is_said_to_be_so(terminal: Terminal, status: int, body: bytes) -> None:
    terminal.transport.faults = [HttpAnswer(status, body, {"Content-Type": "text/html"})] * 4

    said = terminal.run("login", "--server", SERVER, typed="so_client_x")

    assert said.code == ExitCode.UNREACHABLE
    assert said.error == f"spotctl: {SERVER} answered {status} with text/html: is this a Spot Optimizer server?\n"
