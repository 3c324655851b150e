"""Models as objects: made once per process, and what stands in for one that cannot be made."""

from __future__ import annotations

from dataclasses import dataclass, field

from spot_server.clock import Clock
from spot_server.decision_models.answers import Decision, DecisionModel
from spot_server.decision_models.asking import BOUND_SECONDS, Asked, ask_all
from spot_server.decision_models.inputs import DecisionInput
from spot_server.decision_models.loading import DEFAULT_PLUGIN, ModelUnusable, is_built_in, make_model
from spot_server.features.decisions.rules import LineUp, RegisteredModel

DEFAULT_MODEL = RegisteredModel("built-in", DEFAULT_PLUGIN, "1", {})
"""What decides until somebody activates another."""


class _Unusable:
    """Stands for a model that cannot be made: each answer fails, and so counts as STAY."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def decide(self, given: DecisionInput) -> Decision:
        raise ModelUnusable(self._reason)


@dataclass(slots=True)
class Models:
    """The models of one process. A registered version never changes, so each is made once."""

    bound_seconds: float = BOUND_SECONDS
    made: dict[str, DecisionModel] = field(default_factory=dict)

    def model(self, registered: RegisteredModel) -> DecisionModel:
        """Return the model, or one whose every answer says why it cannot be made; that is tried again the next time."""
        if registered.model_id not in self.made:
            try:
                self.made[registered.model_id] = make_model(registered.plugin, registered.parameters)
            except ModelUnusable as reason:
                return _Unusable(str(reason))
        return self.made[registered.model_id]

    def ask(self, registered: RegisteredModel, inputs: list[DecisionInput], clock: Clock) -> list[Asked]:
        """Return what the model says of each input; another's model is watched while it decides."""
        is_watched = not is_built_in(registered.plugin)
        return ask_all(self.model(registered), inputs, clock, is_watched=is_watched, bound_seconds=self.bound_seconds)


def line_up_or_default(found: LineUp | None) -> LineUp:
    """Return which models decide: the built-in one, before anybody activated another."""
    return found or LineUp(DEFAULT_MODEL)
