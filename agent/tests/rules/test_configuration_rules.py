"""What of an instance must come along to the next one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import InstanceFacts, VolumeFacts, VolumeSettings
from spot_agent.rules.configuration import configuration, has_cpu_credits

INSTANCE = InstanceFacts(
    "i-1",
    "running",
    instance_type="t3.large",
    security_group_ids=("sg-2", "sg-1"),
    metadata_options={"HttpTokens": "required"},
    tags={"team": "shop", "aws:x": "y", "spot-optimizer:managed": "true"},
    volumes=(VolumeFacts("vol-1", "/dev/xvda", delete_on_termination=True), VolumeFacts("vol-2", "/dev/sdf", delete_on_termination=False)),
    root_device_name="/dev/xvda",
    detailed_monitoring=True,
)
VOLUMES = [VolumeSettings("vol-2", "io2", 100, 8000, None, encrypted=True, kms_key_id="key"), VolumeSettings("vol-1", "gp3", 8, 3000, 125)]


def test_the_order_in_which_ec2_tells_makes_no_difference() -> None:
    seen = configuration(INSTANCE, VOLUMES, "unlimited")

    assert seen == configuration(INSTANCE, reversed(VOLUMES), "unlimited")
    assert seen["security_group_ids"] == ["sg-1", "sg-2"]
    assert list(seen["volumes"]) == ["/dev/sdf", "/dev/xvda"]
    assert (seen["volumes"]["/dev/sdf"]["volume_type"], seen["volumes"]["/dev/sdf"]["kms_key_id"]) == ("io2", "key")


def test_tags_that_are_not_the_persons_are_left_out() -> None:
    assert configuration(INSTANCE, VOLUMES, None)["tags"] == {"team": "shop"}


@given(st.lists(st.sampled_from(VOLUMES), unique=True, max_size=2))
def test_volumes_are_told_whole_or_not_at_all(listed: list[VolumeSettings]) -> None:
    seen = configuration(INSTANCE, listed, None)["volumes"]

    assert (seen is None) == (len(listed) < 2)
    assert configuration(INSTANCE, None, None)["volumes"] is None


def test_only_burstable_types_have_credits() -> None:
    assert [name for name in ("t3.large", "t4g.nano", "t2.micro", "m5.large", "trn1.2xlarge") if has_cpu_credits(name)] == [
        "t3.large",
        "t4g.nano",
        "t2.micro",
    ]
