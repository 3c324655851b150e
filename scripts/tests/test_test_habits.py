"""Habits 32 and 33: how the tests themselves read."""

import ast

from repository import calls, imported_packages, modules_of_tests

MOCK_BUDGET = 0  # uses of unittest.mock, and of monkeypatch on attributes; a fake at the boundary is better
SLEEP_BUDGET = 0  # real sleeps; wait for an event, or step a fake clock
PATCHING_CALLS = frozenset({"monkeypatch.setattr", "monkeypatch.delattr", "mocker.patch", "patch", "mock.patch"})
LEAST_WORDS = 3


def test_mocks_and_patches_stay_within_their_budget() -> None:
    found = [
        f"{module.name}:{line} {name}"
        for module in modules_of_tests()
        for name, line in [*calls(module.tree), *imported_packages(module.tree)]
        if name in PATCHING_CALLS or name in {"mock", "unittest"}
    ]

    assert len(found) <= MOCK_BUDGET, "habit 33 (simulator/tests/test_prober.py shows a fake at the boundary):\n" + "\n".join(found)


def test_real_sleeps_stay_within_their_budget() -> None:
    found = [
        f"{module.name}:{line} {name}"
        for module in modules_of_tests()
        for name, line in calls(module.tree)
        if name in {"sleep", "time.sleep", "gevent.sleep", "asyncio.sleep"}
    ]

    assert len(found) <= SLEEP_BUDGET, "habit 33 (simulator/tests/workload_process.py waits for an event):\n" + "\n".join(found)


def test_every_test_name_is_a_sentence() -> None:
    found = [
        f"{module.name}:{node.lineno} {node.name}"
        for module in modules_of_tests()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name.split("_")) <= LEAST_WORDS
    ]

    assert not found, "habit 32 (simulator/tests/test_workload.py shows the way):\n" + "\n".join(found)
