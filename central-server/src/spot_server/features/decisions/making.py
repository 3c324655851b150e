"""Models as objects: made once per process, and what is said in place of one that cannot be made."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from spot_server.clock import Clock
from spot_server.decision_models.answers import DecisionModel
from spot_server.decision_models.asking import BOUND_SECONDS, Asked, ask_all, stay
from spot_server.decision_models.inputs import DecisionInput
from spot_server.decision_models.loading import DEFAULT_PLUGIN, ModelUnusable, is_built_in, make_model
from spot_server.decision_models.watching import MAKING_BOUND_SECONDS, MOST_ABANDONED, Making, NotMade, Watch
from spot_server.features.decisions.rules import LineUp, RegisteredModel
from spot_server.words import AnswerKind

DEFAULT_MODEL = RegisteredModel("built-in", DEFAULT_PLUGIN, "1", {})
"""What decides until somebody activates another."""

RETRY_SECONDS = 60.0
"""How long it is taken as known that a model cannot be made: a round asks for it once in each of its batches."""


@cache
def default_model() -> DecisionModel:
    """Return the model of DEFAULT_MODEL: one object in a process, which the server asks and the backtest plays. It keeps no state."""
    return make_model(DEFAULT_MODEL.plugin, DEFAULT_MODEL.parameters)


@dataclass(slots=True)
class Models:
    """The models of one process, for all its threads. A registered version never changes, so each is made once."""

    bound_seconds: float = BOUND_SECONDS
    making_bound_seconds: float = MAKING_BOUND_SECONDS
    made: dict[str, DecisionModel] = field(default_factory=dict)
    _failed: dict[str, tuple[float, str]] = field(default_factory=dict)
    _watches: dict[str, Watch] = field(default_factory=dict)
    _makings: dict[tuple[str, str], Making] = field(default_factory=dict)
    _makings_lock: threading.Lock = field(default_factory=threading.Lock)

    def model(self, registered: RegisteredModel, clock: Clock) -> DecisionModel:
        """Return the model; ModelUnusable when it cannot be made. That is tried again after a while."""
        if registered.model_id in self.made:
            return self.made[registered.model_id]
        if registered == DEFAULT_MODEL:
            return self.made.setdefault(registered.model_id, default_model())
        now_seconds = clock.monotonic_seconds()
        failed_seconds, failure = self._failed.get(registered.model_id, (now_seconds, ""))
        if failure and now_seconds - failed_seconds < RETRY_SECONDS:
            raise ModelUnusable(failure)
        try:
            model = self.try_making(registered.plugin, registered.parameters, clock)
        except NotMade:
            raise
        except ModelUnusable as reason:
            self._failed[registered.model_id] = (clock.monotonic_seconds(), str(reason))
            raise
        self.made[registered.model_id] = model
        return model

    def try_making(self, plugin: str, parameters: Mapping[str, Any], clock: Clock) -> DecisionModel:
        """Return a model of this plug-in, made within the bound; ModelUnusable with why it cannot be."""
        if is_built_in(plugin):
            return make_model(plugin, parameters)
        key = (plugin, repr(sorted(parameters.items())))
        making = self._making(key, parameters, clock)
        try:
            return making.model(self.making_bound_seconds)
        finally:
            if making.has_ended:
                with self._makings_lock:
                    self._makings.pop(key, None)

    def _making(self, key: tuple[str, str], parameters: Mapping[str, Any], clock: Clock) -> Making:
        """Return the making that is under way, or begin one: each that never ends leaves a thread behind, so there is but one of a kind."""
        with self._makings_lock:
            if key not in self._makings:
                others = [other for other in self._makings if other[0] == key[0]]
                for other in [other for other in others if self._makings[other].has_ended]:
                    del self._makings[other]
                if sum(other in self._makings for other in others) >= MOST_ABANDONED:
                    raise NotMade(f"{MOST_ABANDONED} models of {key[0]} are being made and do not end: start the process again")
                self._makings[key] = Making(key[0], parameters, clock)
            return self._makings[key]

    def ask(self, registered: RegisteredModel, inputs: list[DecisionInput], clock: Clock) -> list[Asked]:
        """Return what the model says of each input, or STAY; another's model is watched while it is made and while it decides."""
        if is_built_in(registered.plugin):
            return self._ask(registered, inputs, clock, None)
        with self._makings_lock:
            watch = self._watches.setdefault(registered.model_id, Watch())
        with watch.lock:
            return self._ask(registered, inputs, clock, watch)

    def _ask(self, registered: RegisteredModel, inputs: list[DecisionInput], clock: Clock, watch: Watch | None) -> list[Asked]:
        try:
            model = self.model(registered, clock)
        except ModelUnusable as reason:
            kind = AnswerKind.SLOW if isinstance(reason, NotMade) else AnswerKind.FAILED
            return [stay(given, kind, f"ModelUnusable: {reason}", 0.0) for given in inputs]
        if watch is None:
            return ask_all(model, inputs, clock, bound_seconds=self.bound_seconds)
        return watch.ask_all(model, inputs, clock, bound_seconds=self.bound_seconds)


def line_up_or_default(found: LineUp | None) -> LineUp:
    """Return which models decide: the built-in one, before anybody activated another."""
    return found or LineUp(DEFAULT_MODEL)
