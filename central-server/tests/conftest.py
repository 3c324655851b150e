"""Fixtures of the server's tests. `database` is real: SQLite always, MariaDB where SPOT_TEST_MARIADB_URL names a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from flask import Flask
from sqlalchemy import Engine

from server_support.clock import FakeClock
from server_support.databases import MARIADB_VARIABLE, begin_anew, delete_all_rows, make_sqlite_template, migrated_mariadb, sqlite_engine
from server_support.http import Http
from server_support.shares import stories_left_out
from spot_server.db.runner import Database
from spot_server.features.health.readiness import ReadinessCheck
from spot_server.http.context import EXTENSION, AppContext
from spot_server.http.token_cache import TokenCache
from spot_server.http.waiting import WaitingRoom
from spot_server.metrics import Metrics
from spot_server.settings import Settings

BACKENDS = ["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches a database, so that a quick run can leave it out; leave out the stories that MariaDB is spared."""
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)
    left_out = stories_left_out(items)
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def _quiet_log() -> None:
    """A failing test shows what it asserts, not every request before it."""
    structlog.configure(processors=[_drop])


def _drop(_logger: object, _method: str, _event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def sqlite_of_worker(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with sqlite_engine(sqlite_template, tmp_path_factory.mktemp("sqlite") / "spot.db") as engine:
        yield engine


@pytest.fixture(scope="session")
def mariadb_name(request: pytest.FixtureRequest) -> str:
    """A name that no other worker and no other run uses; missing server: skip here, fail in CI."""
    if MARIADB_VARIABLE not in os.environ:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MARIADB_VARIABLE} is not set; CI runs every test")
        pytest.skip(f"{MARIADB_VARIABLE} is not set")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"spot_test_{worker}_{os.getpid()}"


@pytest.fixture(scope="session")
def mariadb_engine(mariadb_name: str) -> Iterator[Engine]:
    with migrated_mariadb(mariadb_name) as engine:
        yield engine


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=BACKENDS)
def engine(request: pytest.FixtureRequest) -> Engine:
    """An engine on an empty database with the present schema."""
    shared: Engine
    if request.param == "sqlite":
        shared = request.getfixturevalue("sqlite_of_worker")
        begin_anew(shared, request.getfixturevalue("sqlite_template"))
    else:
        shared = request.getfixturevalue("mariadb_engine")
        delete_all_rows(shared)
    return shared


@pytest.fixture
def database(engine: Engine, clock: FakeClock) -> Database:
    return Database(engine, clock=clock, sleeper=clock)


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def context(database: Database, clock: FakeClock, settings: Settings) -> AppContext:
    return AppContext(
        database=database,
        clock=clock,
        settings=settings,
        metrics=Metrics(),
        waiting_room=WaitingRoom(clock, seats=4, fresh_seconds=1.0),
        token_cache=TokenCache(clock, believe_seconds=settings.token_cache_seconds),
        readiness=ReadinessCheck(database, clock),
    )


@pytest.fixture(scope="session")
def shared_apps() -> dict[int, Flask]:
    """Applications by the length of the bodies that they take: all that one makes of its settings; the rest it asks its context for."""
    return {}


@pytest.fixture
def app(context: AppContext, shared_apps: dict[int, Flask]) -> Flask:
    """The application on this test's context. Its pages are put together once per worker, which takes 80 ms."""
    from spot_server.bootstrap import build_app  # noqa: PLC0415 - tests without pages need not import every feature

    limit = context.settings.body_limit_bytes
    if limit not in shared_apps:
        shared_apps[limit] = build_app(context)
    app = shared_apps[limit]
    app.extensions[EXTENSION] = context
    return app


@pytest.fixture
def http(app: Flask) -> Http:
    return Http.to(app)
