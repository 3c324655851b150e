"""Models of others, made and asked in threads of their own: what their code does there holds nobody up for longer than a bound."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from spot_server.clock import Clock
from spot_server.decision_models.answers import DecisionModel
from spot_server.decision_models.asking import Asked, ask, stay, told_by
from spot_server.decision_models.inputs import DecisionInput
from spot_server.decision_models.loading import ModelUnusable, make_model
from spot_server.words import AnswerKind

MAKING_BOUND_SECONDS = 10.0
"""How long importing a plug-in and making its model may hold up whoever waits for it: large numeric packages take seconds to import."""

MOST_ABANDONED = 3
"""Calls of one round that may never return: each leaves a thread behind. After as many the model is not asked again in the round."""

MOST_LEFT_BEHIND = 20
"""Calls of a model that have not returned, of all rounds, after which it is left alone."""

REST_SECONDS = 1800.0
"""How long a model that hung is not asked, unless its calls return earlier."""


class NotMade(ModelUnusable):
    """Making a model has taken longer than it may, and may never end."""


class Making:
    """The making of one model, begun at once. It may be waited for again: a model that comes late is as good as any."""

    def __init__(self, plugin: str, parameters: Mapping[str, Any], clock: Clock) -> None:
        """Begin."""
        self._plugin, self._parameters, self._clock = plugin, dict(parameters), clock
        self._began_seconds = clock.monotonic_seconds()
        self._ended = threading.Event()
        self._made: DecisionModel | None = None
        self._failure: str | None = None
        threading.Thread(target=self._make, name="decision-model-making", daemon=True).start()

    @property
    def has_ended(self) -> bool:
        """Whether it has come to a model, or to a failure."""
        return self._ended.is_set()

    def model(self, bound_seconds: float) -> DecisionModel:
        """Return the model; ModelUnusable when there is none, NotMade when it is not made within the bound, counted from when it began."""
        while not self._ended.wait(0.0 if self._is_overdue(bound_seconds) else bound_seconds / 40):
            if self._is_overdue(bound_seconds):
                raise NotMade(f"importing and making {self._plugin} did not end within {bound_seconds:g} s")
        if self._made is None:
            raise ModelUnusable(self._failure)
        return self._made

    def _is_overdue(self, bound_seconds: float) -> bool:
        return self._clock.monotonic_seconds() - self._began_seconds > bound_seconds

    def _make(self) -> None:
        try:
            self._made = make_model(self._plugin, self._parameters)
        except ModelUnusable as reason:
            self._failure = str(reason)
        except BaseException as error:  # noqa: BLE001 - a plug-in that ends the process ends this thread, and says so
            self._failure = f"{self._plugin} cannot be made: {told_by(error)}"
        finally:
            self._ended.set()


class Watch:
    """What is remembered of one model that is watched: its calls that have not returned, and until when it is left alone."""

    def __init__(self) -> None:
        """Begin with a model that never hung."""
        self.lock = threading.Lock()
        """Held while the model is made or asked: of many requests at once only one leaves a thread with a model that hangs."""
        self._left_behind: list[threading.Thread] = []
        self._rests_until_seconds = 0.0

    def ask_all(self, model: DecisionModel, inputs: Sequence[DecisionInput], clock: Clock, *, bound_seconds: float) -> list[Asked]:
        """Ask for each decision in turn; a call that does not return costs no more than its bound, and a model that hangs is left alone."""
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if self._left_behind and clock.monotonic_seconds() < self._rests_until_seconds:
            said = f"{len(self._left_behind)} calls of it have not returned, and it is left alone for a while"
            return [stay(given, AnswerKind.SLOW, said, 0.0) for given in inputs]
        answers: list[Asked] = []
        hung_count = 0
        while len(answers) < len(inputs) and hung_count < MOST_ABANDONED:
            calls = _Calls(model, inputs[len(answers) :], clock, bound_seconds)
            answers += calls.run()
            if calls.is_abandoned:
                hung_count += 1
                self._left_behind.append(calls.thread)
        if hung_count and (hung_count >= min(MOST_ABANDONED, len(inputs)) or len(self._left_behind) >= MOST_LEFT_BEHIND):
            self._rests_until_seconds = clock.monotonic_seconds() + REST_SECONDS
        rest = inputs[len(answers) :]
        return answers + [stay(given, AnswerKind.SLOW, f"{MOST_ABANDONED} calls before it did not return", 0.0) for given in rest]


class _Calls:
    """Calls of a model one after the other in a thread of their own, until one of them does not return."""

    def __init__(self, model: DecisionModel, inputs: Sequence[DecisionInput], clock: Clock, bound_seconds: float) -> None:
        self._model, self._inputs, self._clock, self._bound_seconds = model, inputs, clock, bound_seconds
        self._answers: list[Asked] = []
        self._began_seconds = clock.monotonic_seconds()
        self._ended = threading.Event()
        self.is_abandoned = False
        self.thread = threading.Thread(target=self._ask, name="decision-model", daemon=True)

    def run(self) -> list[Asked]:
        """Return the answers up to the first call that did not return, for which there is one too."""
        self.thread.start()
        while not self._ended.wait(self._bound_seconds / 4):
            count, began_seconds = len(self._answers), self._began_seconds
            if self._clock.monotonic_seconds() - began_seconds > self._bound_seconds and count == len(self._answers):
                self.is_abandoned = True
                said = f"it did not return within {self._bound_seconds:g} s"
                return [*self._answers[:count], stay(self._inputs[count], AnswerKind.SLOW, said, self._bound_seconds)]
        return self._answers

    def _ask(self) -> None:
        for given in self._inputs:
            self._began_seconds = self._clock.monotonic_seconds()
            try:
                answer = ask(self._model, given, self._clock, bound_seconds=self._bound_seconds)
            except BaseException as error:  # noqa: BLE001 - a plug-in that ends the process ends its own call, no more
                answer = stay(given, AnswerKind.FAILED, told_by(error), 0.0)
            if self.is_abandoned:
                return
            self._answers.append(answer)
        self._ended.set()
