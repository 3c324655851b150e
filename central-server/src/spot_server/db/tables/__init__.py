"""Every table of the product; importing this package fills `metadata`."""

from spot_server.db.tables.authority import audit_logs, clients, event_cursors, events, leases, notifications, tokens
from spot_server.db.tables.base import metadata
from spot_server.db.tables.decisions import decision_documents, decisions, model_activations, model_days, models
from spot_server.db.tables.exercises import game_days
from spot_server.db.tables.fleet import (
    agent_activity,
    agent_images,
    agent_requests,
    agents,
    autonomy_plans,
    cleanup_logs,
    instances,
    replica_instances,
    restore_holds,
    unexpected_instances,
)
from spot_server.db.tables.market import (
    availability_zones,
    consolidation_jobs,
    instance_types,
    on_demand_prices,
    pool_cooldowns,
    price_progress,
    pricing_canonical,
    spot_pools,
    spot_price_snapshots,
)
from spot_server.db.tables.money import savings_snapshots
from spot_server.db.tables.moves import commands, interruption_sightings, spot_interruption_events, switch_steps, switches
from spot_server.db.tables.risk import pool_risk_analysis, spot_advisor_bands

__all__ = [
    "agent_activity",
    "agent_images",
    "agent_requests",
    "agents",
    "audit_logs",
    "autonomy_plans",
    "availability_zones",
    "cleanup_logs",
    "clients",
    "commands",
    "consolidation_jobs",
    "decision_documents",
    "decisions",
    "event_cursors",
    "events",
    "game_days",
    "instance_types",
    "instances",
    "interruption_sightings",
    "leases",
    "metadata",
    "model_activations",
    "model_days",
    "models",
    "notifications",
    "on_demand_prices",
    "pool_cooldowns",
    "pool_risk_analysis",
    "price_progress",
    "pricing_canonical",
    "replica_instances",
    "restore_holds",
    "savings_snapshots",
    "spot_advisor_bands",
    "spot_interruption_events",
    "spot_pools",
    "spot_price_snapshots",
    "switch_steps",
    "switches",
    "tokens",
    "unexpected_instances",
]
