"""A disk in memory."""

from spot_simulator.memory.disk import Disk


def test_a_copy_does_not_follow_its_original() -> None:
    disk = Disk({"etc/one": "1"})

    copy = disk.copy()
    disk["etc/two"] = "2"
    del disk["etc/one"]

    assert dict(copy) == {"etc/one": "1"}
    assert dict(disk) == {"etc/two": "2"}


def test_an_open_file_is_worked_out_when_it_is_read_and_kept_when_it_is_closed() -> None:
    content = ["first"]
    disk = Disk({"srv/writes": "nothing"})
    disk.open("srv/writes", lambda: content[0])

    copy = disk.copy()
    content[0] = "second"
    read = disk["srv/writes"]
    disk.close("srv/writes")
    content[0] = "third"

    assert (copy["srv/writes"], read, disk["srv/writes"]) == ("first", "second", "second")


def test_a_file_that_was_only_ever_open_is_there_once() -> None:
    disk = Disk({"a": "1"})
    disk.open("b", lambda: "2")

    assert (list(disk), len(disk), "b" in disk) == (["a", "b"], 2, True)


def test_a_folder_is_there_when_a_file_is_below_it() -> None:
    disk = Disk({"srv/workload/.keep": ""})

    assert disk.has_folder("srv/workload")
    assert disk.has_folder("srv")
    assert not disk.has_folder("srv/work")
