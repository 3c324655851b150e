"""The list of enabled services on a disk, and the disk of a base image."""

from pathlib import Path
from typing import Any

import pytest

from spot_simulator.base_image import START_GUARD, base_files, default_services
from spot_simulator.hosting.disks import Disks, copy_tree
from spot_simulator.hosting.service_list import Restart, ServiceSpec, parse_services, read_services


def test_name_and_argv_are_enough() -> None:
    specs = parse_services({"services": [{"name": "a", "argv": ["true"]}]})

    assert specs == (ServiceSpec("a", ("true",)),)
    assert specs[0].restart is Restart.NO


def test_a_service_that_is_not_enabled_is_left_out() -> None:
    assert parse_services({"services": [{"name": "a", "argv": ["true"], "enabled": False}]}) == ()


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("a", "object"),
        ({"argv": ["true"]}, "name"),
        ({"name": "a/b", "argv": ["true"]}, "name"),
        ({"name": "a", "argv": "true"}, "argv"),
        ({"name": "a", "argv": []}, "argv"),
        ({"name": "a", "argv": ["true"], "env": {"A": 1}}, "env"),
        ({"name": "a", "argv": ["true"], "restart": "often"}, "restart"),
        ({"name": "a", "argv": ["true"], "condition_path_exists": "/etc/passwd"}, "condition_path_exists"),
        ({"name": "a", "argv": ["true"], "condition_path_exists": "a/../../b"}, "condition_path_exists"),
        ({"name": "a", "argv": ["true"], "runtime_directory": ".."}, "directories"),
    ],
)
def test_a_malformed_service_is_refused_by_its_field(entry: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_services({"services": [entry]})


def test_a_list_without_its_object_or_with_a_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="services"):
        parse_services([])
    with pytest.raises(ValueError, match="same name"):
        parse_services({"services": [{"name": "a", "argv": ["true"]}] * 2})


def test_a_base_disk_has_the_daemon_first_and_the_workload_behind_its_guard(tmp_path: Path) -> None:
    disks = Disks(tmp_path)
    disks.fill_snapshot("snap-1", base_files("LOGICAL_AGENT_ID=web-1\n", default_services(), {"opt/note": "hello"}))

    disk = disks.snapshot("snap-1")
    daemon, workload = read_services(disk)

    assert (daemon.name, daemon.restart, daemon.condition_path_exists) == ("spot-agent", Restart.ON_FAILURE, None)
    assert (workload.name, workload.condition_path_exists) == ("workload", START_GUARD)
    assert f"{daemon.runtime_directory}/serve" == START_GUARD
    assert (disk / "etc/spot-agent.env").read_text() == "LOGICAL_AGENT_ID=web-1\n"
    assert (disk / "srv/workload").is_dir()
    assert (disk / "opt/note").read_text() == "hello"


@pytest.mark.parametrize("path", ["../escaped", "/etc/passwd", "a/../../b"])
def test_files_outside_of_the_disk_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a path on the disk"):
        base_files("", [], {path: ""})


def test_a_disk_without_a_list_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"services\.json"):
        read_services(tmp_path)


def test_a_copied_disk_has_files_folders_and_links_with_their_modes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder/empty").mkdir(parents=True)
    (source / "folder/file").write_text("content")
    (source / "folder/file").chmod(0o600)
    (source / "link").symlink_to("folder/file")

    copy_tree(source, tmp_path / "target")

    copied = tmp_path / "target"
    assert (copied / "folder/empty").is_dir()
    assert (copied / "folder/file").read_text() == "content"
    assert (copied / "folder/file").stat().st_mode & 0o777 == 0o600
    assert (copied / "link").readlink() == Path("folder/file")
