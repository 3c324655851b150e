"""Habit 3, as a test, and the check's own tests."""

import ast
from pathlib import Path

import pytest

from check_sizes import all_findings, findings_in, function_lines

pytestmark = pytest.mark.long


def test_no_file_and_no_function_is_over_its_hard_bound() -> None:
    hard = [str(finding) for finding in all_findings() if finding.is_hard]

    assert not hard, "habit 3 (simulator/src/spot_simulator/probe_report.py shows the way):\n" + "\n".join(hard)


@pytest.mark.parametrize(("lines", "expected"), [(300, []), (301, [False]), (400, [False]), (401, [True])])
def test_a_file_is_noted_over_300_lines_and_refused_over_400(tmp_path: Path, lines: int, expected: list[bool]) -> None:
    (tmp_path / "rules.py").write_text("x = 1\n" * lines)

    assert [finding.is_hard for finding in findings_in(tmp_path / "rules.py", tmp_path)] == expected


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "pricing_manager/manager.py", "helpers/backoff.py"])
def test_a_name_that_says_nothing_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()

    assert [finding.is_hard for finding in findings_in(path, tmp_path)] == [True]


def test_a_docstring_does_not_make_a_function_longer() -> None:
    (function,) = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body

    assert isinstance(function, ast.FunctionDef)
    assert function_lines(function) == 2
