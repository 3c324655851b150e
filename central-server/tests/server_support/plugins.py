"""A plug-in that is installed for one test, and can be held anywhere in its code."""

from __future__ import annotations

import importlib
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server_support.clock import FakeClock
from spot_server.decision_models.loading import GROUP

NAME = "tarrying"
HELD_SECONDS = 60.0
"""By how much the test's clock goes on while the plug-in is held: longer than every bound."""

_MODULE = """
from server_support.plugins import reached
from spot_server.decision_models import Action, Decision

reached("import")


class Tarrying:
    def __init__(self, number=0):
        reached("constructor")

    def decide(self, given):
        reached("decide")
        return Decision(Action.STAY, 1.0, "all is well")
"""


@dataclass
class Tarrying:
    """What the test has the plug-in do. `held`: where it does not go on before `end`; `does`: what it does there first."""

    clock: FakeClock
    held: set[str] = field(default_factory=set)
    does: dict[str, Callable[[], object]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    end: threading.Event = field(default_factory=threading.Event)

    def forget_import(self) -> None:
        """Have the next one who asks for the plug-in import it."""
        sys.modules.pop(NAME, None)

    def let_go(self) -> None:
        """Let everything return that is held, and wait until it has."""
        self.held = set()
        self.end.set()
        for thread in threading.enumerate():
            if thread.name.startswith("decision-model"):
                thread.join(timeout=10)


_present: list[Tarrying] = []


def reached(where: str) -> None:
    """Called by the plug-in."""
    told = _present[-1]
    told.counts[where] += 1
    if where in told.does:
        told.does[where]()
    if where in told.held:
        told.clock.advance(HELD_SECONDS)
        told.end.wait()


@contextmanager
def installed(folder: Path, clock: FakeClock) -> Iterator[Tarrying]:
    """Install it as a distribution is."""
    (folder / f"{NAME}.py").write_text(_MODULE)
    information = folder / f"{NAME}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{NAME} = {NAME}:Tarrying\n")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    told = Tarrying(clock)
    _present.append(told)
    try:
        yield told
    finally:
        told.let_go()
        _present.remove(told)
        sys.path.remove(str(folder))
        told.forget_import()
