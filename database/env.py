"""Alembic's environment: the server's tables are the target; `spot-server migrate` hands its own connection over."""

from __future__ import annotations

import os
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from spot_server.db.engine import create_database_engine
from spot_server.db.tables import metadata
from spot_server.db.types import EnumCode, EnumText, JsonText, PriceBucket, SpotUsd, TinyCount, Usd, UtcDateTime
from spot_server.migrations import LOCK_TABLE

FROZEN_TYPES = {
    UtcDateTime: 'sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")',
    Usd: "sa.BigInteger()",
    JsonText: 'sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")',
    EnumText: "sa.String(length=32)",
    SpotUsd: "sa.Integer()",
    PriceBucket: "sa.Integer()",
    EnumCode: 'sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb")',
    TinyCount: 'sa.SmallInteger().with_variant(mysql.TINYINT(), "mysql", "mariadb")',
}
"""How our column types are written into a migration: as what they are in the database today, not as code that may change."""


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:  # noqa: ANN401 - Alembic's own
    """Write our types in their frozen form; Alembic writes all else."""
    if kind == "type" and type(item) in FROZEN_TYPES:
        autogen.imports.add("from sqlalchemy.dialects import mysql")
        return FROZEN_TYPES[type(item)]
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:  # noqa: ANN401 - Alembic's own
    """Leave the migration lock alone."""
    return not (kind == "table" and name == LOCK_TABLE)


def run(connection: Connection) -> None:
    """Run the migrations on this connection, in the transaction that it is in or in one of their own."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        include_name=include_name,
        compare_type=True,
        transactional_ddl=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_database_engine(os.environ["SPOT_DATABASE_URL"]).connect() as own, own.begin():
        run(own)
