"""The one tree of errors that a caller can be told about; `http.problems` maps it to problem+json.

The docstring of a class is its default title, so that the documentation and the answer cannot differ.
"""

from __future__ import annotations

from typing import Any

from spot_server.field_words import invalid_sentence


class ProductError(Exception):
    """Something went wrong."""

    status = 500
    slug = "internal-error"

    def __init__(self, detail: str = "", **extensions: Any) -> None:  # noqa: ANN401 - JSON members of the problem document
        """`detail` tells this case; `extensions` become members of the problem document."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.extensions = extensions

    @classmethod
    def title(cls) -> str:
        """Return the first line of the class's docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]


class DatabaseUnavailable(ProductError):
    """The database cannot be reached; nothing was stored."""

    status = 503
    slug = "database-unavailable"


class TokenMissing(ProductError):
    """A bearer token is needed."""

    status = 401
    slug = "token-missing"

    def __init__(self) -> None:
        """Say how a token is sent: it may have been sent, in another way."""
        super().__init__("expected the header Authorization: Bearer <token>")


class TokenInvalid(ProductError):
    """The token is unknown, expired, used up or revoked."""

    status = 401
    slug = "token-invalid"


class TokenKindWrong(ProductError):
    """A token of this kind may not do that."""

    status = 403
    slug = "token-kind-wrong"


class NotFound(ProductError):
    """There is no such thing, or it is not yours."""

    status = 404
    slug = "not-found"


class EventsGone(ProductError):
    """The events after this number are not in the log, or not any more."""

    status = 410
    slug = "events-gone"


class FieldInvalid(ProductError):
    """A field has a value that cannot be used."""

    status = 422
    slug = "field-invalid"

    def __init__(self, field: str, value: object, expected: str) -> None:
        """Name the field, what was given, and what would be right."""
        reason = f"expected {expected}"
        super().__init__(invalid_sentence(field, value, reason), errors=[{"field": field, "value": value, "reason": reason}])


class RangeTooWide(ProductError):
    """The answer would be larger than one answer may be."""

    status = 422
    slug = "range-too-wide"


class SettingsConflict(ProductError):
    """These settings exclude each other."""

    status = 409
    slug = "settings-conflict"


class RequestIdReused(ProductError):
    """The same request_id was used before with another body."""

    status = 409
    slug = "request-id-reused"


class OutcomeDiffers(ProductError):
    """This command already has another outcome."""

    status = 409
    slug = "outcome-differs"


class UnexpectedInstance(ProductError):
    """Another instance lives under this logical agent id."""

    status = 409
    slug = "unexpected-instance"


class InstanceNotWanted(ProductError):
    """This instance was launched for something that has ended; it waits to be terminated and must not serve."""

    status = 409
    slug = "instance-not-wanted"


class InstanceOwned(ProductError):
    """Another controller owns this instance."""

    status = 409
    slug = "instance-owned"


class InstanceNotMatchedYet(ProductError):
    """The launch of this instance is not recorded yet; try again."""

    status = 425
    slug = "instance-not-matched-yet"


class RoleZombie(ProductError):
    """This instance is no longer part of its agent."""

    status = 409
    slug = "role-zombie"


class SwitchInProgress(ProductError):
    """The agent is already being moved."""

    status = 409
    slug = "switch-in-progress"


class MoveRefused(ProductError):
    """This move cannot be made."""

    status = 409
    slug = "move-refused"


class NoImage(ProductError):
    """There is no good image to launch from."""

    status = 409
    slug = "no-image"


class ClaimRefused(ProductError):
    """The claim to be primary does not stand: whoever made it must step down."""

    status = 409
    slug = "claim-refused"


class StateConflict(ProductError):
    """The thing is not in a state in which that can be done."""

    status = 409
    slug = "state-conflict"


class GameDayInProgress(ProductError):
    """A game day is being played against this agent already."""

    status = 409
    slug = "game-day-in-progress"


class GameDayRefused(ProductError):
    """This game day cannot be played now."""

    status = 409
    slug = "game-day-refused"
