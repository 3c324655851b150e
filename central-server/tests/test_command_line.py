"""The command line: one clear line for each mistake, and an exit code that scripts can use."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from server_support.http import Http
from server_support.processes import PROGRAM, environment
from spot_server.bootstrap import build_app, build_context
from spot_server.cli import _parser, main
from spot_server.metrics_directory import VARIABLE
from spot_server.settings import Settings


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A SQLite file that is not there yet, in a directory that is not there yet."""
    chosen = f"sqlite:///{tmp_path}/var/spot.db"
    monkeypatch.setenv("SPOT_DATABASE_URL", chosen)
    return chosen


def test_migrate_makes_the_database_and_says_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    codes = [main(["migrate"]), main(["migrate"])]

    assert (codes, capsys.readouterr().out.splitlines()) == (
        [0, 0],
        ["the schema went from nothing to 0001", "the schema was at 0001 already"],
    )


DOCS = Path(__file__).parents[2] / "docs"


def told_commands() -> list[str]:
    """Return the lines of our documents that somebody may type: of each fenced block of a shell what begins with spot-server."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))]
    blocks = [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line[line.index("spot-server ") :] for line in lines if re.search(r"(^|exec \w+ |/)spot-server ", line.strip())]


@pytest.mark.parametrize("line", told_commands())
def test_each_command_that_our_documents_tell_is_one(line: str) -> None:
    _parser().parse_args(shlex.split(line, comments=True)[1:])


def test_the_first_commands_of_an_operator_are_among_them() -> None:
    assert "spot-server create-client shop" in told_commands()


def test_a_token_made_on_the_command_line_works(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    main(["create-client", "acme"])
    client_id = capsys.readouterr().out.splitlines()[-1]

    main(["create-token", "client", "--client-id", client_id, "--label", "ops"])

    token = capsys.readouterr().out.strip()
    context = build_context(Settings(database_url=url))
    who = Http.to(build_app(context)).as_(token).get("/api/client/validate").json
    context.database.engine.dispose()
    assert (who["client_name"], who["label"]) == ("acme", "ops")


def test_a_client_can_be_asked_for_if_missing(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    main(["create-client", "acme"])
    first = capsys.readouterr().out.splitlines()[-1]

    code = main(["create-client", "acme", "--if-missing"])

    assert (code, capsys.readouterr().out.strip()) == (0, first)


def test_a_taken_name_is_one_line_and_exit_code_1(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["migrate"])
    main(["create-client", "acme"])

    code = main(["create-client", "acme"])

    assert (code, capsys.readouterr().err) == (1, "spot-server: there is already a client named 'acme'\n")


def test_a_database_without_schema_is_one_line_and_exit_code_3(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["create-client", "acme"])

    assert (code, capsys.readouterr().err) == (3, "spot-server: the database cannot be used: no such table: clients\n")


def test_all_wrong_settings_are_named_and_the_exit_code_is_2(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPOT_BIND_PORT", "0")
    monkeypatch.setenv("SPOT_LOG_FORMAT", "xml")

    code = main(["migrate"])

    assert (code, capsys.readouterr().err.splitlines()) == (
        2,
        [
            "spot-server: SPOT_BIND_PORT='0' cannot be used; expected a whole number from 1 to 65535",
            "spot-server: SPOT_LOG_FORMAT='xml' cannot be used; expected one of json, text",
        ],
    )


@pytest.mark.parametrize("process", ["web", "jobs"])
def test_a_catalogue_that_cannot_be_read_is_one_line_before_anything_starts(
    url: str, process: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = tmp_path / "prices.csv"
    catalogue.write_text("instance_type,region,usd_per_hour\nm5.large,us-east-1,free\n")
    monkeypatch.setenv("SPOT_ON_DEMAND_CATALOGUE", str(catalogue))

    code = main([process])

    assert (code, capsys.readouterr().err) == (
        2,
        f"spot-server: SPOT_ON_DEMAND_CATALOGUE: {catalogue}, line 2, column usd_per_hour: 'free' is not a decimal number\n",
    )
    assert VARIABLE not in os.environ


def test_generated_files_are_checked_without_being_written(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stale = main(["openapi", "--root", str(tmp_path), "--check"])
    main(["openapi", "--root", str(tmp_path)])

    current = main(["openapi", "--root", str(tmp_path), "--check"])

    assert (stale, current) == (1, 0)
    assert "not current: docs/api/openapi.json" in capsys.readouterr().err


@pytest.mark.server
def test_what_a_command_logs_never_mixes_with_what_it_prints(url: str, tmp_path: Path) -> None:
    main(["migrate"])
    with closing(sqlite3.connect(tmp_path / "var" / "spot.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        arguments = [PROGRAM, "create-token", "admin"]
        variables = environment(url, SPOT_LOG_LEVEL="debug")
        with subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
            assert command.stderr is not None
            logged = command.stderr.readline()
            other.execute("ROLLBACK")
            printed, _ = command.communicate(timeout=30)

    assert "transaction_repeated" in logged
    assert (command.returncode, len(printed.splitlines()), printed[:9]) == (0, 1, "so_admin_")
