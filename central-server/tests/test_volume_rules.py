"""Which of a primary's volumes are an agent's data volumes, and how long a copy of them takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.volume_rules import CopiedFrom, holds_everything
from spot_server.features.volumes.rules import CopyBasis, devices_of, expect_copy, resolve_volumes, without_devices
from spot_server.words import Role

DEVICES = ("/dev/xvda", "/dev/sdf", "/dev/sdg", "/dev/sdh")


def attached(device_name: str, **members: Any) -> dict[str, Any]:
    is_root = device_name == "/dev/xvda"
    kept = {"delete_on_termination": is_root, "is_root": is_root, "is_multi_attach": False, "tags": {}}
    return {"volume_id": f"vol-{device_name[5:]}", "device_name": device_name, "size_gib": 10, **kept, **members}


def wanted(device_name: str) -> dict[str, Any]:
    return {"device_name": device_name, "mount_point": f"/srv/{device_name[5:]}", "file_system": "ext4"}


@given(st.lists(st.sampled_from(DEVICES), max_size=4), st.sets(st.sampled_from(DEVICES)), st.sets(st.sampled_from(DEVICES)))
def test_either_every_volume_is_found_once_or_a_person_is_told_why_not(names: list[str], there: set[str], shared: set[str]) -> None:
    listed = [attached(name, is_multi_attach=name in shared) for name in sorted(there)]

    resolved = resolve_volumes([wanted(name) for name in names], listed, "i-1")

    is_possible = bool(names) and len(set(names)) == len(names) and set(names) <= there - shared - {"/dev/xvda"}
    assert bool(resolved.problem) is not is_possible
    assert [volume["device_name"] for volume in resolved.volumes] == (names if is_possible else [])
    assert devices_of(resolved) == (set(names) if is_possible else set())
    assert resolved.outlive_their_instance is is_possible


def test_a_tag_that_two_volumes_carry_names_neither() -> None:
    listed = [attached(name, tags={"Name": "shop"}) for name in ("/dev/sdf", "/dev/sdg")]
    by_tag = {"name_tag": "shop", "mount_point": "/srv/shop", "file_system": "xfs"}

    assert "is not one but vol-sdf, vol-sdg" in resolve_volumes([by_tag], listed, "i-1").problem
    assert resolve_volumes([by_tag], listed[:1], "i-1").volumes[0]["file_system"] == "xfs"


def test_a_volume_that_ec2_did_not_describe_does_not_move_unseen() -> None:
    bare = {"volume_id": "vol-1", "device_name": "/dev/sdf", "is_root": False, "delete_on_termination": False}

    assert "EC2 did not describe" in resolve_volumes([wanted("/dev/sdf")], [bare], "i-1").problem


@pytest.mark.parametrize(
    ("measured", "seconds", "basis"),
    [((), 160, CopyBasis.ASSUMED), ((90.0,), 90, CopyBasis.MEASURED), ((30.0, 60.0, 600.0), 60, CopyBasis.MEASURED)],
)
def test_what_was_measured_counts_and_before_that_the_largest_volume(measured: tuple[float, ...], seconds: int, basis: CopyBasis) -> None:
    expected = expect_copy([{"size_gib": 10}, {"size_gib": 5}], measured, 64.0)

    assert (expected.seconds, expected.basis) == (seconds, basis)


@given(st.sets(st.sampled_from(DEVICES)), st.sets(st.sampled_from(DEVICES)))
def test_a_new_side_is_compared_without_what_comes_with_the_move(described: set[str], moving: set[str]) -> None:
    document = {"ebs_optimized": True, "volumes": {name: {"size_gib": 8} for name in described}}

    assert set(without_devices(document, moving)["volumes"]) == described - moving
    assert without_devices({"volumes": None}, moving) == {"volumes": None}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        pytest.param({}, False, id="it may have gone on after the fence"),
        pytest.param({"role": Role.TERMINATED}, True, id="it had ended when the copy began"),
        pytest.param({"role": Role.TERMINATED, "role_changed_at": START + timedelta(seconds=1)}, False, id="it ended after the copy began"),
        pytest.param({"has_let_go": True}, True, id="it unmounted them"),
        pytest.param({"has_let_go": True, "may_have_mounted_since": True}, False, id="it was told to serve again"),
        pytest.param({"role": Role.TERMINATED, "may_have_mounted_since": True}, True, id="what has ended serves no more"),
    ],
)
def test_copies_hold_everything_only_if_nobody_could_write_to_the_originals_since(changes: dict[str, Any], holds: bool) -> None:
    source = CopiedFrom(copied_at=START, role=Role.PRIMARY, role_changed_at=START, has_let_go=False, may_have_mounted_since=False)

    assert holds_everything(replace(source, **changes)) is holds
