"""Playing a Hypothesis state machine on one database, emptied before each of its histories."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import Engine

from server_support.databases import delete_all_rows


def play_machine(engine: Engine, machine: Callable[[], RuleBasedStateMachine], *, histories: int, steps: int) -> None:
    """Play `histories` of up to `steps` steps; the first that breaks a rule fails the test with its steps.

    Histories are not made smaller: a race does not fail every time, and what waits for locks takes real time.
    """

    def begin() -> RuleBasedStateMachine:
        delete_all_rows(engine)
        return machine()

    bounds = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    # It says that it wants the class, and calls it without arguments.
    run_state_machine_as_test(cast("type[RuleBasedStateMachine]", begin), settings=bounds)
