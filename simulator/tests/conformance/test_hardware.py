"""Volumes, monitoring and credits: what a launch asks for is kept and shown, an image remembers it, and what EC2 refuses is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.test_adapters import request
from conformance.world import World, error_code
from spot_agent.ec2 import BotocoreEc2 as DaemonsEc2
from spot_agent.ec2_facts import LaunchRequest, VolumeSettings
from spot_server.aws.ec2 import Boto3Ec2 as ServersEc2
from spot_server.aws.ports import LaunchRequest as ServersLaunchRequest
from spot_server.aws.ports import VolumeSettings as ServersVolumeSettings

ROOT = "/dev/sda1"
GP3 = {"VolumeType": "gp3", "VolumeSize": 20, "Iops": 4000, "Throughput": 250, "Encrypted": True, "KmsKeyId": "arn:aws:kms:::key/ours"}


def root_of(world: World, instance_id: str) -> dict[str, Any]:
    (device,) = world.describe(instance_id)["BlockDeviceMappings"]
    assert device["DeviceName"] == ROOT
    (volume,) = world.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": [device["Ebs"]["VolumeId"]]}])["Volumes"]
    found: dict[str, Any] = volume
    return found


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as raised:
        call()
    return error_code(raised.value)


def launch(world: World, image_id: str, **ebs: Any) -> str:
    return world.launch(image_id, BlockDeviceMappings=[{"DeviceName": ROOT, "Ebs": ebs}])


def test_a_root_volume_is_what_the_launch_asks_for(world: World) -> None:
    volume = root_of(world, launch(world, world.image(), **GP3))

    assert (volume["VolumeType"], volume["Size"], volume["Iops"], volume["Throughput"]) == ("gp3", 20, 4000, 250)
    assert (volume["Encrypted"], volume["KmsKeyId"]) == (True, GP3["KmsKeyId"])


def test_a_root_volume_is_a_small_gp2_where_nobody_asks_for_more(world: World) -> None:
    volume = root_of(world, world.launch(world.image()))

    assert (volume["VolumeType"], volume["Size"], volume["Iops"], volume["Encrypted"]) == ("gp2", 8, 100, False)
    assert "Throughput" not in volume


def test_gp3_has_its_own_defaults(world: World) -> None:
    volume = root_of(world, launch(world, world.image(), VolumeType="gp3"))

    assert (volume["Iops"], volume["Throughput"]) == (3000, 125)


def test_an_image_remembers_the_volume_that_it_was_made_of(world: World) -> None:
    source = launch(world, world.image(), **GP3)
    world.wait_for_state(source, "running")
    image_id = world.ec2.create_image(InstanceId=source, Name=world.unique("image"), NoReboot=True)["ImageId"]
    world.region.eventually(lambda: world.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available")

    same, larger = world.launch(image_id), launch(world, image_id, VolumeSize=30)

    assert {name: root_of(world, same)[name] for name in ("VolumeType", "Size", "Iops", "Throughput", "Encrypted")} == {
        "VolumeType": "gp3",
        "Size": 20,
        "Iops": 4000,
        "Throughput": 250,
        "Encrypted": True,
    }
    assert (root_of(world, larger)["Size"], root_of(world, larger)["Iops"]) == (30, 4000)


@pytest.mark.parametrize(
    ("ebs", "code"),
    [
        ({"VolumeType": "gp2", "Iops": 4000}, "InvalidParameterCombination"),
        ({"VolumeType": "io2", "Iops": 4000, "Throughput": 250}, "InvalidParameterCombination"),
        ({"VolumeType": "io1"}, "MissingParameter"),
        ({"VolumeSize": 4}, "InvalidBlockDeviceMapping"),
    ],
)
def test_volumes_that_cannot_be_are_refused(world: World, ebs: dict[str, Any], code: str) -> None:
    image_id = world.image()

    assert refusal(lambda: launch(world, image_id, **ebs)) == code


def test_monitoring_and_ebs_optimization_are_as_asked(world: World) -> None:
    image_id = world.image()
    plain = world.describe(world.launch(image_id))
    asked = world.describe(world.launch(image_id, Monitoring={"Enabled": True}, EbsOptimized=True))

    assert (plain["Monitoring"]["State"], plain["EbsOptimized"]) == ("disabled", False)
    assert (asked["Monitoring"]["State"], asked["EbsOptimized"]) == ("enabled", True)


def test_burstable_instances_have_a_credit_specification_and_others_none(world: World) -> None:
    image_id = world.image()
    by_default = world.launch(image_id, InstanceType="t3.large")
    standard = world.launch(image_id, InstanceType="t3.large", CreditSpecification={"CpuCredits": "standard"})
    other = world.launch(image_id)

    answer = world.ec2.describe_instance_credit_specifications(InstanceIds=[by_default, standard])

    seen = {one["InstanceId"]: one["CpuCredits"] for one in answer["InstanceCreditSpecifications"]}
    assert seen == {by_default: "unlimited", standard: "standard"}
    assert refusal(lambda: world.ec2.describe_instance_credit_specifications(InstanceIds=[other])) == "InvalidParameterValue"
    refused = refusal(lambda: world.launch(image_id, CreditSpecification={"CpuCredits": "standard"}))
    assert refused == "InvalidParameterCombination"


def test_daemon_and_server_launch_the_same_and_the_daemon_reads_it_back(world: World) -> None:
    daemon = DaemonsEc2(world.region.patient_ec2, world.ec2, world.region.client)
    server = ServersEc2(world.region.patient_ec2, world.ec2, world.region.client)
    wanted = request(world, world.image(), instance_type="t3.large", detailed_monitoring=True, ebs_optimized=True, cpu_credits="standard")
    volume: dict[str, Any] = {
        "device_name": ROOT,
        "volume_type": "gp3",
        "size_gib": 20,
        "iops": 4000,
        "throughput_mib_per_second": 250,
        "encrypted": True,
    }

    by_daemon = daemon.run_instance(LaunchRequest(**wanted, volumes=(VolumeSettings(volume_id="", **volume),)))
    by_server = server.run_instance(ServersLaunchRequest(**wanted, volumes=(ServersVolumeSettings(**volume),)))

    assert by_server.instance_id == by_daemon.instance_id
    described = daemon.describe_instance(by_daemon.instance_id)
    assert described is not None
    assert (described.detailed_monitoring, described.ebs_optimized, described.root_device_name) == (True, True, ROOT)
    (read,) = daemon.volume_settings([one.volume_id for one in described.volumes])
    assert (read.volume_type, read.size_gib, read.iops, read.throughput_mib_per_second, read.encrypted) == ("gp3", 20, 4000, 250, True)
    assert daemon.cpu_credits(by_daemon.instance_id) == "standard"
    assert daemon.volume_settings(["vol-that-is-not-there"]) == ()
