"""EC2's errors: a code, a sentence, and the HTTP status that EC2 gives it."""

_SERVER_ERROR_CODES = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientAddressCapacity",
        "InsufficientVolumeCapacity",
        "InternalError",
        "InternalFailure",
    }
)
_UNAVAILABLE_CODES = frozenset({"RequestLimitExceeded", "ServiceUnavailable", "Unavailable"})
_NOT_FOUND_CODES = frozenset({"NoSuchHostedZone", "NoSuchChange"})
"""Of Route 53, which answers with the status that HTTP has for it."""
_FORBIDDEN_CODES = frozenset({"UnauthorizedOperation", "AuthFailure", "OptInRequired"})
_MESSAGES = {
    "InsufficientInstanceCapacity": "We currently do not have sufficient capacity for the requested instance type in the zone.",
    "UnauthorizedOperation": "You are not authorized to perform this operation.",
    "RequestLimitExceeded": "Request limit exceeded.",
    "InternalError": "An internal error has occurred.",
}


class Ec2Error(Exception):
    """A refusal that EC2 itself would give."""

    def __init__(self, code: str, message: str | None = None) -> None:
        """Without ``message``, EC2's usual sentence for the code, or one that says that the fault was ordered."""
        self.code = code
        self.message = message or _MESSAGES.get(code, "This error was ordered through the region's control API.")
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        """The HTTP status; botocore retries 500 and 503 by itself."""
        if self.code in _SERVER_ERROR_CODES:
            return 500
        if self.code in _UNAVAILABLE_CODES:
            return 503
        if self.code in _NOT_FOUND_CODES:
            return 404
        return 403 if self.code in _FORBIDDEN_CODES else 400
