"""What EC2's codes mean is the same for the daemon and for the control role, and as docs/agent-protocol.md and AWS have it."""

from __future__ import annotations

import pytest

from spot_agent.rules import ec2_errors as daemons
from spot_server.aws import errors as servers

AWS_TABLE = {
    "capacity": "InsufficientInstanceCapacity UnfulfillableCapacity InsufficientHostCapacity ReservationCapacityExceeded",
    "quota": "MaxSpotInstanceCountExceeded VcpuLimitExceeded InstanceLimitExceeded MaxFleetCountExceeded AddressLimitExceeded",
    "price": "SpotMaxPriceTooLow",
    "subnet": "InsufficientFreeAddressesInSubnet InvalidSubnetID.NotFound",
    "pool_invalid": "Unsupported UnsupportedOperation InvalidParameterCombination",
    "throttled": "RequestLimitExceeded Throttling",
    "idempotency": "IdempotentParameterMismatch IdempotentInstanceTerminated",
    "not_authorized": "UnauthorizedOperation AuthFailure AuthFailure.ServiceLinkedRoleCreationNotPermitted",
    "race": "InvalidInstanceID.NotFound IncorrectInstanceState IncorrectSpotRequestState InvalidAMIID.Unavailable VolumeInUse",
}
NOVELTIES = ("Novelty", "InvalidThing.NotFound", "NotFound", "InvalidPlacementGroup.Unknown", "ResourceNotFoundException", "")


def test_the_daemon_and_the_control_role_call_every_code_the_same() -> None:
    known = {code for table in (daemons.MEANINGS, servers.CODES) for codes in table.values() for code in codes}

    for code in sorted(known | set(NOVELTIES)):
        assert (code, daemons.class_of_code(code).value) == (code, servers.class_of_code(code).value)
        assert (code, daemons.is_absence(code)) == (code, servers.is_absence(code))


@pytest.mark.parametrize("error_class", sorted(AWS_TABLE))
def test_what_aws_says_of_its_codes_is_obeyed(error_class: str) -> None:
    assert {servers.class_of_code(code).value for code in AWS_TABLE[error_class].split()} == {error_class}
