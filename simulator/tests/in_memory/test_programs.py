"""Programs on instances in memory: who starts and ends them, and what they get to know."""

from collections.abc import Callable
from typing import Any

import pytest

from in_memory.place import LONGEST_BOOT_SECONDS, START, Place, RecordedRun, Recorder
from spot_simulator.base_image import START_GUARD
from spot_simulator.machine import MetadataFault
from spot_simulator.memory.host import Host
from spot_simulator.memory.metadata import READ_TIMEOUT_SECONDS, Absent, Found, Unknown
from spot_simulator.memory.programs import Ended
from spot_simulator.memory.workload import WRITES_FILE, HeldWrites
from spot_simulator.model.faults import Fault, Mishap

DAEMON = {"name": "daemon", "argv": ["daemon"], "restart": "on-failure", "stop_seconds": 7}


def running(*services: dict[str, Any]) -> tuple[Place, Recorder, str]:
    """Boot an instance that has these services, the first one of them recorded."""
    recorder = Recorder()
    place = Place(programs={"daemon": recorder})
    return place, recorder, place.boot(place.base_image(*services or (DAEMON,)))


def test_services_start_in_their_order_at_boot() -> None:
    started: list[str] = []

    class Noting(Recorder):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def start(self, host: Host, ended: Ended, *, must_fail: bool) -> RecordedRun:
            started.append(self.name)
            return super().start(host, ended, must_fail=must_fail)

    place = Place(programs={name: Noting(name) for name in ("one", "two", "three")})

    place.boot(place.base_image(*({"name": name, "argv": [name]} for name in ("two", "one", "three"))))

    assert started == ["two", "one", "three"]


def test_a_service_without_a_program_is_refused() -> None:
    place, _, instance_id = running({"name": "unknown", "argv": ["unknown"]})

    is_running, line = place.host(instance_id).start_service("unknown")

    assert not is_running
    assert "no program" in line


def test_a_program_that_fails_is_started_again_as_a_new_run() -> None:
    place, recorder, instance_id = running()
    first_pid = place.machine(instance_id).services["daemon"].pid

    recorder.runs[0].ended(1)
    place.wait(1.0)

    assert len(recorder.runs) == 2
    assert place.machine(instance_id).services["daemon"].pid not in {first_pid, None}


def test_the_end_of_a_run_that_is_over_is_not_heard() -> None:
    place, recorder, instance_id = running()
    place.region.control.kill_service(instance_id, "daemon")
    place.wait(1.0)

    recorder.runs[0].ended(0)

    assert recorder.runs[0].signals == ["kill"]
    assert place.host(instance_id).is_service_running("daemon")


def test_a_stop_tells_how_long_it_takes_and_ends_what_ignores_it() -> None:
    place, recorder, instance_id = running()
    host = place.host(instance_id)

    seconds = host.stop_service("daemon")
    is_running_at_first = host.is_service_running("daemon")
    place.wait(seconds)

    assert (seconds, is_running_at_first, host.is_service_running("daemon")) == (7, True, False)
    assert recorder.runs[0].signals == ["term", "kill"]
    assert host.stop_service("daemon") == 0.0


class Killer(Recorder):
    """A program that is part of what it kills: its kill does not return, as that of a greenlet."""

    class Gone(BaseException):
        """What ends it."""

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> RecordedRun:
        run = super().start(host, ended, must_fail=must_fail)

        def kill() -> None:
            run.signals.append("kill")
            raise Killer.Gone

        run.kill = kill  # type: ignore[method-assign]
        return run


REBOOTS: list[Callable[[Place, str], Any]] = [
    lambda place, instance_id: place.ec2.create_image(InstanceId=instance_id, Name="image"),
    lambda place, instance_id: place.region.control.reboot(instance_id),
]


@pytest.mark.parametrize("act", REBOOTS)
def test_a_program_that_reboots_its_own_instance_is_gone_and_the_instance_boots(act: Callable[[Place, str], Any]) -> None:
    place = Place(programs={"daemon": (killer := Killer()), "other": (other := Recorder())})
    instance_id = place.boot(place.base_image(DAEMON, {"name": "other", "argv": ["other"]}))

    with pytest.raises(Killer.Gone):
        act(place, instance_id)

    assert not place.host(instance_id).is_service_running("daemon")
    assert (killer.runs[0].signals, other.runs[0].signals) == (["kill"], ["kill"])
    place.wait(LONGEST_BOOT_SECONDS)
    assert len(killer.runs) == len(other.runs) == 2


def test_a_reboot_takes_every_program_and_empties_run() -> None:
    place, recorder, instance_id = running()
    place.host(instance_id).run["left"] = "over"

    place.region.control.reboot(instance_id)
    place.wait(LONGEST_BOOT_SECONDS)

    assert recorder.runs[0].signals == ["kill"]
    assert "left" not in place.host(instance_id).run
    assert recorder.runs[0].host.booted_at < recorder.runs[1].host.booted_at


def test_a_program_sees_its_disk_and_whoever_clones_it_a_copy() -> None:
    place, recorder, instance_id = running()
    recorder.runs[0].host.disk["var/lib/journal"] = ("epoch", 1)
    image_id = place.ec2.create_image(InstanceId=instance_id, Name="copy", NoReboot=True)["ImageId"]
    recorder.runs[0].host.disk["var/lib/journal"] = ("epoch", 2)
    place.wait(500.0)

    clone = place.boot(image_id)

    assert place.host(clone).disk["var/lib/journal"] == ("epoch", 1)


def test_a_host_s_client_calls_as_its_instance() -> None:
    place, recorder, instance_id = running()
    place.region.control.add_fault(Fault("DescribeInstances", Mishap.REFUSED, "UnauthorizedOperation", caller=instance_id))

    place.ec2.describe_instances()
    with pytest.raises(Exception, match="UnauthorizedOperation"):
        recorder.runs[0].host.client("ec2").describe_instances()


@pytest.mark.parametrize(
    ("fault", "reading", "seconds"),
    [
        (MetadataFault.HANG, Unknown("ReadTimeout"), READ_TIMEOUT_SECONDS),
        (MetadataFault.ERROR, Unknown("status 503"), 0.0),
        (MetadataFault.OFF, Unknown("status 403"), 0.0),
        (MetadataFault.TRUNCATED, Found("m5.l"), 0.0),
        (MetadataFault.NONE, Found("m5.large"), 0.0),
    ],
)
def test_metadata_is_read_with_its_faults(fault: MetadataFault, reading: Found | Unknown, seconds: float) -> None:
    place, recorder, instance_id = running()
    place.region.control.set_metadata_fault(instance_id, fault)

    assert recorder.runs[0].host.read_metadata("meta-data/instance-type") == (reading, seconds)


def test_there_is_no_notice_until_there_is_one_and_nothing_at_all_in_the_end() -> None:
    place, recorder, instance_id = running()
    host = recorder.runs[0].host

    before = host.read_metadata("meta-data/spot/instance-action")[0]
    place.region.control.notice(instance_id, lead_seconds=120)
    noticed = host.read_metadata("meta-data/spot/instance-action")[0]
    place.wait(120.0 + 20.0)

    assert (before, type(noticed)) == (Absent(), Found)
    assert host.read_metadata("meta-data/spot/instance-action")[0] == Unknown("ConnectionError")


def test_a_workload_starts_behind_its_guard_serves_after_its_delay_and_stops_at_once() -> None:
    place = Place()
    host = place.host(place.boot(place.base_image()))

    refused = host.start_service("workload")
    host.run[START_GUARD] = ""
    started = host.start_service("workload")
    at_first = host.is_accepting()
    place.wait(host.workload_start_seconds)
    serving = host.is_accepting()

    assert (refused[0], started[0], at_first, serving) == (False, True, False, True)
    assert host.stop_service("workload") == 0.0
    assert not host.is_accepting()


def test_a_workload_whose_start_is_to_fail_gives_up_after_its_delay() -> None:
    place = Place()
    host = place.host(place.boot(place.base_image()))
    place.region.control.fail_workload_starts({}, 1)
    host.run[START_GUARD] = ""

    host.start_service("workload")
    is_up = host.is_service_running("workload")
    place.wait(host.workload_start_seconds)

    assert (is_up, host.is_service_running("workload"), host.is_accepting()) == (True, False, False)
    assert host.machine.services["workload"].exit_code == 1


def test_the_writes_of_a_workload_that_is_down_can_be_replaced() -> None:
    place = Place()
    instance_id = place.boot(place.base_image())
    place.serve(instance_id)
    host = place.host(instance_id)
    host.stop_service("workload")

    host.disk[WRITES_FILE] = (restored := HeldWrites().with_range("127.20.0.2", 1, 9))

    assert host.disk[WRITES_FILE] == restored
    place.serve(instance_id)
    assert host.disk[WRITES_FILE] == restored


def test_a_workload_that_is_stopped_while_it_starts_never_serves() -> None:
    place = Place()
    host = place.host(place.boot(place.base_image()))
    host.run[START_GUARD] = ""
    host.start_service("workload")

    host.stop_service("workload")
    place.wait(60.0)

    assert not host.is_accepting()
    assert host.machine.serving == []
    assert place.scheduler.now() > START
