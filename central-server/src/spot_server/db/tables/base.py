"""The metadata that every table hangs on, and the column shapes that recur."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.sql.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = String(36)
"""A UUID as text: native UUID types differ between the databases."""

Ec2Id = String(64)
"""An EC2 resource id, such as i-0123456789abcdef0."""

RequestId = String(128)
"""What makes a write repeatable."""

Name = String(128)


def define_table(name: str, *items: SchemaItem, comment: str) -> Table:
    """Declare a table with binary collation, so that text compares on MySQL as it does on SQLite."""
    options: dict[str, Any] = {}
    for dialect in ("mysql", "mariadb"):
        options[f"{dialect}_engine"] = "InnoDB"
        options[f"{dialect}_charset"] = "utf8mb4"
        options[f"{dialect}_collate"] = "utf8mb4_bin"
    return Table(name, metadata, *items, comment=comment, **options)


def version_column() -> Column[int]:
    """The counter that compare-and-set writes check and raise."""
    return Column("version", Integer, nullable=False, default=1)
