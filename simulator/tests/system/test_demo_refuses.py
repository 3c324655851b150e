"""Settings that cannot be used are refused before anything is started, in one line each."""

import socket
from pathlib import Path

import pytest

from spot_simulator.demo.preflight import is_empty, is_free
from system.running_demo import RunningDemo, processes_of

pytestmark = pytest.mark.server


def refusal(state_dir: Path, *arguments: str) -> str:
    """Return the one line that a demo with these arguments says before it ends."""
    with RunningDemo(state_dir, *arguments) as demo:
        lines = demo.rest()
        code = demo.process.wait(20)
    assert code == 2
    assert processes_of(state_dir) == []
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://somewhere/spot", "SPOT_DATABASE_URL cannot be used"),
        ("nonsense", "SPOT_DATABASE_URL cannot be used"),
        ("mysql+pymysql://spot:spot@127.0.0.1:1/spot", "the database cannot be used"),
        ("sqlite:////proc/no-such-folder/spot.db", "the database cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(tmp_path: Path, url: str, expected: str) -> None:
    line = refusal(tmp_path / "demo", "--database-url", url)

    assert line.startswith("demo: --database-url: ")
    assert expected in line


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        line = refusal(tmp_path / "demo", "--port", str(port))

    assert line == f"demo: --port {port}: cannot be listened on; expected a free TCP port from 1 to 65535"


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")

    line = refusal(tmp_path)

    assert line == f"demo: --state-dir {tmp_path}: expected an empty folder, or one that does not exist yet"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--prices", "/no/such/file.csv"), "demo: --prices /no/such/file.csv: there is no such file"),
        (("--time-scale", "0"), "demo: --time-scale 0: expected a number above 0"),
    ],
)
def test_other_values_that_cannot_be_used_are_refused(tmp_path: Path, arguments: tuple[str, str], expected: str) -> None:
    assert refusal(tmp_path / "demo", *arguments) == expected


def test_help_says_what_each_option_is_for(tmp_path: Path) -> None:
    with RunningDemo(tmp_path / "demo", "--help") as demo:
        text = "\n".join(demo.rest())
        code = demo.process.wait(20)

    assert code == 0
    for option in ("--once", "--database-url", "--time-scale", "--seed", "--prices", "--port", "--state-dir"):
        assert option in text


def test_a_folder_that_does_not_exist_or_is_empty_will_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert is_empty(tmp_path / "new")
    assert not is_empty(tmp_path)
    assert not is_empty(tmp_path / "file")


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_number_that_is_no_port_is_not_free(port: int) -> None:
    assert not is_free(port)
