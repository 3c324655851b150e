"""The script that a server gives out: it fetches the installation and runs it, or says in one line why it cannot."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_fakes.http_server import Handler, HttpFake
from check_sizes import ROOT

FETCH = ROOT / "scripts" / "setup" / "fetch.sh"
SETUP = '#!/bin/sh\nprintf "%s|" "$@" >"$SEEN"\ncat >>"$SEEN"\nexit 3\n'
PATH = "/install/spot-agent.tar.gz"

pytestmark = pytest.mark.server


def packed(name: str, text: str) -> bytes:
    """An archive of one file."""
    whole = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=whole) as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(text), 0o755
        archive.addfile(member, io.BytesIO(text.encode()))
    return whole.getvalue()


class _GivingHandler(Handler):
    fake: "Giver"

    def do_GET(self) -> None:
        self.fake.asked.append(self.path)
        self.send_response(self.fake.status)
        self.send_header("Content-Length", str(self.fake.promised_bytes or len(self.fake.archive)))
        self.end_headers()
        self.wfile.write(self.fake.archive)
        self.close_connection = True


class Giver(HttpFake):
    """A server that gives out an archive, whole unless `promised_bytes` says otherwise."""

    def __init__(self) -> None:
        super().__init__(_GivingHandler)
        self.status, self.archive, self.promised_bytes = 200, packed("spot-agent/scripts/setup.sh", SETUP), 0
        self.asked: list[str] = []


class Instance:
    """A root directory, and a place for temporary files of which none may be left."""

    def __init__(self, directory: Path) -> None:
        self.root, self.scratch, self.seen = directory / "root", directory / "scratch", directory / "seen"
        self.programs = directory / "bin"
        for folder in (self.root, self.scratch, self.programs):
            folder.mkdir()

    def run(self, *arguments: str, root: bool = True, path: str | None = None) -> subprocess.CompletedProcess[str]:
        where = ["--root", str(self.root)] if root else []
        world = {"PATH": path or f"{self.programs}:{os.environ['PATH']}", "TMPDIR": str(self.scratch), "SEEN": str(self.seen)}
        command = ["/bin/bash", str(FETCH), *where, *arguments]
        done = subprocess.run(
            command, env={**world, "NO_PROXY": "127.0.0.1"}, input="so_enrol_1\n", capture_output=True, text=True, check=False
        )
        assert list(self.scratch.iterdir()) == []
        return done

    def refused(self, *arguments: str, root: bool = True, path: str | None = None) -> tuple[int, str]:
        """The exit code and the one line; no setup.sh was run."""
        done = self.run(*arguments, root=root, path=path)
        assert not self.seen.exists()
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert list(self.root.rglob("*")) == []
        return done.returncode, done.stderr.strip()


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


@pytest.fixture
def giver() -> Iterator[Giver]:
    with Giver() as made:
        assert isinstance(made, Giver)
        yield made


def test_what_was_fetched_is_run_with_the_same_options_and_input_and_its_exit_code_is_passed_on(instance: Instance, giver: Giver) -> None:
    done = instance.run("--server-url", f"{giver.url}/", "--set", "STOP_COMMAND=a b", "--token-file", "-")

    assert done.returncode == 3
    assert giver.asked == [PATH]
    given = f"--root|{instance.root}|--server-url|{giver.url}/|--set|STOP_COMMAND=a b|--token-file|-|"
    assert instance.seen.read_text() == f"{given}so_enrol_1\n"


def test_an_upgrade_asks_the_server_of_the_installation_that_is_there(instance: Instance, giver: Giver) -> None:
    settings = instance.root / "etc" / "spot-agent" / "agent.env"
    settings.parent.mkdir(parents=True)
    settings.write_text(f"# SPOT_SERVER_URL=http://127.0.0.1:9\nSPOT_SERVER_URL='{giver.url}'\n")

    done = instance.run()

    assert (done.returncode, giver.asked) == (3, [PATH]), done.stderr


def test_without_a_server_it_says_what_is_needed(instance: Instance) -> None:
    assert instance.refused() == (2, "setup: --server-url is needed the first time")


def test_without_root_it_says_so_before_it_asks_anybody(instance: Instance, giver: Giver) -> None:
    (instance.programs / "id").write_text("#!/bin/sh\necho 1000\n")
    (instance.programs / "id").chmod(0o755)

    code, line = instance.refused("--server-url", giver.url, root=False)

    assert (code, line) == (1, "setup: root is needed: sudo bash setup.sh ...")
    assert giver.asked == []


def test_a_server_that_does_not_answer_is_named(instance: Instance) -> None:
    code, line = instance.refused("--server-url", "http://127.0.0.1:9")

    assert code == 1
    assert "the server http://127.0.0.1:9 does not give out the installation: curl:" in line


def test_a_server_that_knows_no_such_page_is_named(instance: Instance, giver: Giver) -> None:
    giver.status = 404

    code, line = instance.refused("--server-url", giver.url)

    assert code == 1
    assert line.endswith("404")


def test_an_archive_that_breaks_off_is_not_run(instance: Instance, giver: Giver) -> None:
    giver.promised_bytes = len(giver.archive) + 1

    code, line = instance.refused("--server-url", giver.url)

    assert code == 1
    assert "does not give out the installation" in line


@pytest.mark.parametrize("archive", [b"<html>please log in</html>", b"", packed("elsewhere/setup.sh", SETUP)])
def test_what_is_not_the_installation_is_not_run(instance: Instance, giver: Giver, archive: bytes) -> None:
    giver.archive = archive

    code, line = instance.refused("--server-url", giver.url)

    assert (code, line) == (1, f"setup: what {giver.url}{PATH} gave is not the installation")


def test_a_machine_without_curl_is_told(instance: Instance, giver: Giver) -> None:
    for program in ("id", "mktemp", "rm", "sed", "tail"):
        (instance.programs / program).symlink_to(f"/usr/bin/{program}")

    code, line = instance.refused("--server-url", giver.url, path=str(instance.programs))

    assert (code, line) == (1, "setup: curl is needed, and was not found")


def test_a_script_that_arrives_in_part_does_nothing(instance: Instance, giver: Giver) -> None:
    text = FETCH.read_text()
    cut = text[: text.rindex("main ")]

    done = subprocess.run(["/bin/bash", "-s", "--", "--server-url", giver.url], input=cut, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr, giver.asked) == (0, "", "", [])
