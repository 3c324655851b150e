"""Data volumes as commands name them, and as the kernel and EC2 show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import EbsFacts, InstanceFacts, VolumeFacts
from spot_agent.model import JsonObject
from spot_agent.rules.volumes import (
    FILE_SYSTEMS,
    DataVolume,
    attached_volumes,
    data_volumes_among,
    devices_to_keep,
    is_wanted,
    kernel_names,
    parse_mounts,
    parse_volumes,
    serial_of,
    volume_json,
)

NAMES = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=17)
VOLUMES = st.builds(
    DataVolume,
    volume_id=NAMES.map("vol-{}".format),
    device_name=NAMES.map("/dev/{}".format),
    mount_point=NAMES.map("/srv/{}".format),
    file_system=st.sampled_from(FILE_SYSTEMS),
)


@given(st.lists(VOLUMES, min_size=1, max_size=4))
def test_what_is_journalled_is_read_back_as_it_was_told(volumes: list[DataVolume]) -> None:
    assert list(parse_volumes([volume_json(volume) for volume in volumes])) == volumes


@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_anything_else_is_refused_and_nothing_half_read(value: object) -> None:
    with pytest.raises(ValueError, match="volume"):
        parse_volumes(value)


def test_an_nvme_device_shows_the_id_without_its_dash() -> None:
    assert serial_of("vol-0a1b2c3d4e5f60718") == "vol0a1b2c3d4e5f60718"
    assert kernel_names("/dev/sdf") == ("sdf", "xvdf")
    assert kernel_names("/dev/xvdg") == ("xvdg",)


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    text = "22 1 259:0 / / rw - ext4 /dev/nvme0n1p1 rw\n40 22 259:5 / /srv/my\\040shop rw shared:1 - xfs /dev/nvme1n1 rw\nbroken\n"

    assert [(one.device_number, one.mount_point) for one in parse_mounts(text)] == [("259:0", "/"), ("259:5", "/srv/my shop")]


@given(st.sets(st.sampled_from(["/dev/xvda", "/dev/sdf", "/dev/sdg"])), st.booleans())
def test_the_root_is_never_a_data_volume_and_only_what_goes_is_kept(going: set[str], by_tag: bool) -> None:
    devices = ("/dev/xvda", "/dev/sdf", "/dev/sdg")
    held = tuple(VolumeFacts(f"vol-{name[5:]}", name, delete_on_termination=name in going) for name in devices)
    instance = InstanceFacts("i-1", "running", volumes=held, root_device_name="/dev/xvda")
    volumes = [EbsFacts(one.volume_id, "in-use", "us-east-1a", tags={"Name": one.device_name}) for one in held]
    wanted: list[JsonObject] = [{"name_tag": name} if by_tag else {"device_name": name} for name in ("/dev/xvda", "/dev/sdf")]

    listed = attached_volumes(instance, volumes)

    assert [one["device_name"] for one in listed if one["is_root"]] == ["/dev/xvda"]
    assert devices_to_keep(data_volumes_among(listed, wanted)) == sorted(going & {"/dev/sdf"})


def test_a_volume_that_ec2_does_not_describe_is_told_by_what_is_known() -> None:
    instance = InstanceFacts("i-1", "running", volumes=(VolumeFacts("vol-1", "/dev/sdf", delete_on_termination=True),))

    (told,) = attached_volumes(instance, [])

    assert "size_gib" not in told
    assert not is_wanted(told, {"name_tag": "shop"})
    assert is_wanted(told, {"device_name": "/dev/sdf"})
