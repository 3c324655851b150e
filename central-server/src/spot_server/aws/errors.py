"""What AWS's error codes mean, in the words of docs/agent-protocol.md. Data and plain exceptions: rules may import this."""

from __future__ import annotations

from enum import StrEnum


class ErrorClass(StrEnum):
    """The classes of `error.class` that an act of the control role can end with. The daemons use the same names."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    PRICE = "price"
    SUBNET = "subnet"
    POOL_INVALID = "pool_invalid"
    THROTTLED = "throttled"
    IDEMPOTENCY = "idempotency"
    NOT_AUTHORIZED = "not_authorized"
    RACE = "race"
    NOT_FOUND = "not_found"
    STALE_EPOCH = "stale_epoch"
    UNKNOWN_KIND = "unknown_kind"
    CHECK_FAILED = "check_failed"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNEXPECTED = "unexpected"


CODES: dict[ErrorClass, tuple[str, ...]] = {
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
"""EC2 code by meaning. Source: the error tables of the EC2 and FIS API references; what each class leads to is in docs/control-role.md."""

_CLASS_OF_CODE = {code: error_class for error_class, codes in CODES.items() for code in codes}
_ABSENT_SUFFIXES = (".NotFound", "NotFound", ".Unknown", "ResourceNotFoundException")

ASSUME_ROLE_PREFIX = "AssumeRole."
"""Begins the code of an error with which STS refused the whole role, as opposed to EC2 refusing one act."""


def class_of_code(code: str) -> ErrorClass:
    """Return the meaning of an AWS error code; UNEXPECTED for one that is in no table, so that it is seen and added here."""
    known = _CLASS_OF_CODE.get(code)
    if known is not None:
        return known
    return ErrorClass.NOT_FOUND if is_absence(code) else ErrorClass.UNEXPECTED


def is_absence(code: str) -> bool:
    """Tell whether EC2 says that there is no such thing, such as InvalidInstanceID.NotFound."""
    return code.endswith(_ABSENT_SUFFIXES)


class ActFailed(Exception):
    """An act failed in a way that has a class; `code` is AWS's, or our own in snake_case."""

    def __init__(self, error_class: ErrorClass, code: str, message: str) -> None:
        """`message` is for a person."""
        super().__init__(f"{error_class}: {code}: {message}")
        self.error_class = error_class
        self.code = code
        self.message = message


class AwsFailed(ActFailed):
    """AWS refused, or could not be asked. `may_have_acted`: the call went out and its answer is not known."""

    def __init__(self, error_class: ErrorClass, code: str, message: str, *, may_have_acted: bool = False) -> None:
        """`may_have_acted` is False for a definite refusal, and for a connection that was never made."""
        super().__init__(error_class, code, message)
        self.may_have_acted = may_have_acted
