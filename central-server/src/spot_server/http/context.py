"""What every request may use, built once in `bootstrap` and carried by the application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from spot_server.clock import Clock
from spot_server.db.runner import Database
from spot_server.features.decisions.making import Models
from spot_server.features.health.readiness import ReadinessCheck
from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.savings.today_totals import TodayTotals
from spot_server.http.token_cache import TokenCache
from spot_server.http.waiting import WaitingRoom
from spot_server.metrics import Metrics
from spot_server.settings import Settings

EXTENSION = "spot"


@dataclass(frozen=True, slots=True)
class AppContext:
    """The dependencies of the web process."""

    database: Database
    clock: Clock
    settings: Settings
    metrics: Metrics
    waiting_room: WaitingRoom
    token_cache: TokenCache
    readiness: ReadinessCheck
    on_demand: OnDemandCatalogue = field(default_factory=OnDemandCatalogue)
    models: Models = field(default_factory=Models)
    today_totals: TodayTotals = field(default_factory=TodayTotals)
    report_turn: Callable[[], AbstractContextManager[None]] = nullcontext
    """A turn to store what a daemon reports every few seconds or minutes: heartbeats and prices."""


def current_context() -> AppContext:
    """Return the context of the application that serves the present request."""
    return cast("AppContext", current_app.extensions[EXTENSION])
