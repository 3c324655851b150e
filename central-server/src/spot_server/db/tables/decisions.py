"""What was decided, by which models, and from which facts."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint

from spot_server.db.tables.base import Id, Name, define_table
from spot_server.db.types import EnumText, JsonText, UtcDateTime
from spot_server.words import Action, AnswerKind, Mode

models = define_table(
    "models",
    Column("model_id", Id, primary_key=True),
    Column("plugin", String(64), nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("parameters", JsonText, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", Name, nullable=False),
    UniqueConstraint("plugin", "model_version"),
    comment="Versions of decision models: a plug-in and its parameters. A row never changes, so that decisions replay.",
)

model_activations = define_table(
    "model_activations",
    Column("activation_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("acting_model_id", Id, ForeignKey("models.model_id"), nullable=False),
    Column("challenger_model_id", Id, ForeignKey("models.model_id")),
    Column("challenger_percent", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("activated_at", UtcDateTime, nullable=False),
    Column("activated_by", Name, nullable=False),
    comment=(
        "Which models decide since when; the last row holds. Both are asked for every agent: the challenger acts for challenger_percent "
        "of them, chosen by a hash of their ids, and is a shadow for the others."
    ),
)

model_days = define_table(
    "model_days",
    Column("model_id", Id, ForeignKey("models.model_id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("is_shadow", Boolean, primary_key=True),
    Column("decision_count", BigInteger, nullable=False),
    Column("switch_count", BigInteger, nullable=False),
    Column("replica_count", BigInteger, nullable=False),
    Column("failed_count", BigInteger, nullable=False),
    Column("slow_count", BigInteger, nullable=False),
    Column("off_schema_count", BigInteger, nullable=False),
    Column("agreed_count", BigInteger, nullable=False),
    Column("compared_count", BigInteger, nullable=False),
    Column("latency_us", BigInteger, nullable=False),
    Column("priced_count", BigInteger, nullable=False),
    Column("price_ppm_of_on_demand", BigInteger, nullable=False),
    comment=(
        "Metrics of models, by UTC day, as sums. compared_count: decisions that another model made too; agreed_count: with the same "
        "action and target. price_ppm_of_on_demand: of where the agents ran, in millionths of the price on demand, "
        "over priced_count decisions."
    ),
)

decisions = define_table(
    "decisions",
    Column("decision_id", Id, primary_key=True),
    Column("client_id", Id, nullable=False),
    Column("agent_id", Id, ForeignKey("agents.agent_id"), nullable=False),
    Column("model_id", Id, ForeignKey("models.model_id"), nullable=False),
    Column("latest_key", String(80), unique=True),
    Column("is_shadow", Boolean, nullable=False),
    Column("action", EnumText(Action), nullable=False),
    Column("target_mode", EnumText(Mode)),
    Column("target_instance_type", String(64)),
    Column("target_az_id", String(32)),
    Column("confidence", Double, nullable=False),
    Column("reasoning", Text, nullable=False),
    Column("rejected", JsonText, nullable=False),
    Column("answer", EnumText(AnswerKind), nullable=False),
    Column("failure", Text),
    Column("latency_ms", Float, nullable=False),
    Column("first_tick_at", UtcDateTime, nullable=False),
    Column("last_tick_at", UtcDateTime, nullable=False),
    Column("tick_count", Integer, nullable=False),
    Column("input_sha256", String(64), nullable=False),
    Column("input", Text, nullable=False),
    Column("held_back_because", Text),
    Column("acted_at", UtcDateTime),
    Column("switch_id", Id),
    Column("replica_id", Id),
    Index("ix_decisions_agent_id_first_tick_at", "agent_id", "first_tick_at"),
    Index("ix_decisions_last_tick_at", "last_tick_at"),
    Index("ix_decisions_model_id_acted_at", "model_id", "acted_at"),
    comment=(
        "What models decided. One that says the same as the one before it raises tick_count and last_tick_at; confidence, reasoning "
        "and input are those of the last tick. latest_key = agent/model on the newest row of both, else NULL. "
        "input: canonical JSON, whose SHA-256 is input_sha256. held_back_because: why it was not acted on."
    ),
)

decision_documents = define_table(
    "decision_documents",
    Column("document_sha256", String(64), primary_key=True),
    Column("document", JsonText, nullable=False),
    Column("last_used_at", UtcDateTime, nullable=False, index=True),
    comment="What decisions were made from and share: markets (price window, risk) and lists of candidates, by SHA-256.",
)
