"""Load balancers and Route 53 in memory: as the daemon's fakes, which `test_traffic_conformance.py` there holds to the real adapters."""

from __future__ import annotations

from collections.abc import Callable

from spot_server.aws.errors import AwsFailed, class_of_code
from spot_server.aws.ports import RecordFacts, TargetFacts

Calls = Callable[[str], None]


class FakeBalancing:
    """`begin` and `end` are told of every call, and raise what the test wants."""

    def __init__(self, begin: Calls, end: Calls) -> None:
        self._begin, self._end = begin, end
        self.groups: dict[str, dict[tuple[str, int | None], TargetFacts]] = {}

    def settle(self, state: str = "healthy") -> None:
        """Health checks have been made, and what drained is gone."""
        for group in self.groups.values():
            for target in [key for key, facts in group.items() if facts.state == "draining"]:
                del group[target]
            group.update({key: TargetFacts(state) for key in group})

    def register_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        self._begin("register_target")
        known = self._group(target_group_arn).get((instance_id, port))
        if known is None or known.state == "draining":
            self._group(target_group_arn)[instance_id, port] = TargetFacts("initial", "Elb.RegistrationInProgress")
        self._end("register_target")

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        self._begin("deregister_target")
        if (instance_id, port) in self._group(target_group_arn):
            self._group(target_group_arn)[instance_id, port] = TargetFacts("draining", "Target.DeregistrationInProgress")
        self._end("deregister_target")

    def target_state(self, target_group_arn: str, instance_id: str, port: int | None) -> TargetFacts | None:
        self._begin("target_state")
        return self._group(target_group_arn).get((instance_id, port))

    def _group(self, target_group_arn: str) -> dict[tuple[str, int | None], TargetFacts]:
        if target_group_arn not in self.groups:
            raise AwsFailed(class_of_code("TargetGroupNotFound"), "TargetGroupNotFound", "as the test wants it")
        return self.groups[target_group_arn]


class FakeDns:
    """Changes are in sync once `settle` was called."""

    def __init__(self, begin: Calls, end: Calls) -> None:
        self._begin, self._end = begin, end
        self.zones: dict[str, dict[str, RecordFacts]] = {}
        self.pending: set[str] = set()
        self._count = 0

    def settle(self) -> None:
        self.pending.clear()

    def find_record(self, hosted_zone_id: str, record_name: str) -> RecordFacts | None:
        self._begin("find_record")
        return self._zone(hosted_zone_id).get(_name(record_name))

    def upsert_record(self, hosted_zone_id: str, record_name: str, value: str, ttl_seconds: int) -> str:
        self._begin("upsert_record")
        self._zone(hosted_zone_id)[_name(record_name)] = RecordFacts((value,), ttl_seconds)
        self._count += 1
        change_id = f"/change/C{self._count}"
        self.pending.add(change_id)
        self._end("upsert_record")
        return change_id

    def is_in_sync(self, change_id: str) -> bool:
        self._begin("is_in_sync")
        return change_id not in self.pending

    def _zone(self, hosted_zone_id: str) -> dict[str, RecordFacts]:
        if hosted_zone_id not in self.zones:
            raise AwsFailed(class_of_code("NoSuchHostedZone"), "NoSuchHostedZone", "as the test wants it")
        return self.zones[hosted_zone_id]


def _name(name: str) -> str:
    return name.rstrip(".").lower()
