"""What a copy of an instance needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import InstanceFacts, SubnetFacts
from spot_agent.rules.launch_specification import az_id_of, copied_tags, launch_specification, subnet_by_az

SUBNETS = st.lists(
    st.builds(
        SubnetFacts,
        subnet_id=st.sampled_from([f"subnet-{number}" for number in range(8)]),
        az_id=st.sampled_from(["use1-az1", "use1-az2", "use1-az3", ""]),
        az_name=st.just("us-east-1a"),
        free_addresses=st.integers(0, 300),
        maps_public_ip=st.booleans(),
    ),
    unique_by=lambda subnet: subnet.subnet_id,
)


@given(SUBNETS, st.sampled_from([f"subnet-{number}" for number in range(8)]))
def test_every_zone_gets_one_subnet_of_its_own_and_the_own_zone_the_own_subnet(subnets: list[SubnetFacts], own: str) -> None:
    chosen = subnet_by_az(own, subnets)

    zone_of = {subnet.subnet_id: subnet.az_id for subnet in subnets}
    assert set(chosen) == {subnet.az_id for subnet in subnets if subnet.az_id}
    assert all(zone_of[subnet_id] == az_id for az_id, subnet_id in chosen.items())
    assert not zone_of.get(own) or chosen[zone_of[own]] == own


def test_elsewhere_a_subnet_that_is_as_public_as_its_own_comes_before_a_roomier_one() -> None:
    own = SubnetFacts("subnet-own", "az1", "a", 10, maps_public_ip=False)
    private = SubnetFacts("subnet-private", "az2", "b", 5, maps_public_ip=False)
    public = SubnetFacts("subnet-public", "az2", "b", 200, maps_public_ip=True)

    assert subnet_by_az("subnet-own", [own, public, private])["az2"] == "subnet-private"
    assert az_id_of("subnet-own", [own, private]) == "az1"


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=5)))
def test_no_reserved_tag_and_none_of_ours_is_copied(tags: dict[str, str]) -> None:
    full = {**tags, "aws:x": "1", "spot-optimizer:managed": "true", "team": "shop"}

    copied = copied_tags(full)

    assert copied["team"] == "shop"
    assert not [key for key in copied if key.startswith(("aws:", "spot-optimizer:"))]


def test_the_specification_holds_what_run_instances_takes() -> None:
    instance = InstanceFacts("i-1", "running", vpc_id="vpc-1", subnet_id="s", security_group_ids=("sg-1",), key_name="k")

    specification = launch_specification(instance, [])

    assert specification["vpc_id"] == "vpc-1"
    assert specification["security_group_ids"] == ["sg-1"]
    assert specification["key_name"] == "k"
