"""What the guard tests look at: the repository's files as git knows them, and the syntax trees of its Python."""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from check_sizes import ROOT, source_files


@dataclass(frozen=True)
class Module:
    """One Python file: its path below the root, and its syntax tree."""

    name: str
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return "/tests/" in self.name


@cache
def modules() -> tuple[Module, ...]:
    """Parse every Python file of the repository.

    The trees are a million objects that stay to the end: the garbage collector is spared them, as pytest has it look at everything
    several times when it ends.
    """
    paths = [path for path in source_files(ROOT) if path.suffix == ".py"]
    gc.disable()
    try:
        return tuple(Module(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths)
    finally:
        gc.freeze()
        gc.enable()


def product_modules() -> list[Module]:
    """Leave the tests out."""
    return [module for module in modules() if not module.is_test]


def modules_of_tests() -> list[Module]:
    """Keep the tests, and what they share, only."""
    return [module for module in modules() if module.is_test]


def dotted(node: ast.expr) -> str:
    """Write a chain of attributes as text: ``a.b.c``; an empty text for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        left = dotted(node.value)
        return f"{left}.{node.attr}" if left else ""
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give every call's dotted name and line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func), node.lineno


def imported_packages(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give the top package of every import and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0], node.lineno


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Give every node that runs when the module is imported: what is outside functions and lambdas."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += node.args.defaults + [default for default in node.args.kw_defaults if default is not None]
            continue
        yield node
        waiting += ast.iter_child_nodes(node)
