"""Data volumes on the wire: which volume of the primary it is, and where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from spot_server.http.fields import BoundedText
from spot_server.http.schemas import StrictSchema

MOST_VOLUMES = 8
"""All of them move while the workload stands still."""

FILE_SYSTEMS = ("ext4", "xfs", "ext3", "btrfs")


def _require_place(value: str) -> None:
    if not value.startswith("/") or ".." in PurePosixPath(value).parts or not value.strip("/"):
        raise ValidationError(f"expected an absolute path other than / without .., such as /srv/shop, not {value!r}")


class _PlaceText(BoundedText):
    """An absolute path that something can be mounted at."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        super().__init__(least=2, most=255, **kwargs)
        self.validators.append(_require_place)


class _DeviceText(BoundedText):
    """A device as EC2 names it."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        super().__init__(least=6, most=32, **kwargs)
        self.validators.append(validate.Regexp(r"^/dev/[a-z0-9]+$", error="expected a device such as /dev/sdf, not {input!r}"))


class DataVolumeSchema(StrictSchema):
    """One data volume of the carry `volume`; see docs/carries.md."""

    device_name = _DeviceText(metadata={"description": "As EC2 shows it at the primary, such as /dev/sdf; this or `name_tag`."})
    name_tag = BoundedText(least=1, most=255, metadata={"description": "What the volume's tag `Name` says; this or `device_name`."})
    mount_point = _PlaceText(required=True, metadata={"description": "Where its file system is mounted on every instance."})
    file_system = fields.String(required=True, validate=validate.OneOf(FILE_SYSTEMS, error="expected one of {choices}, not {input!r}"))

    @validates_schema
    def require_one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Refuse an entry that names no volume, or names it twice."""
        if ("device_name" in data) == ("name_tag" in data):
            raise ValidationError({"device_name": ["expected either device_name or name_tag, to say which volume it is"]})


def refuse_shared_places(volumes: Sequence[dict[str, Any]]) -> None:
    """Refuse two volumes in one place, or one inside the other's, and one volume that is named twice."""
    for index, volume in enumerate(volumes):
        place = PurePosixPath(volume["mount_point"])
        for earlier, other in enumerate(volumes[:index]):
            taken = PurePosixPath(other["mount_point"])
            if place == taken or place in taken.parents or taken in place.parents:
                raise ValidationError(
                    f"expected mount points apart from each other; number {index} ({place}) and number {earlier} ({taken}) are not"
                )
            if any(name in volume and volume[name] == other.get(name) for name in ("device_name", "name_tag")):
                raise ValidationError(f"expected each volume once; number {index} is the one of number {earlier}")
