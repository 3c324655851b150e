#!/usr/bin/env python3
"""Write database/schema.sql (MySQL and MariaDB) from the server's tables and views; what the migrations make, as one file to read.

Usage: scripts/write_schema.py [--check]      fail if the file is not current
       scripts/write_schema.py --initial      before the first release: write database/versions/0001 anew as well
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from spot_server.db.tables import metadata
from spot_server.db.views import VIEWS

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "database" / "schema.sql"
VERSIONS = ROOT / "database" / "versions"
HEADER = "-- Written by scripts/write_schema.py; do not edit. For reading: `spot-server migrate` makes the database.\n"


def schema_sql() -> str:
    """Return every table, index and view in the dialect of MySQL and MariaDB."""
    dialect = mysql.dialect()
    statements = []
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)).strip() for index in indexes]
    statements += [f"-- {view.meaning}\n{view.create('mysql')}" for view in VIEWS]
    lines = "\n\n".join(statement + ";" for statement in statements).splitlines()
    return HEADER + "\n" + "\n".join(line.rstrip() for line in lines) + "\n"


def write_initial_migration() -> None:
    """Write the first migration anew, from the tables as they are."""
    for old in VERSIONS.glob("0001_*.py"):
        old.unlink()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["SPOT_DATABASE_URL"] = f"sqlite:///{directory}/empty.db"
        config = Config(str(ROOT / "database" / "alembic.ini"))
        command.revision(config, "every table of the first release", autogenerate=True, rev_id="0001")
    (written,) = VERSIONS.glob("0001_*.py")
    written.write_text(_tidy(written.read_text(encoding="utf-8")), encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select", "I,Q", str(written)], check=True, cwd=ROOT)
    subprocess.run([*ruff, "format", "--quiet", str(written)], check=True, cwd=ROOT)


def _tidy(migration: str) -> str:
    """Leave out Alembic's remarks, and from the way back the indexes, which go with their tables and may hold foreign keys. Add views."""
    forth, back = migration.split("def downgrade", 1)
    kept = [line for line in back.splitlines() if "batch_op" not in line]
    head, up = forth.split("def upgrade", 1)
    forth = head + _frozen_views() + "\n\ndef upgrade" + up.rstrip() + _MAKE_VIEWS + "\n\n\n"
    first, *rest = kept
    kept = [first, *rest[:1], *_DROP_VIEWS, *rest[1:]]
    lines = [*forth.splitlines(), *("def downgrade" + "\n".join(kept)).splitlines()]
    return "\n".join(line for line in lines if not line.lstrip().startswith("# ### ")) + "\n"


_MAKE_VIEWS = """
    dialect = "sqlite" if op.get_bind().dialect.name == "sqlite" else "mysql"
    for statement in VIEWS[dialect].values():
        op.get_bind().exec_driver_sql(statement)
"""
_DROP_VIEWS = ("    for name in VIEWS['mysql']:", "        op.execute(f'DROP VIEW {name}')")


def _frozen_views() -> str:
    """Return the views as text, which a later change of the code leaves as it is: a new one gets a migration of its own."""
    frozen = {dialect: {view.name: view.create(dialect) for view in VIEWS} for dialect in ("sqlite", "mysql")}
    entries = []
    for dialect, statements in frozen.items():
        texts = "".join(f'        "{name}": """{statement}""",\n' for name, statement in statements.items())
        entries.append(f'    "{dialect}": {{\n{texts}    }},\n')
    return "VIEWS = {\n" + "".join(entries) + "}\n"


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(description="Write database/schema.sql from the server's tables.")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--initial", action="store_true")
    options = parser.parse_args()
    if options.check:
        is_current = SCHEMA.is_file() and SCHEMA.read_text(encoding="utf-8") == schema_sql()
        if not is_current:
            print("database/schema.sql is not current: run scripts/write_schema.py", file=sys.stderr)
        return 0 if is_current else 1
    if options.initial:
        write_initial_migration()
    SCHEMA.write_text(schema_sql(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
