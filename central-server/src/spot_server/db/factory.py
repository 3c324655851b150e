"""The database that the settings name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from sqlalchemy import make_url

from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import Database
from spot_server.policy import MovePolicy
from spot_server.settings import Settings


def build_database(settings: Settings, clock: SystemClock) -> Database:
    """Return the database that the settings name; the directory of a SQLite file is made. Nothing connects yet."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_database_engine(settings.database_url, pool_size=settings.database_pool_connections)
    return Database(engine, clock=clock, sleeper=clock, policy=policy_of(settings))


def policy_of(settings: Settings) -> MovePolicy:
    """Return the bounds of moves that the settings name; what is no setting keeps its default."""
    shared = {field.name for field in fields(MovePolicy)} & {field.name for field in fields(Settings)}
    return MovePolicy(**{name: getattr(settings, name) for name in shared})
