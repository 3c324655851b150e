"""The rights that the carry `volume` needs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import InstanceFacts, VolumeFacts
from spot_agent.rules.volume_rights import rights_to_carry
from spot_agent.settings import CARRIES
from spot_agent.trials import Trial

ROOT = VolumeFacts("vol-root", "/dev/xvda", delete_on_termination=True)
DATA = VolumeFacts("vol-data", "/dev/sdf", delete_on_termination=False)


def trial(carry: str, volumes: tuple[VolumeFacts, ...], snapshot_id: str | None) -> Trial:
    instance = InstanceFacts("i-own", "running", az_name="us-east-1a", volumes=volumes, root_device_name="/dev/xvda")
    return Trial("i-own", instance, "web-1", (), None, snapshot_id, has_control_role=False, carry=carry)


@given(st.sampled_from(CARRIES), st.booleans(), st.sampled_from([None, "snap-1"]))
def test_they_are_asked_for_with_that_carry_alone_and_never_tried_on_the_root(carry: str, has_data: bool, snapshot_id: str | None) -> None:
    rights = rights_to_carry(trial(carry, (ROOT, DATA) if has_data else (ROOT,), snapshot_id))

    actions = {right.action for right in rights}
    assert actions == ({"DetachVolume", "AttachVolume", "CreateSnapshot", "CreateVolume", "DeleteVolume"} if carry == "volume" else set())
    tried = [right for right in rights if not right.skipped]
    assert all(right.arguments.get("VolumeId", "vol-data") == "vol-data" for right in tried)
    assert {right.action for right in tried if "VolumeId" in right.arguments} == (actions - {"CreateVolume"} if has_data else set())
