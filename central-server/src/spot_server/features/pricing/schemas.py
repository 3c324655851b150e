"""Prices on the wire. The rows of a report are read one by one: a bad row is named, the good ones are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from spot_server.features.agent_config.schemas import InstanceTypeText
from spot_server.features.pricing.rules import RefusedRow, ReportedPrice
from spot_server.features.pricing.service import PriceReport
from spot_server.http.fields import BoundedText, StrictInteger, UsdAmount, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema

MOST_PRICES = 5_000
MOST_TYPES = 1_000


class PriceRowSchema(TolerantSchema):
    """One price of one pool."""

    region = BoundedText(least=1, most=32, required=True)
    az_id = BoundedText(least=1, most=32, required=True)
    az_name = BoundedText(most=32, load_default="")
    instance_type = InstanceTypeText(required=True)
    product = BoundedText(least=1, most=64, load_default="Linux/UNIX")
    spot_usd_per_hour = UsdAmount(required=True)
    effective_at = UtcMoment(required=True)

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> ReportedPrice:
        """Return the value that the use case takes."""
        data.pop("az_name")
        return ReportedPrice(usd_per_hour=data.pop("spot_usd_per_hour"), **data)


class InstanceTypeSchema(TolerantSchema):
    """What EC2 says of an instance type."""

    instance_type = InstanceTypeText(required=True)
    vcpu = StrictInteger(least=1, most=4096, required=True)
    memory_mib = StrictInteger(least=1, required=True)
    architectures = fields.List(BoundedText(least=1, most=32), required=True, validate=validate.Length(min=1, max=8))


class UncheckedRows(fields.List[Any]):
    """A list that is documented by its rows' schema, and whose rows are left for their reader to check."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any) -> list[Any]:  # noqa: ANN401 - raw JSON
        if not isinstance(value, list):
            raise self.make_error("invalid")
        return value


class PriceReportSchema(TolerantSchema):
    """What a daemon saw of the markets of its region."""

    report_id = BoundedText(
        least=1, most=128, required=True, metadata={"description": "An instance's last report, sent again, changes nothing."}
    )
    instance_id = BoundedText(least=1, most=64, required=True)
    observed_at = UtcMoment(required=True)
    prices = UncheckedRows(
        fields.Nested(PriceRowSchema),
        required=True,
        validate=validate.Length(max=MOST_PRICES),
        metadata={"description": "Rows are checked one by one: bad ones are named in the answer, good ones are kept, one of each pool."},
    )
    instance_types = fields.List(fields.Nested(InstanceTypeSchema), load_default=list, validate=validate.Length(max=MOST_TYPES))

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> tuple[str, PriceReport]:
        """Return the instance that reports, and its report with the rows sorted out."""
        prices: list[tuple[int, ReportedPrice]] = []
        refused: list[RefusedRow] = []
        row_schema = PriceRowSchema()
        for index, row in enumerate(data["prices"]):
            try:
                prices.append((index, row_schema.load(row)))
            except ValidationError as error:
                refused.append(_refused(index, row, error))
        return data["instance_id"], PriceReport(data["observed_at"], prices, refused, data["instance_types"], data["report_id"])


def _refused(index: int, row: object, error: ValidationError) -> RefusedRow:
    messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]  # marshmallow's own
    field, reasons = next(iter(messages.items()))
    value = row.get(field) if isinstance(row, dict) else row
    reason = reasons[0] if isinstance(reasons, list) else str(reasons)
    return RefusedRow(index, "(row)" if field == "_schema" else str(field), value, str(reason))


class RefusedRowAnswer(AnswerSchema):
    """A row that was left out, and why."""

    index = fields.Integer(required=True)
    field = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True)
    reason = fields.String(required=True)


class ReportAnswer(AnswerSchema):
    """How many rows were taken, and which were not."""

    accepted = fields.Integer(required=True)
    refused = fields.List(fields.Nested(RefusedRowAnswer), required=True)
