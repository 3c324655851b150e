"""Maintenance windows on the wire: when decisions may move an agent."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from spot_server.http.fields import BoundedText
from spot_server.http.schemas import StrictSchema
from spot_server.time_zones import is_time_zone
from spot_server.weekdays import WEEKDAYS


class TimeOfDayText(BoundedText):
    """A time of day to the minute, such as 02:30."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Check the shape."""
        super().__init__(least=5, most=5, **kwargs)
        self.validators.append(validate.Regexp(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", error="expected a time of day from 00:00 to 23:59"))


class TimeZoneText(BoundedText):
    """A time zone by its name in the IANA list."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Look the name up."""
        super().__init__(least=1, most=64, **kwargs)
        self.validators.append(_known_zone)


def _known_zone(value: str) -> None:
    if not is_time_zone(value):
        raise ValidationError("expected the name of a time zone such as Europe/Berlin or UTC")


def _no_twins(days: list[str]) -> None:
    if len(set(days)) != len(days):
        raise ValidationError("expected each day once")


class MaintenanceWindowSchema(StrictSchema):
    """The same hours on each of some days of the week. One that ends before it starts ends on the next day."""

    days = fields.List(
        fields.String(validate=validate.OneOf(WEEKDAYS, error=f"expected one of {', '.join(WEEKDAYS)}")),
        required=True,
        validate=[validate.Length(min=1, max=len(WEEKDAYS), error="expected 1 to 7 days"), _no_twins],
        metadata={"description": "On which the window starts."},
    )
    starts_at = TimeOfDayText(required=True, metadata={"description": "Such as 02:00, in `time_zone`."})
    ends_at = TimeOfDayText(required=True, metadata={"description": "Such as 05:00; not the same as starts_at."})
    time_zone = TimeZoneText(required=True, metadata={"description": "Such as Europe/Berlin or UTC."})

    @validates_schema
    def require_hours(self, data: dict[str, Any], **_kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Refuse a window of no length."""
        if data["starts_at"] == data["ends_at"]:
            raise ValidationError("expected another time than starts_at; for a whole day leave the window out", "ends_at")
