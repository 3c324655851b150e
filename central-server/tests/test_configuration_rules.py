"""Where a new instance is not like the old one, field by field."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.replicas.likeness_rules import likeness
from spot_server.features.switches.configuration_rules import Difference, compare

VOLUME = {
    "volume_type": "gp3",
    "size_gib": 20,
    "iops": 4000,
    "throughput_mib_per_second": 250,
    "encrypted": True,
    "kms_key_id": "key-1",
}
LIKE: dict[str, Any] = {
    "instance_type": "t3.large",
    "security_group_ids": ["sg-1", "sg-2"],
    "iam_instance_profile_arn": "arn:aws:iam::1:instance-profile/shop",
    "key_name": "ops",
    "metadata_options": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "HttpEndpoint": "enabled"},
    "tags": {"team": "shop", "Name": "web-1"},
    "detailed_monitoring": True,
    "ebs_optimized": False,
    "cpu_credits": "unlimited",
    "root_device_name": "/dev/xvda",
    "volumes": {"/dev/xvda": VOLUME, "/dev/sdf": {**VOLUME, "size_gib": 100}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    """LIKE with another value at one place; None as the last name removes it."""
    made = copy.deepcopy(LIKE)
    *parents, name = path.split("|")
    place = made
    for parent in parents:
        place = place[parent]
    place[name] = value
    return made


def test_what_is_alike_has_no_difference() -> None:
    assert compare(LIKE, copy.deepcopy(LIKE)) == ()


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("security_group_ids", ["sg-1"], "security_group_ids"),
        ("iam_instance_profile_arn", None, "iam_instance_profile_arn"),
        ("key_name", "other", "key_name"),
        ("metadata_options|HttpTokens", "optional", "metadata_options.HttpTokens"),
        ("metadata_options|HttpPutResponseHopLimit", 1, "metadata_options.HttpPutResponseHopLimit"),
        ("tags|team", "bakery", "tags.team"),
        ("tags|new", "x", "tags.new"),
        ("detailed_monitoring", False, "detailed_monitoring"),
        ("ebs_optimized", True, "ebs_optimized"),
        ("cpu_credits", "standard", "cpu_credits"),
        ("volumes|/dev/xvda|volume_type", "gp2", "volumes.root.volume_type"),
        ("volumes|/dev/xvda|size_gib", 8, "volumes.root.size_gib"),
        ("volumes|/dev/xvda|iops", 3000, "volumes.root.iops"),
        ("volumes|/dev/sdf|throughput_mib_per_second", 125, "volumes./dev/sdf.throughput_mib_per_second"),
        ("volumes|/dev/sdf|encrypted", False, "volumes./dev/sdf.encrypted"),
        ("volumes|/dev/sdf|kms_key_id", "key-2", "volumes./dev/sdf.kms_key_id"),
        ("volumes|/dev/sdg", VOLUME, "volumes./dev/sdg"),
    ],
)
def test_each_field_that_differs_is_named_with_both_values(path: str, value: object, field: str) -> None:
    (found,) = compare(LIKE, changed(path, value))

    assert found.field == field
    assert found.new == value
    assert f"{field}: " in str(found)


def test_a_data_volume_that_did_not_come_along_is_a_difference() -> None:
    without = {**LIKE, "volumes": {"/dev/xvda": VOLUME}}

    assert compare(LIKE, without) == (Difference("volumes./dev/sdf", LIKE["volumes"]["/dev/sdf"], None),)


def test_what_only_makes_it_safer_is_no_difference() -> None:
    before = changed("metadata_options|HttpTokens", "optional")
    before["volumes"]["/dev/sdf"] |= {"encrypted": False, "kms_key_id": None}

    assert compare(before, LIKE) == ()


def test_the_root_volume_is_compared_whatever_its_device_is_called() -> None:
    renamed = {**LIKE, "root_device_name": "/dev/sda1", "volumes": {"/dev/sda1": VOLUME, "/dev/sdf": LIKE["volumes"]["/dev/sdf"]}}

    assert compare(LIKE, renamed) == ()


def test_credits_are_compared_only_between_types_that_have_them() -> None:
    assert compare(LIKE, {**LIKE, "instance_type": "m5.large", "cpu_credits": None}) == ()
    assert compare({**LIKE, "instance_type": "m5.large", "cpu_credits": None}, {**LIKE, "cpu_credits": "standard"}) == ()


def test_a_new_side_that_was_not_read_differs() -> None:
    assert [one.field for one in compare(LIKE, None)] == ["configuration"]
    assert [one.field for one in compare(LIKE, {**LIKE, "volumes": None})] == ["volumes"]


def test_what_the_old_side_does_not_say_is_not_compared() -> None:
    assert compare({"instance_type": "m5.large"}, LIKE) == ()
    assert compare({**LIKE, "volumes": None}, {**LIKE, "volumes": {}}) == ()


@given(st.dictionaries(st.sampled_from(["team", "Name", "a", "b"]), st.sampled_from(["x", "y"])))
def test_every_changed_tag_is_found_and_nothing_else(tags: dict[str, str]) -> None:
    found = compare(LIKE, {**LIKE, "tags": tags})

    names = {name for name in LIKE["tags"].keys() | tags.keys() if LIKE["tags"].get(name) != tags.get(name)}
    assert {one.field for one in found} == {f"tags.{name}" for name in names}


def test_a_launch_asks_for_what_the_primary_has() -> None:
    wanted = likeness(LIKE, "t3a.large", ["/dev/xvda", "/dev/sdf"])

    assert (wanted["detailed_monitoring"], wanted["cpu_credits"]) == (True, "unlimited")
    assert "ebs_optimized" not in wanted
    assert [one["device_name"] for one in wanted["volumes"]] == ["/dev/sdf", "/dev/xvda"]
    assert wanted["volumes"][1]["iops"] == 4000


def test_a_launch_never_adds_a_volume_that_the_image_does_not_bring() -> None:
    assert [one["device_name"] for one in likeness(LIKE, "t3.large", ["/dev/xvda", "/dev/sdz"])["volumes"]] == ["/dev/xvda"]
    assert "volumes" not in likeness(LIKE, "t3.large", [])


def test_credits_are_asked_for_only_where_there_are_any() -> None:
    assert "cpu_credits" not in likeness(LIKE, "m5.large", [])


def test_nothing_is_asked_for_where_nothing_is_known() -> None:
    assert likeness(None, "t3.large", ["/dev/xvda"]) == {}
