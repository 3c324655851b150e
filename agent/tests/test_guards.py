"""Rules of the house that a machine can watch."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spot_agent import metrics
from spot_agent.errors import ErrorClass

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "agent" / "src" / "spot_agent"
TESTS = ROOT / "agent" / "tests"
EVENT_CALLS = {"debug", "info", "warning", "failure"}


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text())


def _imports(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.long
def test_only_the_adapters_know_the_libraries() -> None:
    allowed = {
        "botocore.session": {"ec2_clients.py"},
        "botocore.loaders": {"ec2_models.py"},
        "botocore.exceptions": {"ec2_asking.py"},
        "urllib3": {"http_client.py"},
        "prometheus_client": {"metrics_page.py"},
        "boto3": set(),
        "requests": set(),
    }

    for library, files in allowed.items():
        assert {path.name for path, tree in _trees() if library in _imports(tree)} == files


def test_only_the_clock_reads_a_clock() -> None:
    users = {path.name for path, tree in _trees() if "time" in _imports(tree)}

    assert users == {"clock.py"}


def test_every_event_name_is_constant() -> None:
    for path, tree in _trees():
        for node in ast.walk(tree):
            is_log = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EVENT_CALLS
            if not is_log or path.name in ("logs.py", "worker.py"):
                continue
            assert isinstance(node, ast.Call)
            event = node.args[0]
            assert isinstance(event, ast.Constant), f"{path}:{node.lineno}"
            assert re.fullmatch(r"[a-z][a-z_]+", str(event.value)), f"{path}:{node.lineno}"


def test_every_metric_is_used() -> None:
    names = [name for name in vars(metrics) if name.isupper()]
    text = "".join(path.read_text() for path, _ in _trees() if path.name != "metrics.py")

    assert not [name for name in names if f"metrics.{name}" not in text]


def test_every_rules_file_has_a_property() -> None:
    for path in sorted((SOURCE / "rules").glob("[a-z]*.py")):
        test = TESTS / "rules" / f"test_{path.stem}_rules.py"
        assert "@given" in test.read_text(), path.stem


def test_the_protocol_names_every_error_class() -> None:
    page = (ROOT / "docs" / "agent-protocol.md").read_text()
    told = page[page.index("`error.class` is one of") :]

    assert not [known.value for known in ErrorClass if known.value not in told]


def test_the_broad_catches_are_where_they_are_said_to_be() -> None:
    broad = {path.name for path, _ in _trees() if "except Exception" in path.read_text()}

    assert broad == {"worker.py", "executor.py"}
