"""botocore's descriptions of services, of which only what the daemon calls becomes objects.

botocore reads the models of a service whole: EC2's is 4 MB of JSON for 790 operations, of which the daemon calls 29, and the
directory of endpoints lists every service of AWS. What is kept is kept as it is, so requests are written and answers are read
the same. Nothing is stored: at every start the models are those of the botocore that is installed (docs/adr/0011).
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

from spot_agent.logs import Log
from spot_agent.partial_json import opened, whole

EC2_OPERATIONS = (
    "AssignPrivateIpAddresses",
    "AssociateAddress",
    "AttachVolume",
    "CancelSpotInstanceRequests",
    "CreateImage",
    "CreateSnapshot",
    "CreateSnapshots",
    "CreateTags",
    "CreateVolume",
    "DeleteSnapshot",
    "DeleteVolume",
    "DeregisterImage",
    "DescribeAddresses",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceCreditSpecifications",
    "DescribeInstanceStatus",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeSnapshots",
    "DescribeSpotInstanceRequests",
    "DescribeSpotPriceHistory",
    "DescribeSubnets",
    "DescribeVolumes",
    "DetachVolume",
    "DisassociateAddress",
    "ModifyInstanceAttribute",
    "RunInstances",
    "StopInstances",
    "TerminateInstances",
)

OPERATIONS = {
    "ec2": EC2_OPERATIONS,
    "elbv2": ("DeregisterTargets", "DescribeTargetHealth", "RegisterTargets"),
    "route53": ("ChangeResourceRecordSets", "GetChange", "ListResourceRecordSets"),
}
"""All that `ec2.py`, `ec2_volumes.py`, `ec2_balancing.py` and `ec2_dns.py` call, by botocore's name of the service; a test compares."""

ENDPOINT_SERVICES = ("ec2", "elasticloadbalancing", "oidc", "portal.sso", "route53", "signin", "sts")
"""Those three, and what botocore itself calls to get credentials: profiles that assume a role or sign in."""

Model = Mapping[str, Any]
Reduced = dict[str, Any]

_SERVICE_LEVELS = 2  # {"shapes": {NAME: unread}}
_ENDPOINTS_LEVELS = 4  # {"partitions": [{"services": {NAME: unread}}]}

# Whatever an unforeseen botocore may hold in its files ends in one of these.
_NOT_AS_FORESEEN = (OSError, zlib.error, ValueError, LookupError, TypeError, AttributeError)
_GZIP = 16 + zlib.MAX_WBITS


class ReducedFiles(JSONFileLoader):
    """Reads botocore's data files. One that cannot be reduced is read whole, and the log says so."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def load_file(self, file_path: str) -> Any:  # noqa: ANN401 - whatever the file holds, as in botocore's own loader
        """Read `file_path`, to which .json or .json.gz is added; None when there is no such file."""
        reduction = _reduction_of(Path(file_path))
        if reduction is not None and self.exists(file_path):
            try:
                return reduction(_text(file_path))
            except _NOT_AS_FORESEEN as error:
                self._log.warning("aws_model_not_reduced", path=file_path, error=repr(error))
        return super().load_file(file_path)


def _reduction_of(path: Path) -> Callable[[str], Reduced] | None:
    if path.name == "endpoints":
        return reduced_endpoints
    operations = OPERATIONS.get(path.parent.parent.name)
    return None if path.name != "service-2" or operations is None else partial(reduced_service, operations=operations)


def _text(file_path: str) -> str:
    plain = Path(f"{file_path}.json")
    return (plain.read_bytes() if plain.is_file() else _unzipped(Path(f"{file_path}.json.gz").read_bytes())).decode()


def _unzipped(packed: bytes) -> bytes:
    """In one piece of memory, whose size the last four bytes tell: growing piece by piece leaves 2 MiB of holes for good."""
    return zlib.decompress(packed, wbits=_GZIP, bufsize=int.from_bytes(packed[-4:], "little"))


def reduced_service(text: str, operations: Iterable[str]) -> Reduced:
    """A service's model with these operations and the shapes that they reach. LookupError when one is missing."""
    model = opened(text, _SERVICE_LEVELS)
    kept = {name: _essential(whole(model["operations"][name])) for name in operations}
    shapes: Reduced = {}
    waiting = [name for operation in kept.values() for name in _shapes_of_operation(operation)]
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = _essential(whole(model["shapes"][name]))
            waiting.extend(_shapes_of_shape(shapes[name]))
    rest = {name: whole(member) for name, member in model.items() if name not in ("operations", "shapes")}
    return {**rest, "operations": kept, "shapes": shapes}


_FOR_READERS = {"documentation": str, "enum": list}
"""Members of operations and shapes that say something to people: the manual's text, and the values that a text may have."""


def _essential(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Without what is for readers; a member of a structure that has such a name is an object, and stays. Equal texts are one."""
    if isinstance(value, dict):
        kept = {name: member for name, member in value.items() if not isinstance(member, _FOR_READERS.get(name, ()))}
        return {sys.intern(name): _essential(member) for name, member in kept.items()}
    if isinstance(value, str):
        return sys.intern(value)
    return [_essential(element) for element in value] if isinstance(value, list) else value


def _shapes_of_operation(operation: Model) -> Iterator[str]:
    for side in ("input", "output"):
        if side in operation:
            yield operation[side]["shape"]
    for error in operation.get("errors", []):
        yield error["shape"]


def _shapes_of_shape(shape: Model) -> Iterator[str]:
    for element in ("member", "key", "value"):
        if element in shape:
            yield shape[element]["shape"]
    for member in shape.get("members", {}).values():
        yield member["shape"]


def reduced_endpoints(text: str) -> Reduced:
    """The directory with all partitions and regions, and of the services those that the daemon may call."""
    directory = opened(text, _ENDPOINTS_LEVELS)
    for partition in directory["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in ENDPOINT_SERVICES if name in services}
    reduced: Reduced = whole(directory)
    return reduced
