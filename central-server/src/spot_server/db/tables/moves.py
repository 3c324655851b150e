"""What moves a workload: commands, switches and their steps, interruption events."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Text, UniqueConstraint

from spot_server.db.tables.base import Ec2Id, Id, Name, RequestId, define_table, version_column
from spot_server.db.types import EnumText, JsonText, UtcDateTime
from spot_server.words import (
    Actor,
    Carry,
    ClosedBecause,
    CommandKind,
    CommandStatus,
    DowntimeBasis,
    InterruptionKind,
    Mode,
    NoticeChannel,
    StepName,
    StepStatus,
    SwitchStatus,
    SwitchTrigger,
)

commands = define_table(
    "commands",
    Column("command_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("instance_id", Ec2Id, nullable=False),
    Column("request_id", RequestId, nullable=False),
    Column("kind", EnumText(CommandKind), nullable=False),
    Column("actor", EnumText(Actor), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("payload", JsonText, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Column("status", EnumText(CommandStatus), nullable=False),
    Column("open_instance_id", Ec2Id, index=True),
    Column("switch_id", Id, index=True),
    Column("step", EnumText(StepName)),
    Column("replica_id", Id),
    Column("issued_at", UtcDateTime, nullable=False),
    Column("deadline_at", UtcDateTime),
    Column("first_delivered_at", UtcDateTime),
    Column("last_delivered_at", UtcDateTime),
    Column("delivery_count", Integer, nullable=False, default=0),
    Column("finished_at", UtcDateTime),
    Column("outcome", JsonText),
    Column("closed_because", EnumText(ClosedBecause)),
    UniqueConstraint("agent_id", "request_id"),
    Index("ix_commands_agent_id_issued_at", "agent_id", "issued_at"),
    Index("ix_commands_finished_at", "finished_at"),
    # What failed lately for a client, asked before each act that its control role may do.
    Index("ix_commands_client_id_actor_status_finished_at", "client_id", "actor", "status", "finished_at"),
    comment="Instructions to daemons. open_instance_id = instance_id while unanswered, else NULL: the poller reads those.",
)

switches = define_table(
    "switches",
    Column("switch_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("active_key", Id, unique=True),
    Column("request_id", RequestId, nullable=False),
    Column("trigger", EnumText(SwitchTrigger), nullable=False),
    Column("status", EnumText(SwitchStatus), nullable=False),
    Column("initiated_by", Name, nullable=False),
    Column("carry", EnumText(Carry), nullable=False),
    Column("traffic_handles", JsonText, nullable=False),
    Column("data_volumes", JsonText, nullable=False, default=[]),
    Column("from_instance_id", Ec2Id, nullable=False),
    Column("from_instance_type", String(64), nullable=False),
    Column("from_az_id", String(32), nullable=False),
    Column("from_mode", EnumText(Mode), nullable=False),
    Column("to_instance_id", Ec2Id),
    Column("to_instance_type", String(64)),
    Column("to_az_id", String(32)),
    Column("to_mode", EnumText(Mode)),
    Column("replica_id", Id),
    Column("image_id", Ec2Id),
    Column("interruption_event_id", Id),
    Column("deadline_at", UtcDateTime),
    Column("loses_writes_since", UtcDateTime),
    Column("loss_window_seconds", BigInteger),
    Column("epoch_before", Integer, nullable=False),
    Column("epoch_after", Integer),
    Column("failed_step", EnumText(StepName)),
    Column("failure", Text),
    Column("initiated_at", UtcDateTime, nullable=False),
    Column("ami_created_at", UtcDateTime),
    Column("instance_launched_at", UtcDateTime),
    Column("instance_ready_at", UtcDateTime),
    Column("quiesced_at", UtcDateTime),
    Column("serving_at", UtcDateTime),
    Column("retire_at", UtcDateTime),
    Column("old_terminated_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("downtime_ms", BigInteger),
    Column("downtime_basis", EnumText(DowntimeBasis)),
    Column("resume_at", UtcDateTime, index=True),
    Column("differences", JsonText),
    Column("accepts_differences", Boolean, nullable=False, default=False),
    Column("timing", JsonText, nullable=False),
    version_column(),
    UniqueConstraint("agent_id", "request_id"),
    Index("ix_switches_client_id_initiated_at", "client_id", "initiated_at"),
    Index("ix_switches_initiated_at", "initiated_at"),
    Index("ix_switches_status", "status"),
    comment=(
        "Moves, as recorded sagas. active_key = agent_id while one runs, else NULL: one move per agent at a time. "
        "loses_writes_since: the moment whose state the image holds, or after which a new side served from which the move was taken "
        "back, NULL if nothing is lost; "
        "loss_window_seconds: from then to the decision. resume_at: when a rescue that gave up is looked at again. "
        "differences: where the new instance is not like the old one; NULL: not compared."
    ),
)

switch_steps = define_table(
    "switch_steps",
    Column("switch_id", Id, ForeignKey("switches.switch_id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("name", EnumText(StepName), nullable=False),
    Column("part", Integer, nullable=False, default=0),
    Column("status", EnumText(StepStatus), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("actor", EnumText(Actor)),
    Column("actor_instance_id", Ec2Id),
    Column("command_id", Id),
    Column("intent_at", UtcDateTime),
    Column("deadline_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("outcome", JsonText),
    Column("undo_attempt", Integer, nullable=False, default=0),
    Column("undo_command_id", Id),
    Column("undo_finished_at", UtcDateTime),
    Column("undo_outcome", JsonText),
    Index("ix_switch_steps_name_status", "name", "status"),
    UniqueConstraint("switch_id", "name", "part"),
    comment="Each step of a switch: intent, actor, command, outcome, deadline, undo. part: which traffic handle of the switch, from 0.",
)

spot_interruption_events = define_table(
    "spot_interruption_events",
    Column("event_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("notice_id", String(128), nullable=False),
    Column("instance_id", Ec2Id, nullable=False),
    Column("kind", EnumText(InterruptionKind), nullable=False),
    Column("instance_role", String(32), nullable=False),
    Column("region", String(32), nullable=False),
    Column("az_id", String(32), nullable=False),
    Column("instance_type", String(64), nullable=False),
    Column("instance_age_seconds", Integer),
    Column("action_at", UtcDateTime),
    Column("detected_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("report_count", Integer, nullable=False, default=1),
    Column("response", String(32), nullable=False),
    Column("switch_id", Id),
    Column("replica_id", Id),
    Column("game_day_id", Id),
    Column("code", String(64)),
    Column("called_off_at", UtcDateTime),
    UniqueConstraint("agent_id", "notice_id"),
    Index("ix_spot_interruption_events_client_id_received_at", "client_id", "received_at"),
    Index("ix_spot_interruption_events_received_at", "received_at"),
    Index("ix_spot_interruption_events_instance_type_az_id", "instance_type", "az_id", "received_at"),
    comment=(
        "Notices, recommendations, scheduled events and losses. notice_id makes repeats one event. "
        "game_day_id: it was played, and says nothing about the pool. "
        "code, called_off_at: of scheduled maintenance, what EC2 will do, and when it was seen to be called off or done."
    ),
)

interruption_sightings = define_table(
    "interruption_sightings",
    Column("event_id", Id, ForeignKey("spot_interruption_events.event_id"), primary_key=True),
    Column("channel", EnumText(NoticeChannel), primary_key=True),
    Column("agent_id", Id, nullable=False),
    Column("notice_id", String(128), nullable=False),
    Column("announced_at", UtcDateTime),
    Column("first_seen_at", UtcDateTime, nullable=False),
    UniqueConstraint("agent_id", "notice_id", "channel"),
    comment=(
        "When each channel first told of an interruption, and under which name: the first one made the event, the others confirm it. "
        "announced_at: when EC2 announced it, where the channel says so."
    ),
)
