"""The calls of Route 53 about A records, in boto3's shapes: both forms of the region answer with these."""

from collections.abc import Callable, Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from spot_simulator.dns.resolver import Told
from spot_simulator.dns.zones import Action, Change, Wish, Zone, Zones, whole_name
from spot_simulator.ec2.errors import Ec2Error

Parameters = Mapping[str, Any]
Shape = dict[str, Any]

_PAGE = 300
"""Record sets of an answer at most."""
_SERVERS = ("ns-1.awsdns-00.com.", "ns-2.awsdns-00.net.")
_HOST_MASTER = "awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"


class DnsCalls:
    """Called with the region's lock held; each raises ``Ec2Error`` for what AWS refuses."""

    def __init__(self, zones: Zones) -> None:
        """Take the zones."""
        self._zones = zones
        self._references: set[str] = set()

    def handlers(self) -> dict[str, Callable[[Parameters], Shape]]:
        """Return every operation with what answers it."""
        return {
            "CreateHostedZone": self.create_zone,
            "ChangeResourceRecordSets": self.change,
            "ListResourceRecordSets": self.list_records,
            "GetChange": self.get_change,
        }

    def create_zone(self, parameters: Parameters) -> Shape:
        """Answer CreateHostedZone: a public one."""
        reference = parameters["CallerReference"]
        if reference in self._references:
            raise Ec2Error("HostedZoneAlreadyExists", f"A hosted zone has already been created with the reference {reference}")
        self._references.add(reference)
        zone, change = self._zones.add(parameters["Name"])
        shown = {"Id": f"/hostedzone/{zone.zone_id}", "Name": zone.name, "CallerReference": reference}
        return {
            "HostedZone": shown,
            "ChangeInfo": _change_info(change),
            "DelegationSet": {"NameServers": [server.rstrip(".") for server in _SERVERS]},
            "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.zone_id}",
        }

    def change(self, parameters: Parameters) -> Shape:
        """Answer ChangeResourceRecordSets."""
        zone = self._zones.find(_bare(parameters["HostedZoneId"]))
        wishes = [_wish(change) for change in parameters["ChangeBatch"]["Changes"]]
        return {"ChangeInfo": _change_info(self._zones.change(zone, wishes))}

    def list_records(self, parameters: Parameters) -> Shape:
        """Answer ListResourceRecordSets: in the order of the names read from their end, from a name on."""
        zone = self._zones.find(_bare(parameters["HostedZoneId"]))
        most = int(parameters.get("MaxItems", _PAGE))
        name, kind = parameters.get("StartRecordName"), parameters.get("StartRecordType", "")
        start = _order(whole_name(name), kind) if name is not None else ()
        found = [shown for shown in _sets(zone) if _order(shown["Name"], shown["Type"]) >= start]
        answer: Shape = {"ResourceRecordSets": found[:most], "IsTruncated": len(found) > most, "MaxItems": str(most)}
        if len(found) > most:
            answer |= {"NextRecordName": found[most]["Name"], "NextRecordType": found[most]["Type"]}
        return answer

    def get_change(self, parameters: Parameters) -> Shape:
        """Answer GetChange."""
        change_id = _bare(parameters["Id"])
        change = self._zones.changes.get(change_id)
        if change is None:
            raise Ec2Error("NoSuchChange", f"A change with id {change_id} does not exist")
        return {"ChangeInfo": _change_info(change)}


def _wish(change: Parameters) -> Wish:
    shown = change["ResourceRecordSet"]
    if shown["Type"] != "A":
        raise Ec2Error("InvalidInput", f"The simulated region has A records only, not {shown['Type']}")
    values = tuple(record["Value"] for record in shown["ResourceRecords"])
    for value in values:
        try:
            IPv4Address(value)
        except AddressValueError as error:
            text = f"[Invalid Resource Record: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) with '{value}']"
            raise Ec2Error("InvalidChangeBatch", text) from error
    return Wish(Action(change["Action"]), whole_name(shown["Name"]), Told(values, shown["TTL"]))


def _sets(zone: Zone) -> list[Shape]:
    servers = [{"Value": server} for server in _SERVERS]
    own: list[Shape] = [
        {"Name": zone.name, "Type": "NS", "TTL": 172800, "ResourceRecords": servers},
        {"Name": zone.name, "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": f"{_SERVERS[0]} {_HOST_MASTER}"}]},
    ]
    asked_for = [
        {"Name": _written(name), "Type": "A", "TTL": told.ttl_seconds, "ResourceRecords": [{"Value": value} for value in told.values]}
        for name, told in zone.records.items()
    ]
    return sorted([*own, *asked_for], key=lambda shown: _order(shown["Name"], shown["Type"]))


def _order(name: str, kind: str) -> tuple[list[str], str]:
    return name.replace("\\052", "*").rstrip(".").split(".")[::-1], kind


def _written(name: str) -> str:
    """Return a name as Route 53 shows it: ``*`` as an octal escape."""
    return name.replace("*", "\\052")


def _change_info(change: Change) -> Shape:
    status = "INSYNC" if change.is_in_sync else "PENDING"
    return {"Id": f"/change/{change.change_id}", "Status": status, "SubmittedAt": change.submitted_at.replace(microsecond=0)}


def _bare(written: str) -> str:
    """Return an id without the path that Route 53 puts before it."""
    return written.rpartition("/")[2]
