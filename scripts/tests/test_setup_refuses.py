"""What scripts/setup.sh will not begin: one line that says why, and nothing changed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_fakes.http_central import FakeCentralServer
from agent_fakes.http_imds import FakeImdsServer
from check_sizes import ROOT
from fake_systemd import FakeSystemd

TOKEN = "so_enrol_0123456789"
NOWHERE = "http://127.0.0.1:9"
OLD_PYTHON = '#!/bin/sh\ncase "$2" in *platform*) echo 3.9.2 ;; *) exit 1 ;; esac\n'
PYTHON_WITHOUT_VENV = '#!/bin/sh\ncase "$2" in *platform*) echo 3.11.2 ;; *ensurepip*) exit 1 ;; esac\n'

pytestmark = pytest.mark.server


class Place:
    """A root directory and a world around it; `setup` gives everything that a first run needs, which arguments then change."""

    def __init__(self, directory: Path, imds: FakeImdsServer, central: FakeCentralServer, systemd: FakeSystemd) -> None:
        self.root, self.programs, self.imds, self.central, self.systemd = systemd.root, directory / "bin", imds, central, systemd
        self.defaults = {"--server-url": central.url, "--logical-agent-id": "web-1", "--token-file": "-"}

    def put_program(self, name: str, text: str) -> str:
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)
        return str(path)

    def setup(self, *arguments: str, without: str = "", token: str = TOKEN, root: bool = True) -> subprocess.CompletedProcess[str]:
        given = [word for option, value in self.defaults.items() if option not in (without, *arguments) for word in (option, value)]
        given += ["--set", f"IMDS_ENDPOINT={self.imds.url}"] if "IMDS_ENDPOINT" not in "".join(arguments) else []
        where = ["--root", str(self.root)] if root else []
        world = {"PATH": f"{self.programs}:{os.environ['PATH']}", "SPOT_SYSTEMCTL": str(self.systemd.systemctl), "NO_PROXY": "127.0.0.1"}
        return self.systemd.run(ROOT / "scripts" / "setup.sh", *where, *given, *arguments, env=world, input=f"{token}\n")

    def refused(self, *arguments: str, without: str = "", token: str = TOKEN, root: bool = True) -> tuple[int, str]:
        """The exit code and the one line; nothing may have been changed."""
        done = self.setup(*arguments, without=without, token=token, root=root)
        assert list(self.root.rglob("*")) == []
        assert {call[0] for call in self.systemd.calls} <= {"cat"}
        assert TOKEN not in done.stdout + done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.returncode, done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "root").mkdir()
    systemd = FakeSystemd(tmp_path / "root", tmp_path / "bin")
    with FakeImdsServer() as imds, FakeCentralServer() as central, systemd:
        assert isinstance(imds, FakeImdsServer)
        yield Place(tmp_path, imds, central, systemd)


@pytest.mark.parametrize(
    ("arguments", "without", "word"),
    [
        (["--colour", "red"], "", "unknown option '--colour'"),
        (["--server-url"], "", "--server-url needs a value"),
        ([], "--server-url", "--server-url is needed the first time"),
        ([], "--logical-agent-id", "--logical-agent-id is needed the first time"),
        ([], "--token-file", "--token-file is needed until this instance is registered"),
        (["--set", "CARRY"], "", "--set needs NAME=VALUE, not 'CARRY'"),
        (["--set", f"ENROLMENT_TOKEN={TOKEN}"], "", "a token is never on a command line"),
        (["--set", "STATE_DIRECTORY=/srv"], "", "STATE_DIRECTORY is systemd's to set"),
        (["--set", "STOP_COMMAND=a\nb"], "", "the value of STOP_COMMAND has more than one line"),
        (["--workload-unit", "web"], "", "needs a systemd service such as web.service, not 'web'"),
        (["--wait-seconds", "long"], "", "--wait-seconds needs a number, not 'long'"),
    ],
)
def test_wrong_usage_is_told_in_one_line_and_ends_with_2(place: Place, arguments: list[str], without: str, word: str) -> None:
    code, line = place.refused(*arguments, without=without)

    assert code == 2
    assert word in line


def test_without_root_it_says_so(place: Place) -> None:
    place.put_program("id", "#!/bin/sh\necho 1000\n")

    code, line = place.refused(root=False)

    assert code == 1
    assert "root is needed: sudo" in line


@pytest.mark.parametrize(
    ("program", "word"),
    [
        (OLD_PYTHON, "Python 3.10 or newer is needed, and this is 3.9.2"),
        (PYTHON_WITHOUT_VENV, "lacks its venv module"),
        (None, "was not found"),
    ],
)
def test_a_python_that_will_not_do_is_told_with_what_to_install(place: Place, program: str | None, word: str) -> None:
    name = place.put_program("python-here", program) if program else "no-such-python"

    code, line = place.refused("--python", name)

    assert code == 1
    assert word in line
    assert "install" in line.split(": ", 1)[1]


@pytest.mark.parametrize(
    ("token", "word"), [("so_client_0123456789", "no enrolment token"), ("", "no enrolment token"), ("so_enrol_a b", "no enrolment token")]
)
def test_what_is_no_enrolment_token_is_refused_and_not_shown(place: Place, token: str, word: str) -> None:
    code, line = place.refused(token=token)

    assert code == 1
    assert word in line
    assert not token or token not in line


@pytest.mark.parametrize("path", ["/no/such/file", "/etc"])
def test_a_token_file_that_cannot_be_read_is_named(place: Place, path: str) -> None:
    code, line = place.refused("--token-file", path)

    assert (code, f"{path} cannot be read" in line) == (1, True)


def test_a_machine_without_a_metadata_service_is_no_ec2_instance(place: Place) -> None:
    code, line = place.refused("--set", f"IMDS_ENDPOINT={NOWHERE}")

    assert code == 1
    assert "not an EC2 instance" in line
    assert "Connection refused" in line


def test_a_metadata_service_that_is_off_is_told_with_how_to_turn_it_on(place: Place) -> None:
    place.imds.fault = "off"

    code, line = place.refused()

    assert code == 1
    assert "--http-endpoint enabled" in line


@pytest.mark.parametrize("trouble", ["down", "not ready"])
def test_a_server_that_cannot_be_reached_is_named(place: Place, trouble: str) -> None:
    place.central.faults["/readyz"] = "503"
    url = NOWHERE if trouble == "down" else place.central.url

    code, line = place.refused("--server-url", url)

    assert code == 1
    assert f"the server {url} cannot be reached, or is not ready: {'Connection refused' if trouble == 'down' else '503'}" in line


def test_a_workload_that_systemd_does_not_know_is_named(place: Place) -> None:
    code, line = place.refused("--workload-unit", "shop.service")

    assert (code, "systemd knows no shop.service" in line) == (1, True)


@pytest.mark.parametrize("script", ["setup.sh", "uninstall.sh"])
def test_the_help_names_every_option(place: Place, script: str) -> None:
    done = place.systemd.run(ROOT / "scripts" / script, "--help")

    source = (ROOT / "scripts" / script).read_text()
    options = {
        word for line in source.splitlines() if ") " in line for word in line.split() if word.startswith("--") and word.endswith(")")
    }
    assert done.returncode == 0
    assert [option for option in options if option.rstrip(")") not in done.stdout] == []
