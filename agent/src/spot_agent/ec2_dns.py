"""Route 53. The client, and botocore's description of the service, are only made for an agent that has a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spot_agent.ec2_asking import asked
from spot_agent.ec2_facts import RecordFacts

RECORD_TYPE = "A"
_IN_SYNC = "INSYNC"


class BotocoreDns:
    """Safe to share between threads."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` gives the same client each time."""
        self._client = client

    def find_record(self, hosted_zone_id: str, record_name: str) -> RecordFacts | None:
        """Read an A record; the list begins with the first name that is not before the one asked for."""
        wanted = {"HostedZoneId": hosted_zone_id, "StartRecordName": record_name, "StartRecordType": RECORD_TYPE, "MaxItems": "1"}
        answer = asked(lambda: self._client().list_resource_record_sets(**wanted))
        found = next(iter(answer["ResourceRecordSets"]), None)
        if found is None or found["Type"] != RECORD_TYPE or _name(found["Name"]) != _name(record_name):
            return None
        return RecordFacts(tuple(record["Value"] for record in found.get("ResourceRecords", [])), found.get("TTL"))

    def upsert_record(self, hosted_zone_id: str, record_name: str, value: str, ttl_seconds: int) -> str:
        """Have an A record name one address; the change's id."""
        record = {"Name": record_name, "Type": RECORD_TYPE, "TTL": ttl_seconds, "ResourceRecords": [{"Value": value}]}
        batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        answer = asked(lambda: self._client().change_resource_record_sets(HostedZoneId=hosted_zone_id, ChangeBatch=batch))
        return str(answer["ChangeInfo"]["Id"])

    def is_in_sync(self, change_id: str) -> bool:
        """Whether all of Route 53's servers answer with the change."""
        status: str = asked(lambda: self._client().get_change(Id=change_id))["ChangeInfo"]["Status"]
        return status == _IN_SYNC


def _name(name: str) -> str:
    """A name as zones compare it: without case and final dot; Route 53 writes `*` as an octal escape."""
    return name.rstrip(".").lower().replace("\\052", "*")
