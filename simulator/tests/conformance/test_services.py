"""The processes of an instance: starting, restarting, guarding, stopping, and what is left of them."""

import json

from conformance.behaviour import Behaviour
from conformance.marks import processes_only
from conformance.world import World, service, shell


def start(world: World, instance_id: str, name: str) -> tuple[int, dict[str, object]]:
    """Ask the instance's init to start a service."""
    return world.region.control("POST", f"/instances/{instance_id}/services/{name}/start")


@processes_only("a program in memory gets a host instead of an environment")
def test_services_get_their_instance_in_the_environment(world: World) -> None:
    script = 'env > "$INSTANCE_ROOT/srv/env.part"; mv "$INSTANCE_ROOT/srv/env.part" "$INSTANCE_ROOT/srv/env"; sleep 1000'
    instance_id = world.launch_and_boot(shell("daemon", script, runtime_directory="spot-optimizer", env={"EXTRA": "yes"}))

    text = world.region.eventually(lambda: world.region.read_disk(instance_id, "srv/env"))

    environment = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    seen = world.seen(instance_id)
    assert environment["INSTANCE_IP"] == seen["private_ip"]
    assert environment["INSTANCE_ID"] == instance_id
    assert environment["IMDS_ENDPOINT"] == f"http://{seen['private_ip']}:1338"
    assert environment["INSTANCE_CTL_URL"].endswith(f"/_region/instances/{instance_id}")
    assert environment["RUNTIME_DIRECTORY"] == f"{environment['INSTANCE_RUN']}/spot-optimizer"
    assert environment["AWS_DEFAULT_REGION"] == "us-east-1"
    assert environment["EXTRA"] == "yes"
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "INSTANCE_ROOT", "WORKLOAD_START_SECONDS"} <= environment.keys()


def test_a_killed_daemon_is_restarted(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS, restart="on-failure"))
    first_pid = world.pid(instance_id, "daemon")

    status, _ = world.region.control("POST", f"/instances/{instance_id}/kill", {"service": "daemon"})

    assert status == 200
    world.region.eventually(lambda: world.pid(instance_id, "daemon") not in {first_pid, None})


def test_a_daemon_that_ends_in_order_stays_down(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.ENDS, restart="on-failure"))

    world.region.eventually(lambda: world.events(kind="service-ended", instance_id=instance_id))

    assert world.seen(instance_id)["services"]["daemon"] | {"started_at": None} == {
        "state": "stopped", "pid": None, "started_at": None, "exit_code": 0, "starts": 1,
    }  # fmt: skip


@processes_only("a program in memory starts no others")
def test_what_a_service_started_dies_with_it(world: World) -> None:
    script = 'setsid sleep 1000 & echo $! > "$INSTANCE_ROOT/srv/child"; sleep 1000'
    instance_id = world.launch_and_boot(shell("daemon", script))
    child = int(world.region.eventually(lambda: (world.region.read_disk(instance_id, "srv/child") or "").rstrip("\n")))

    world.region.control("POST", f"/instances/{instance_id}/kill", {"service": "daemon"})

    world.region.eventually(lambda: world.pid(instance_id, "daemon") is None)
    world.region.eventually(lambda: not world.region.process_exists(child))


def test_without_its_start_guard_a_service_does_not_start(world: World) -> None:
    instance_id = world.launch_and_boot(service("workload", Behaviour.SERVES, condition_path_exists="spot-optimizer/serve"))

    at_boot = world.pid(instance_id, "workload")
    refused, answer = start(world, instance_id, "workload")
    world.region.write_run(instance_id, "spot-optimizer/serve")
    accepted, started = start(world, instance_id, "workload")

    assert (at_boot, refused, answer["state"]) == (None, 409, "stopped")
    assert "spot-optimizer/serve" in str(answer["detail"])
    assert (accepted, started["state"]) == (200, "running")


def test_starting_twice_is_one_process(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))
    pid = world.pid(instance_id, "daemon")

    _, answer = start(world, instance_id, "daemon")

    assert answer == {"state": "running", "pid": pid, "detail": None}


def test_a_stopped_service_stays_down_and_can_be_started(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS, restart="always"))
    pid = world.pid(instance_id, "daemon")

    stopped = world.region.control("POST", f"/instances/{instance_id}/services/daemon/stop")
    status = world.region.control("GET", f"/instances/{instance_id}/services/daemon/status")
    _, started = start(world, instance_id, "daemon")

    assert stopped[1]["state"] == status[1]["state"] == "stopped"
    assert pid is not None
    assert not world.region.process_exists(pid)
    assert started["state"] == "running"


def test_a_service_that_ignores_sigterm_is_killed_after_its_bound(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.IS_DEAF, stop_seconds=0.2))
    world.region.eventually(lambda: world.region.read_disk(instance_id, "srv/deaf") is not None)

    status, answer = world.region.control("POST", f"/instances/{instance_id}/services/daemon/stop")

    assert (status, answer["state"]) == (200, "stopped")
    assert world.seen(instance_id)["services"]["daemon"]["exit_code"] == -9


def test_termination_sends_sigterm_first(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SLEEPS))

    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    world.region.eventually(lambda: world.seen(instance_id)["services"]["daemon"]["exit_code"] == -15)


def test_termination_ends_a_service_that_ignores_sigterm(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.IS_DEAF, restart="always"))
    world.region.eventually(lambda: world.region.read_disk(instance_id, "srv/deaf") is not None)

    world.ec2.terminate_instances(InstanceIds=[instance_id])
    world.wait_for_state(instance_id, "terminated")

    world.region.eventually(lambda: world.pid(instance_id, "daemon") is None)
    assert world.seen(instance_id)["services"]["daemon"] | {"started_at": None, "starts": 1} == {
        "state": "stopped", "pid": None, "started_at": None, "exit_code": -9, "starts": 1,
    }  # fmt: skip


def test_an_unannounced_loss_kills_at_once(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.IS_DEAF, restart="always"))
    pid = world.pid(instance_id, "daemon")

    world.region.control("POST", f"/instances/{instance_id}/lose")
    seen = world.wait_for_state(instance_id, "terminated")

    assert seen["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert pid is not None
    world.region.eventually(lambda: world.seen(instance_id)["services"]["daemon"]["exit_code"] == -9)
    assert not world.region.process_exists(pid)


def test_serving_intervals_run_from_serving_to_the_end_of_the_process(world: World) -> None:
    instance_id = world.launch_and_boot(service("workload", Behaviour.SERVES))
    world.region.eventually(lambda: world.seen(instance_id)["serving"])

    world.region.control("POST", f"/instances/{instance_id}/services/workload/stop")

    (interval,) = world.seen(instance_id)["serving"]
    assert interval["from"] <= interval["to"]


@processes_only("a program in memory has no output")
def test_output_goes_to_the_log_of_the_service(world: World) -> None:
    instance_id = world.launch_and_boot(shell("daemon", "echo to-stdout; echo to-stderr >&2; sleep 1000"))

    def log() -> str:
        return world.region.read_disk(instance_id, "../log/daemon.log") or ""

    world.region.eventually(lambda: "to-stdout" in log() and "to-stderr" in log())


def test_the_next_start_of_a_workload_can_be_made_to_fail(world: World) -> None:
    tag = {"spot-optimizer:logical-agent-id": world.unique("web")}
    tags = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tag.items()]}]
    world.region.control("POST", "/workload-fault", {"tag": tag, "fail_starts": 1})

    other = world.launch_and_boot(service("workload", Behaviour.OBEYS_FAULTS))
    failing = world.launch_and_boot(service("workload", Behaviour.OBEYS_FAULTS), TagSpecifications=tags)
    world.region.eventually(lambda: world.pid(failing, "workload") is None)
    start(world, failing, "workload")

    assert world.pid(other, "workload")
    assert world.seen(failing)["services"]["workload"]["starts"] == 2
    assert world.pid(failing, "workload")


def test_an_order_to_fail_can_be_taken_back(world: World) -> None:
    tag = {"spot-optimizer:logical-agent-id": world.unique("web")}
    tags = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tag.items()]}]
    world.region.control("POST", "/workload-fault", {"tag": tag, "fail_starts": 1_000})
    world.region.control("POST", "/workload-fault", {"tag": tag, "fail_starts": 0})

    spared = world.launch_and_boot(service("workload", Behaviour.OBEYS_FAULTS), TagSpecifications=tags)

    assert world.pid(spared, "workload")
    assert world.seen(spared)["services"]["workload"]["starts"] == 1


def test_a_broken_list_of_services_is_told_and_starts_nothing(world: World) -> None:
    instance_id = world.launch_and_boot(service("daemon", Behaviour.SPOILS))
    world.region.eventually(lambda: world.region.read_disk(instance_id, "etc/services.json") == "not json\n")

    status, answer = start(world, instance_id, "daemon")

    assert (status, answer["state"]) == (409, "stopped")
    assert world.events(kind="services-unreadable", instance_id=instance_id)
    assert json.dumps(answer)
