"""Habits 6, 7, 19 and 27: what the product's own source may not do."""

import ast
from collections.abc import Iterator

import pytest

from repository import Module, at_import, calls, dotted, imported_packages, product_modules

BUILT_ONLY_IN_BOOTSTRAP = (
    "boto3.client",
    "boto3.resource",
    "boto3.Session",
    "create_engine",
    "sqlalchemy.create_engine",
    "requests.Session",
    "urllib3.PoolManager",
)
# The files, or folders, that may import a library: one adapter each.
ADAPTERS = {
    "boto3": ("central-server/src/spot_server/aws/", "simulator/"),
    "botocore": ("agent/src/spot_agent/ec2", "central-server/src/spot_server/aws/", "simulator/"),
    "requests": ("scripts/", "simulator/"),
    "urllib3": ("agent/src/spot_agent/http_client", "central-server/src/spotctl/http_client"),
    "pymysql": ("central-server/src/spot_server/db/", "scripts/"),
    "moto": ("simulator/",),
}
COMMITTING = (
    *("central-server/src/spot_server/db/", "central-server/src/spot_server/migrations", "database/", "scripts/"),
    "simulator/src/spot_simulator/virtual/foresight.py",  # stands in for the runner, and takes back what was only rehearsed
)
UNITS = (
    *(
        "_seconds",
        "_ms",
        "_minutes",
        "_hours",
        "_days",
        "_bytes",
        "_mib",
        "_gib",
        "_ratio",
        "_percent",
        "_usd",
        "_usd_per_hour",
        "_usd_per_gb_month",
    ),
    *("_count", "_connections", "_processes", "_threads", "_seats", "_port", "_rows", "_attempts", "_per_hour", "_per_day", "_per_second"),
    "iops",  # EC2's own word, which is a unit: I/O operations per second
)
PLAIN_NUMBERS = frozenset({"port", "seed", "time_scale"})  # dimensionless, or a number that is a name


@pytest.mark.long
def test_nothing_is_built_when_a_module_is_imported() -> None:
    found = [
        f"{module.name}:{node.lineno} {dotted(node.func)}"
        for module in product_modules()
        for node in at_import(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func).endswith(BUILT_ONLY_IN_BOOTSTRAP)
    ]

    assert not found, "habit 6 (central-server/src/spot_server/bootstrap.py shows the way):\n" + "\n".join(found)


@pytest.mark.parametrize("package", ADAPTERS)
def test_a_foreign_system_is_spoken_to_in_its_adapter_only(package: str) -> None:
    found = [
        f"{module.name}:{line}"
        for module in product_modules()
        for imported, line in imported_packages(module.tree)
        if imported == package and not module.name.startswith(ADAPTERS[package])
    ]

    assert not found, f"habit 27: {package} belongs into {', '.join(ADAPTERS[package])}:\n" + "\n".join(found)


def test_only_the_entry_point_commits() -> None:
    found = [
        f"{module.name}:{line} {name}"
        for module in product_modules()
        for name, line in calls(module.tree)
        if name.endswith((".commit", ".rollback")) and not module.name.startswith(COMMITTING)
    ]

    assert not found, "habit 19 (central-server/src/spot_server/db/runner.py opens the transaction):\n" + "\n".join(found)


def numeric_settings(module: Module) -> Iterator[tuple[str, int]]:
    """Give the name and line of every field of a settings class that holds a number."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    kinds = {name.strip() for name in ast.unparse(field.annotation).split("|")}
                    if kinds & {"int", "float", "Decimal"}:
                        yield field.target.id, field.lineno


def test_every_numeric_setting_names_its_unit() -> None:
    found = [
        f"{module.name}:{line} {name}"
        for module in product_modules()
        for name, line in numeric_settings(module)
        if name not in PLAIN_NUMBERS and not name.endswith(UNITS)
    ]

    assert not found, f"habit 7: end it with one of {', '.join(UNITS)}:\n" + "\n".join(found)
