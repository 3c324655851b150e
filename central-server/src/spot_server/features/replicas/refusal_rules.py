"""What a refused launch speaks of: one place, every place of its AZ, all that one quota holds, or every place there is."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from enum import StrEnum

from spot_server.features.replicas.placement import Place

EVERYWHERE_REFUSALS = frozenset(
    {"InvalidKeyPair.NotFound", "InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidSnapshot.NotFound"}
)
"""EC2's codes for what every launch of an agent names, wherever it goes. Source: the error table of the EC2 API reference."""

SUBNETS_GONE = frozenset({"InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", "InvalidSubnet"})
"""EC2's codes for a subnet that there is not."""

_STANDARD_FAMILIES = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})


class Scope(StrEnum):
    """What a refusal leaves out for a replica."""

    PLACE = "place"
    ZONE = "zone"
    QUOTA = "quota"


def is_ec2s_word(code: str | None) -> bool:
    """Tell whether an error's code is EC2's, by which nothing was launched.

    The others are in snake_case, or name what was raised where the call was made: before it, or after EC2 had launched an instance.
    """
    return code is not None and code[:1].isupper() and not hasattr(builtins, code)


def quota_group(instance_type: str) -> str:
    """Return the name of the vCPU quota that holds a type: the standard families share one, any other family is taken for its own.

    Some of those share one too (G and VT). Each of them is asked once then, which costs a call; a place too few may cost the workload.
    """
    family = instance_type.partition(".")[0]
    letters = family[: next((index for index, one in enumerate(family) if not one.isalpha()), len(family))]
    return "standard" if letters in _STANDARD_FAMILIES else family


def places_left_out(refused: Place, scope: Scope, places: Iterable[Place], vcpus: Mapping[str, int]) -> list[str]:
    """Return the keys of the places that a refusal of `refused` speaks of, itself first. `vcpus` is keyed by type.

    A quota may still have room for a type with fewer vCPU than the one that was refused.
    """
    others = [place.key for place in places if place != refused and _is_spoken_of(place, refused, scope, vcpus)]
    return [refused.key, *others]


def _is_spoken_of(place: Place, refused: Place, scope: Scope, vcpus: Mapping[str, int]) -> bool:
    match scope:
        case Scope.PLACE:
            return False
        case Scope.ZONE:
            return place.az_id == refused.az_id
        case Scope.QUOTA:
            is_held = place.mode is refused.mode and quota_group(place.instance_type) == quota_group(refused.instance_type)
            own, other = vcpus.get(refused.instance_type), vcpus.get(place.instance_type)
            return is_held and (own is None or other is None or other >= own)
