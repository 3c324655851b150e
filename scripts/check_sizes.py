#!/usr/bin/env python3
"""Habit 3: one idea per file and per function. Report what outgrew its bounds, and fail on what outgrew the hard ones.

Usage: scripts/check_sizes.py [--strict]     (--strict: the soft bounds fail too)
"""

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_SOFT_LINES, FILE_HARD_LINES = 300, 400
FUNCTION_SOFT_LINES, FUNCTION_HARD_LINES = 40, 60
SOURCE_SUFFIXES = frozenset({".py", ".sh", ".ts", ".tsx"})
FORBIDDEN_NAMES = frozenset({"utils", "helpers", "common", "manager", "misc"})
GENERATED = ("central-server/dashboard/src/api/generated",)
MIGRATIONS = "database/versions/"  # a migration is one long list of operations, made once and never edited again


@dataclass(frozen=True, slots=True)
class Finding:
    """Something too large or badly named; only a hard one fails the check."""

    where: str
    what: str
    is_hard: bool

    def __str__(self) -> str:
        return f"{'FAIL' if self.is_hard else 'note'}  {self.where}: {self.what}"


def source_files(root: Path) -> list[Path]:
    """List the source files that git knows, or would after ``git add``."""
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    paths = (root / name for name in sorted(set(names)) if not name.startswith(GENERATED))
    return [path for path in paths if path.suffix in SOURCE_SUFFIXES and path.is_file()]


def _too_long(where: str, kind: str, lines: int, soft: int, hard: int) -> Iterator[Finding]:
    if lines > soft:
        yield Finding(where, f"{kind} of {lines} lines (soft {soft}, hard {hard})", is_hard=lines > hard)


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function without its decorators and its docstring: saying what it means costs nothing."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    docstring_lines = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring_lines


def findings_in(path: Path, root: Path) -> Iterator[Finding]:
    """Judge one file."""
    name = path.relative_to(root).as_posix()
    content = path.read_text(encoding="utf-8")
    forbidden = FORBIDDEN_NAMES & {path.stem, *path.relative_to(root).parent.parts}
    if forbidden:
        yield Finding(name, f"'{min(forbidden)}' says nothing: name it after what is in it, as rules/backoff.py", is_hard=True)
    if name.startswith(MIGRATIONS):
        return
    yield from _too_long(name, "file", len(content.splitlines()), FILE_SOFT_LINES, FILE_HARD_LINES)
    if path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(content, name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{name}:{node.lineno} {node.name}"
            yield from _too_long(where, "function", function_lines(node), FUNCTION_SOFT_LINES, FUNCTION_HARD_LINES)


def all_findings(root: Path = ROOT) -> list[Finding]:
    """Judge the whole repository."""
    return [finding for path in source_files(root) for finding in findings_in(path, root)]


def main() -> int:
    """Print the findings and return 1 if one of them fails the check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--strict", action="store_true", help="fail on the soft bounds too")
    is_strict = parser.parse_args().strict
    findings = all_findings()
    for finding in findings:
        print(finding)
    hard = sum(finding.is_hard for finding in findings)
    print(f"sizes: {hard} over a hard bound, {len(findings) - hard} over a soft one (habit 3)")
    return 1 if hard or (is_strict and findings) else 0


if __name__ == "__main__":
    sys.exit(main())
