"""Agents on the wire, as clients see them."""

from __future__ import annotations

from marshmallow import fields

from spot_server.features.agent_config.schemas import SettingsAnswer
from spot_server.features.agents.guarantee_rules import FailoverFrom
from spot_server.features.instances.schemas import InstanceAnswer
from spot_server.features.switches.schemas import DifferenceAnswer
from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, QuerySchema, page_schema


class AgentAnswer(AnswerSchema):
    """One agent with what a person wants to see at once."""

    agent_id = fields.String(required=True, attribute="agent.agent_id")
    client_id = fields.String(required=True, attribute="agent.client_id")
    logical_agent_id = fields.String(required=True, attribute="agent.logical_agent_id")
    region = fields.String(required=True, attribute="agent.region")
    enabled = fields.Boolean(required=True, attribute="agent.enabled")
    auto_switch_enabled = fields.Boolean(required=True, attribute="agent.auto_switch_enabled")
    manual_replica_enabled = fields.Boolean(required=True, attribute="agent.manual_replica_enabled")
    is_offline = fields.Boolean(required=True, attribute="agent.is_offline")
    epoch = fields.Integer(required=True, attribute="agent.epoch")
    config_version = fields.Integer(required=True, attribute="agent.config_version")
    created_at = UtcMoment(required=True, attribute="agent.created_at")
    deleted_at = UtcMoment(required=True, allow_none=True, attribute="agent.deleted_at")
    primary = fields.Nested(InstanceAnswer, required=True, allow_none=True)
    instance_count = fields.Integer(required=True)
    live_replica_count = fields.Integer(required=True)
    ready_replica_count = fields.Integer(required=True)
    has_good_image = fields.Boolean(
        required=True, metadata={"description": "Whether a lost instance could be replaced: there is an image to launch from."}
    )
    active_switch_id = fields.String(required=True, allow_none=True)
    clock_skew_seconds = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "By how much the primary's clock is ahead (above 0) or behind; null: it never said."},
    )
    is_clock_off = fields.Boolean(
        required=True,
        metadata={"description": "Whether that is more than five minutes: deadlines and AWS signatures may fail. Event `clock_skewed`."},
    )


AgentPage = page_schema(AgentAnswer)


class SettingDifferenceAnswer(AnswerSchema):
    """A setting in which the daemon differs."""

    server = fields.Raw(required=True, allow_none=True)
    daemon = fields.Raw(required=True, allow_none=True)


class AgedImageAnswer(AnswerSchema):
    """An image of the agent, and how old the state in it is."""

    image_id = fields.String(required=True)
    state_at = UtcMoment(required=True, metadata={"description": "The moment whose state it holds."})
    age_seconds = fields.Float(required=True)
    has_booted = fields.Boolean(
        required=True,
        metadata={"description": "Whether an instance made from it ever passed its standby check: only then is it a good one."},
    )


class GuaranteeAnswer(AnswerSchema):
    """What a failover that began now would lose, and how long it would take: by this agent's own latest moves and launches."""

    failover_from = fields.Enum(
        FailoverFrom,
        by_value=True,
        required=True,
        metadata={"description": "A ready standby, a launch, or nothing: it could not be replaced."},
    )
    lost_if_gone_since = UtcMoment(
        allow_none=True,
        required=True,
        metadata={"description": "Writes after this would be lost if the instance were gone now; null: none."},
    )
    lost_if_gone_seconds = fields.Float(
        allow_none=True, required=True, metadata={"description": "The same in seconds of writes; null where nothing can be promised."}
    )
    lost_under_notice_seconds = fields.Float(
        allow_none=True,
        required=True,
        metadata={
            "description": (
                "Seconds of writes that are lost if EC2 gives notice and the daemon is heard until the handover: 0 where the slowest "
                "measured failover fits into the two minutes of a notice; null where that was never measured."
            )
        },
    )
    failover_seconds = fields.Float(
        allow_none=True, required=True, metadata={"description": "The slowest that was measured, from its beginning to a serving primary."}
    )
    failover_median_seconds = fields.Float(allow_none=True, required=True)
    measured_handovers = fields.Integer(required=True, metadata={"description": "How many moves the times rest on, the latest 20 at most."})
    measured_launches = fields.Integer(required=True)
    can_launch_without_daemons = fields.Boolean(
        required=True,
        metadata={"description": "Whether the server could launch by itself, with the client's control role, if every daemon were gone."},
    )
    why_no_successor = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why nobody would take over at a notice while the server is away; null: a standby would."},
    )
    image = fields.Nested(
        AgedImageAnswer,
        required=True,
        allow_none=True,
        metadata={
            "description": "What an emergency without a standby launches from: the newest that has booted; while none has, the newest."
        },
    )
    newest_image = fields.Nested(
        AgedImageAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "What a planned move without an image of its own, or the next standby, is launched from, and proves."},
    )


class AgentDetailAnswer(AnswerSchema):
    """One agent with its settings and all its instances."""

    agent = fields.Nested(AgentAnswer, required=True, attribute="overview")
    settings = fields.Nested(SettingsAnswer, required=True, attribute="overview.agent")
    settings_differences = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(SettingDifferenceAnswer),
        required=True,
        metadata={"description": "Settings in which the primary's daemon differs: the server's value, which holds, and the daemon's."},
    )
    instances = fields.List(fields.Nested(InstanceAnswer), required=True)
    guarantee = fields.Nested(GuaranteeAnswer, required=True)
    specification_differences = fields.List(
        fields.Nested(DifferenceAnswer),
        required=True,
        allow_none=True,
        metadata={
            "description": "In what a new instance (`new`, by the launch specification) would not be like the primary (`old`) as it is "
            "now; null: not known."
        },
    )


class HistoryQuery(PageQuery):
    """Which agents: all that ever were, or those under one logical id."""

    logical_agent_id = fields.String(load_default=None)


class DeletionQuery(QuerySchema):
    """Why an agent is deleted."""

    reason = BoundedText(most=1000, load_default="", metadata={"description": "Kept in the audit log."})


class DeletedAnswer(AnswerSchema):
    """The agent as history keeps it."""

    agent_id = fields.String(required=True)
    logical_agent_id = fields.String(required=True)
    deleted_at = UtcMoment(required=True)
