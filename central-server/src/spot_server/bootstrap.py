"""Builds everything, once, by hand: read this file to see what depends on what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from flask import Flask

from spot_server.clock import Clock, SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Database
from spot_server.features.agent_config.routes import client_blueprint as agent_config_blueprint
from spot_server.features.agent_config.routes import daemon_blueprint as daemon_config_blueprint
from spot_server.features.agents.routes import blueprint as agents_blueprint
from spot_server.features.analytics.routes import blueprint as analytics_blueprint
from spot_server.features.audit.routes import blueprint as audit_blueprint
from spot_server.features.autonomy.routes import daemon_blueprint as autonomy_blueprint
from spot_server.features.cleanups.routes import client_blueprint as cleanup_history_blueprint
from spot_server.features.cleanups.routes import daemon_blueprint as cleanup_reports_blueprint
from spot_server.features.clients.routes import blueprint as clients_blueprint
from spot_server.features.clients.routes import who_blueprint
from spot_server.features.commands.delivery import wake_waiters
from spot_server.features.commands.routes import blueprint as commands_blueprint
from spot_server.features.consolidations.routes import blueprint as consolidations_blueprint
from spot_server.features.decisions.routes import admin_blueprint as models_blueprint
from spot_server.features.decisions.routes import client_blueprint as decisions_blueprint
from spot_server.features.events.routes import blueprint as events_blueprint
from spot_server.features.game_days.routes import blueprint as game_days_blueprint
from spot_server.features.health.readiness import ReadinessCheck
from spot_server.features.health.routes import admin_blueprint as system_health_blueprint
from spot_server.features.health.routes import blueprint as health_blueprint
from spot_server.features.heartbeats.routes import blueprint as heartbeats_blueprint
from spot_server.features.install.routes import blueprint as install_blueprint
from spot_server.features.instances.routes import blueprint as instances_blueprint
from spot_server.features.interruptions.routes import client_blueprint as interruptions_blueprint
from spot_server.features.interruptions.routes import daemon_blueprint as notices_blueprint
from spot_server.features.kept.routes import blueprint as kept_blueprint
from spot_server.features.notifications.routes import blueprint as notifications_blueprint
from spot_server.features.pricing.on_demand import load_catalogue
from spot_server.features.pricing.routes import client_blueprint as pricing_blueprint
from spot_server.features.pricing.routes import daemon_blueprint as price_reports_blueprint
from spot_server.features.registration.routes import blueprint as registration_blueprint
from spot_server.features.replicas.routes import client_blueprint as client_replicas_blueprint
from spot_server.features.replicas.routes import daemon_blueprint as replicas_blueprint
from spot_server.features.risk.routes import admin_blueprint as all_pool_risks_blueprint
from spot_server.features.risk.routes import client_blueprint as pool_risks_blueprint
from spot_server.features.savings.routes import blueprint as savings_blueprint
from spot_server.features.sweeper.routes import blueprint as restore_holds_blueprint
from spot_server.features.switches.routes import client_blueprint as switches_blueprint
from spot_server.features.switches.routes import daemon_blueprint as switch_reports_blueprint
from spot_server.features.tokens.routes import blueprint as tokens_blueprint
from spot_server.features.unexpected.routes import blueprint as unexpected_blueprint
from spot_server.features.zombies.routes import blueprint as zombies_blueprint
from spot_server.http.app import create_app
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import AppContext
from spot_server.http.lane import Lane
from spot_server.http.token_cache import TokenCache
from spot_server.http.waiting import Event, WaitingRoom
from spot_server.metrics import Metrics
from spot_server.settings import Settings

BLUEPRINTS: tuple[Blueprint, ...] = (
    tokens_blueprint,
    clients_blueprint,
    registration_blueprint,
    heartbeats_blueprint,
    daemon_config_blueprint,
    agent_config_blueprint,
    agents_blueprint,
    instances_blueprint,
    kept_blueprint,
    unexpected_blueprint,
    price_reports_blueprint,
    pricing_blueprint,
    consolidations_blueprint,
    events_blueprint,
    notifications_blueprint,
    audit_blueprint,
    commands_blueprint,
    health_blueprint,
    system_health_blueprint,
    who_blueprint,
    cleanup_reports_blueprint,
    cleanup_history_blueprint,
    notices_blueprint,
    interruptions_blueprint,
    replicas_blueprint,
    client_replicas_blueprint,
    autonomy_blueprint,
    switches_blueprint,
    switch_reports_blueprint,
    restore_holds_blueprint,
    install_blueprint,
    game_days_blueprint,
    pool_risks_blueprint,
    all_pool_risks_blueprint,
    savings_blueprint,
    analytics_blueprint,
    zombies_blueprint,
    decisions_blueprint,
    models_blueprint,
)
"""Every feature that has pages. A new feature adds its blueprint here."""

FRESH_LOOKS = 4
"""Looks of the poller that may be missing before the waiting room asks the database itself."""


def build_context(settings: Settings) -> AppContext:
    """Return what a web process works with on this machine."""
    clock = SystemClock()
    context = context_on(settings, build_database(settings, clock), clock)
    return replace(context, report_turn=Lane(settings.web_report_threads).turn)


def context_on(settings: Settings, database: Database, clock: Clock, new_event: Callable[[], Event] = threading.Event) -> AppContext:
    """Return what a web process works with, on a database, a clock and a way to wait that the caller brings."""
    on_demand = load_catalogue(settings.on_demand_catalogue)
    database.policy = replace(database.policy, on_demand_usd_per_hour=on_demand.usd_per_hour())
    room = WaitingRoom(
        clock, seats=settings.waiting_room_seats, fresh_seconds=FRESH_LOOKS * settings.poller_period_ms / 1000, new_event=new_event
    )
    database.on_commit = partial(wake_waiters, room)
    return AppContext(
        database=database,
        clock=clock,
        settings=settings,
        metrics=Metrics(),
        waiting_room=room,
        token_cache=TokenCache(clock, believe_seconds=settings.token_cache_seconds),
        readiness=ReadinessCheck(database, clock),
        on_demand=on_demand,
    )


def build_app(context: AppContext) -> Flask:
    """Return the application with every feature."""
    return create_app(context, BLUEPRINTS)
