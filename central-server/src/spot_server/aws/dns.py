"""Route 53 with a role's credentials. The client is made at the first call: few agents have a record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spot_server.aws.asking import asked
from spot_server.aws.ports import RecordFacts

RECORD_TYPE = "A"
_IN_SYNC = "INSYNC"


class Boto3Dns:
    """The real Dns. Safe to share between threads."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` gives the same client each time."""
        self._client = client

    def find_record(self, hosted_zone_id: str, record_name: str) -> RecordFacts | None:
        """Read an A record; the list begins with the first name that is not before the one asked for."""
        client = self._client()
        answer = asked(
            lambda: client.list_resource_record_sets(
                HostedZoneId=hosted_zone_id, StartRecordName=record_name, StartRecordType=RECORD_TYPE, MaxItems="1"
            )
        )
        found = next(iter(answer["ResourceRecordSets"]), None)
        if found is None or found["Type"] != RECORD_TYPE or _name(found["Name"]) != _name(record_name):
            return None
        return RecordFacts(tuple(record["Value"] for record in found.get("ResourceRecords", [])), found.get("TTL"))

    def upsert_record(self, hosted_zone_id: str, record_name: str, value: str, ttl_seconds: int) -> str:
        """Have an A record name one address."""
        client = self._client()
        answer = asked(
            lambda: client.change_resource_record_sets(
                HostedZoneId=hosted_zone_id,
                ChangeBatch={
                    "Changes": [
                        {
                            "Action": "UPSERT",
                            "ResourceRecordSet": {
                                "Name": record_name,
                                "Type": RECORD_TYPE,
                                "TTL": ttl_seconds,
                                "ResourceRecords": [{"Value": value}],
                            },
                        }
                    ]
                },
            )
        )
        return str(answer["ChangeInfo"]["Id"])

    def is_in_sync(self, change_id: str) -> bool:
        """Ask how far a change is."""
        client = self._client()
        status: str = asked(lambda: client.get_change(Id=change_id))["ChangeInfo"]["Status"]
        return status == _IN_SYNC


def _name(name: str) -> str:
    """Return a name as zones compare it: without case and final dot; Route 53 writes `*` as an octal escape."""
    return name.rstrip(".").lower().replace("\\052", "*")
