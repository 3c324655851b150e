"""The call of the Price List API about instance types, in boto3's shapes: both forms of the region answer with it."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.model.catalogue import CATALOGUE, CatalogueEntry

Parameters = Mapping[str, Any]
Shape = dict[str, Any]

LARGEST_PAGE = 100
_OFFER_TERM, _RATE = "JRTCKXETXF", "6YS6EN2CT7"
"""AWS's codes for on demand, and for its rate by the hour."""


class PriceListCalls:
    """Called with the region's lock held; raises ``Ec2Error`` for what AWS refuses."""

    def __init__(self, region: str, types: Sequence[str], began_at: datetime) -> None:
        """``types`` are those that the region offers; their prices count since ``began_at``."""
        self._region, self._began_at = region, began_at
        self._entries = [entry for entry in CATALOGUE if entry.instance_type in types]

    def handlers(self) -> dict[str, Callable[[Parameters], Shape]]:
        """Return every operation with what answers it."""
        return {"GetProducts": self.products}

    def products(self, parameters: Parameters) -> Shape:
        """Answer GetProducts: Linux on shared hardware, one product for each type."""
        if parameters.get("ServiceCode") != "AmazonEC2":
            raise Ec2Error("NotFoundException", f"The service code {parameters.get('ServiceCode')} is invalid")
        most = int(parameters.get("MaxResults") or LARGEST_PAGE)
        if not 1 <= most <= LARGEST_PAGE:
            raise Ec2Error("InvalidParameterException", f"MaxResults is from 1 to {LARGEST_PAGE}")
        wanted = {asked["Field"]: asked["Value"] for asked in parameters.get("Filters", ())}
        found = [entry for entry in self._entries if wanted.items() <= self._attributes(entry).items()]
        begin = _position(parameters.get("NextToken"))
        page = [json.dumps(self._product(entry)) for entry in found[begin : begin + most]]
        answer: Shape = {"FormatVersion": "aws_v1", "PriceList": page}
        return answer | {"NextToken": _token(begin + most)} if begin + most < len(found) else answer

    def _attributes(self, entry: CatalogueEntry) -> dict[str, str]:
        return {
            "servicecode": "AmazonEC2",
            "regionCode": self._region,
            "instanceType": entry.instance_type,
            "vcpu": str(entry.vcpus),
            "memory": f"{entry.memory_mib // 1024} GiB",
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "licenseModel": "No License required",
            "marketoption": "OnDemand",
        }

    def _product(self, entry: CatalogueEntry) -> Shape:
        sku = entry.instance_type.upper().replace(".", "")
        rate = {
            "unit": "Hrs",
            "beginRange": "0",
            "endRange": "Inf",
            "description": f"${entry.usd_per_hour} per On Demand Linux {entry.instance_type} Instance Hour",
            "appliesTo": [],
            "rateCode": f"{sku}.{_OFFER_TERM}.{_RATE}",
            "pricePerUnit": {"USD": f"{entry.usd_per_hour:.10f}"},
        }
        term = {
            "sku": sku,
            "offerTermCode": _OFFER_TERM,
            "effectiveDate": self._began_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "termAttributes": {},
            "priceDimensions": {f"{sku}.{_OFFER_TERM}.{_RATE}": rate},
        }
        return {
            "serviceCode": "AmazonEC2",
            "product": {"productFamily": "Compute Instance", "sku": sku, "attributes": self._attributes(entry)},
            "terms": {"OnDemand": {f"{sku}.{_OFFER_TERM}": term}},
            "version": self._began_at.strftime("%Y%m%d%H%M%S"),
            "publicationDate": self._began_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


def _token(begin: int) -> str:
    return base64.urlsafe_b64encode(str(begin).encode()).decode()


def _position(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise Ec2Error("InvalidNextTokenException", f"The pagination token is invalid: {token}") from error
