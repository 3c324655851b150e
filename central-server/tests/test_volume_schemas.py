"""Data volumes on the wire: what is refused, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from spot_server.features.agent_config.schemas import ConfigChangeSchema

SHOP = {"device_name": "/dev/sdf", "mount_point": "/srv/shop", "file_system": "ext4"}


@pytest.mark.parametrize(
    ("volumes", "said"),
    [
        ([{**SHOP, "device_name": "sdf"}], "expected a device such as /dev/sdf"),
        ([{**SHOP, "mount_point": "/"}], "expected an absolute path other than /"),
        ([{**SHOP, "mount_point": "/srv/../etc"}], "without .."),
        ([{**SHOP, "file_system": "ntfs"}], "expected one of ext4"),
        ([{**SHOP, "name_tag": "shop"}], "either device_name or name_tag"),
        ([{"mount_point": "/srv", "file_system": "xfs"}], "either device_name or name_tag"),
        ([SHOP, {**SHOP, "device_name": "/dev/sdg", "mount_point": "/srv/shop/inner"}], "apart from each other"),
        ([SHOP, {**SHOP, "mount_point": "/srv/other"}], "expected each volume once"),
        ([{**SHOP, "device_name": f"/dev/sd{n}", "mount_point": f"/srv/{n}"} for n in "fghijklmn"], "Longer than maximum length 8"),
    ],
)
def test_volumes_that_cannot_be_meant_are_refused_with_what_would_be_right(volumes: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ConfigChangeSchema().load({"carry": "volume", "data_volumes": volumes})

    assert said in str(caught.value.messages)


def test_volumes_apart_from_each_other_are_taken_as_they_are() -> None:
    volumes = [SHOP, {"name_tag": "uploads", "mount_point": "/srv/shopping", "file_system": "xfs"}]

    assert ConfigChangeSchema().load({"carry": "volume", "data_volumes": volumes})["data_volumes"] == volumes
