"""What EC2's error codes mean. Source: the error table of the EC2 API reference and docs/agent-protocol.md."""

from __future__ import annotations

from spot_agent.errors import ErrorClass

MEANINGS: dict[ErrorClass, tuple[str, ...]] = {
    ErrorClass.CAPACITY: (
        "InsufficientInstanceCapacity",
        "UnfulfillableCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "ReservationCapacityExceeded",
    ),
    ErrorClass.QUOTA: (
        "MaxSpotInstanceCountExceeded",
        "VcpuLimitExceeded",
        "InstanceLimitExceeded",
        "MaxFleetCountExceeded",
        "AddressLimitExceeded",
        "ServiceQuotaExceededException",
    ),
    ErrorClass.PRICE: ("SpotMaxPriceTooLow",),
    ErrorClass.SUBNET: (
        "InsufficientFreeAddressesInSubnet",
        "InvalidSubnet",
        "InvalidSubnetID.Malformed",
        "InvalidSubnetID.NotFound",
    ),
    ErrorClass.POOL_INVALID: (
        "Unsupported",
        "UnsupportedOperation",
        "UnsupportedTenancy",
        "InvalidParameterCombination",
        "VolumeTypeNotAvailableInZone",
    ),
    ErrorClass.THROTTLED: (
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ConcurrentSnapshotLimitExceeded",
        "PriorRequestNotComplete",
    ),
    ErrorClass.IDEMPOTENCY: ("IdempotentParameterMismatch", "IdempotentInstanceTerminated"),
    ErrorClass.NOT_AUTHORIZED: (
        "UnauthorizedOperation",
        "AuthFailure",
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
    ),
    ErrorClass.RACE: (
        "InvalidInstanceID",
        "InvalidInstanceID.NotFound",
        "IncorrectInstanceState",
        "IncorrectState",
        "IncorrectSpotRequestState",
        "InvalidAMIID.Unavailable",
        "VolumeInUse",
        "InvalidNetworkInterface.InUse",
        "InvalidSnapshot.InUse",
    ),
    ErrorClass.REFUSED: (
        "Resource.AlreadyAssociated",
        "OperationNotPermitted",
        "ValidationException",
        "ConflictException",
        "InvalidChangeBatch",
        "TooManyTargets",
    ),
    ErrorClass.NOT_FOUND: ("NoSuchHostedZone", "NoSuchChange"),
    ErrorClass.UNREACHABLE: ("InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable"),
}

_CLASS_OF_CODE = {code: error_class for error_class, codes in MEANINGS.items() for code in codes}
_ABSENT_SUFFIXES = (".NotFound", "NotFound", ".Unknown", "ResourceNotFoundException")


def class_of_code(code: str) -> ErrorClass:
    """UNEXPECTED for a code that nobody told us about, so that it is seen and added here."""
    known = _CLASS_OF_CODE.get(code)
    if known is not None:
        return known
    return ErrorClass.NOT_FOUND if is_absence(code) else ErrorClass.UNEXPECTED


def is_absence(code: str) -> bool:
    """Whether EC2 says that there is no such thing, such as InvalidInstanceID.NotFound."""
    return code.endswith(_ABSENT_SUFFIXES)
