"""The account on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from marshmallow import fields, post_load

from spot_server.features.clients.schemas import check_time_zone
from spot_server.features.savings.report_rules import Granularity, GroupBy
from spot_server.features.savings.service import ReportQuestion
from spot_server.http.fields import BoundedText, ChoiceText, DateText, RatioText, UsdAmount, UtcMoment
from spot_server.http.schemas import AnswerSchema, QuerySchema, StrictSchema


class ReportFormat(StrEnum):
    """How a report is written."""

    JSON = "json"
    CSV = "csv"


class ReportQuery(QuerySchema):
    """Which time, how fine, and for whom."""

    since = DateText(
        load_default=None,
        metadata={"description": "First day, in the client's time zone. Default: the first of the month (by year: of the year)."},
    )
    until = DateText(load_default=None, metadata={"description": "Last day, included. Default: today, as far as it is gone."})
    granularity = ChoiceText(Granularity, load_default=Granularity.DAY)
    by = ChoiceText(GroupBy, load_default=GroupBy.CLIENT, metadata={"description": "`agent`: one row for each agent and period."})
    agent_id = BoundedText(least=1, most=36, load_default=None)
    format = ChoiceText(ReportFormat, load_default=ReportFormat.JSON)

    @post_load
    def make(self, data: dict[str, Any], **_kwargs: object) -> tuple[ReportQuestion, ReportFormat]:
        """Return the question, and how the answer is to be written."""
        written = data.pop("format")
        return ReportQuestion(**data), written


class SavingsTotalsAnswer(AnswerSchema):
    """Sums. `saved_usd` is negative where one instance on demand would have been cheaper."""

    paid_usd = UsdAmount(required=True)
    primary_spot_usd = UsdAmount(required=True)
    primary_on_demand_usd = UsdAmount(required=True)
    replica_usd = UsdAmount(required=True, metadata={"description": "Instances before they were promoted, or that never were."})
    overlap_usd = UsdAmount(required=True, metadata={"description": "Instances that a move left, until they ended."})
    image_usd = UsdAmount(required=True, metadata={"description": "Images and their snapshots, by an estimate of what they store."})
    address_usd = UsdAmount(required=True, metadata={"description": "Elastic IPs; on both sides of the comparison."})
    on_demand_usd = UsdAmount(
        required=True,
        allow_none=True,
        metadata={
            "description": "One instance on demand of the type that the agent began with, in the same hours; null: no price is known."
        },
    )
    saved_usd = UsdAmount(is_signed=True, required=True, allow_none=True)
    saved_ratio = fields.Float(required=True, allow_none=True)
    day_count = fields.Integer(required=True, metadata={"description": "Days of agents in the sum."})
    uncompared_day_count = fields.Integer(
        required=True, metadata={"description": "Of these, days without an on-demand price: they are paid, and neither save nor lose."}
    )
    unpriced_seconds = fields.Integer(required=True, metadata={"description": "Of instances whose price nobody saw: in no amount."})
    unsized_image_count = fields.Integer(required=True, metadata={"description": "Images of unknown size, by day: in no amount."})
    switch_count = fields.Integer(required=True)
    interruption_count = fields.Integer(required=True)
    downtime_seconds = fields.Float(required=True, metadata={"description": "Of the moves that ended in the time."})


class SavingsRowAnswer(AnswerSchema):
    """One period, of the client or of one agent."""

    period = fields.String(required=True, metadata={"description": "2026-01-05, 2026-01 or 2026."})
    agent_id = fields.String(required=True, allow_none=True)
    logical_agent_id = fields.String(required=True, allow_none=True)
    totals = fields.Nested(SavingsTotalsAnswer, required=True)
    is_complete = fields.Boolean(
        required=True, metadata={"description": "All its days are over and in the books; late prices may change them for a week."}
    )


class SavingsProjectionAnswer(AnswerSchema):
    """What this month will have saved: so far, for the days left the mean of the last complete days; a 95 % interval from their spread."""

    expected_usd = UsdAmount(is_signed=True, required=True)
    low_usd = UsdAmount(is_signed=True, required=True, allow_none=True)
    high_usd = UsdAmount(is_signed=True, required=True, allow_none=True)
    basis_days = fields.Integer(required=True)
    days_left = fields.Decimal(required=True, as_string=True)


class SavingsReportAnswer(AnswerSchema):
    """A report."""

    since = fields.Date(required=True, attribute="days.first")
    until = fields.Date(required=True, attribute="days.last")
    time_zone = fields.String(required=True, attribute="terms.time_zone")
    on_demand_discount_ratio = RatioText(
        required=True,
        attribute="terms.discount_ratio",
        metadata={"description": "By so much less than the list price on demand is reckoned now; stored days keep their own."},
    )
    granularity = fields.Enum(Granularity, by_value=True, required=True)
    by = fields.Enum(GroupBy, by_value=True, required=True)
    today = fields.Date(
        required=True,
        allow_none=True,
        metadata={"description": "The day that is in the last rows as far as it is gone, or was up to a minute before computed_at."},
    )
    computed_at = UtcMoment(required=True, attribute="now")
    items = fields.List(fields.Nested(SavingsRowAnswer), required=True, attribute="rows")
    total = fields.Nested(SavingsTotalsAnswer, required=True)
    is_complete = fields.Boolean(
        required=True, metadata={"description": "All days from since to until are over and in the books, as far back as prices are kept."}
    )
    projection = fields.Nested(SavingsProjectionAnswer, required=True, allow_none=True)


class SavingsLineAnswer(AnswerSchema):
    """One amount: usd_per_unit x quantity x its hours (of the month's hours, for a GB-month), rounded to 10^-8 USD."""

    purpose = fields.String(
        required=True, metadata={"description": "primary, replica, overlap, images, addresses; comparison: the instance on demand."}
    )
    hour_at = fields.String(required=True)
    since = fields.String(required=True)
    until = fields.String(required=True)
    what = fields.String(required=True)
    mode = fields.String(allow_none=True, load_default=None)
    instance_type = fields.String(allow_none=True, load_default=None)
    az_id = fields.String(allow_none=True, load_default=None)
    quantity = fields.String(required=True)
    unit = fields.String(required=True)
    usd_per_unit = fields.String(allow_none=True, load_default=None)
    usd = fields.String(allow_none=True, load_default=None, metadata={"description": "Left out where no price is known."})
    price_source = fields.String(
        allow_none=True, load_default=None, metadata={"description": "Who saw the spot price; catalogue; tariff: a setting of the server."}
    )
    price_bucket_at = fields.String(
        allow_none=True, load_default=None, metadata={"description": "The 5 minutes in which the spot price was first seen."}
    )
    price_effective_at = fields.String(allow_none=True, load_default=None, metadata={"description": "Since when it holds, by EC2's word."})


class SavingsDayAnswer(AnswerSchema):
    """One agent's day: its figures, and the lines that they are the sums of."""

    agent_id = fields.String(required=True)
    logical_agent_id = fields.String(required=True)
    day = fields.Date(required=True)
    time_zone = fields.String(required=True)
    since = UtcMoment(required=True, attribute="within.since")
    until = UtcMoment(required=True, attribute="within.until")
    comparison_instance_type = fields.String(required=True)
    on_demand_discount_ratio = RatioText(required=True, attribute="discount_ratio")
    totals = fields.Nested(SavingsTotalsAnswer, required=True)
    lines = fields.List(fields.Nested(SavingsLineAnswer), required=True)
    computed_at = UtcMoment(required=True)
    is_final = fields.Boolean(required=True, metadata={"description": "False while late prices may still change it."})


class SavingsSettingsSchema(StrictSchema):
    """How a client's days are counted and compared; what is left out stays."""

    time_zone = fields.String(validate=check_time_zone, metadata={"description": "An IANA name, such as Europe/Berlin."})
    on_demand_discount_ratio = RatioText(
        metadata={"description": "By so much less than the list price the client pays on demand, as by a savings plan: 0.28 is 28 % less."}
    )


class SavingsSettingsAnswer(AnswerSchema):
    """How a client's days are counted and compared."""

    time_zone = fields.String(required=True)
    on_demand_discount_ratio = RatioText(required=True)
