"""What instances fetch to install the daemon: open to everybody, complete, and the same bytes every time."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from server_support.http import Http
from spot_server.features.install import bundle

ROOT = Path(__file__).parents[2]
FOLDER = "spot-agent/"


@pytest.fixture
def fresh_archive() -> Iterator[None]:
    """An archive made by this test alone."""
    bundle.archive.cache_clear()
    yield
    bundle.archive.cache_clear()


def fetched(app: Flask) -> tarfile.TarFile:
    answer = app.test_client().get("/install/spot-agent.tar.gz")
    assert (answer.status_code, answer.mimetype) == (200, "application/gzip")
    return tarfile.open(fileobj=io.BytesIO(answer.data))


def test_the_script_is_given_out_as_it_is_without_a_token(http: Http) -> None:
    answer = http.get("/install/setup.sh")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/x-shellscript")
    assert answer.text == (ROOT / "scripts" / "setup" / "fetch.sh").read_text()


def test_the_script_fetches_the_page_that_gives_out_the_archive(http: Http, app: Flask) -> None:
    pages = {rule.rule for rule in app.url_map.iter_rules()}

    assert "$server_url/install/spot-agent.tar.gz" in http.get("/install/setup.sh").text
    assert "/install/spot-agent.tar.gz" in pages


def test_the_archive_holds_every_file_that_git_knows_of_what_is_bundled_and_no_other(app: Flask) -> None:
    listed = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "--", *bundle.BUNDLED]
    known = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()

    with fetched(app) as archive:
        held = [member.name.removeprefix(FOLDER) for member in archive.getmembers()]

    assert held == sorted(held, key=lambda name: (bundle.BUNDLED.index(_bundled_as(name)), Path(name)))
    assert set(held) == {name for name in known if (ROOT / name).exists()}


def _bundled_as(name: str) -> str:
    return next(bundled for bundled in bundle.BUNDLED if name == bundled or name.startswith(f"{bundled}/"))


def test_what_is_unpacked_is_what_is_here_and_can_be_run(app: Flask, tmp_path: Path) -> None:
    with fetched(app) as archive:
        archive.extractall(tmp_path)  # noqa: S202 - of our own making, and `filter` came after the Python of Debian 12

    unpacked = tmp_path / FOLDER
    different = [
        path for path in unpacked.rglob("*") if path.is_file() and path.read_bytes() != (ROOT / path.relative_to(unpacked)).read_bytes()
    ]
    assert different == []
    assert os.access(unpacked / "scripts" / "setup.sh", os.X_OK)
    assert os.access(unpacked / "scripts" / "uninstall.sh", os.X_OK)


@pytest.mark.usefixtures("fresh_archive")
def test_two_processes_give_out_the_same_bytes() -> None:
    first = bundle.archive()
    bundle.archive.cache_clear()

    assert bundle.archive() == first


def test_the_archive_names_nobody_of_this_machine(app: Flask) -> None:
    with fetched(app) as archive:
        members = archive.getmembers()

    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {(0, 0, "", "", 0)}


def test_the_servers_wheel_carries_all_that_is_bundled() -> None:
    wheel = tomllib.loads((ROOT / "central-server" / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    carried = {source: target for source, target in wheel["force-include"].items() if "/_installation/" in target}

    assert carried == {f"../{name}": f"spot_server/_installation/{name}" for name in bundle.BUNDLED}
