"""The built-in model: what is expected to cost least, losses and moves included."""

from __future__ import annotations

from spot_server.decision_models.always_on import decide_always_on
from spot_server.decision_models.answers import Decision
from spot_server.decision_models.costing import Parameters
from spot_server.decision_models.inputs import DecisionInput


class ExpectedCost:
    """Chooses by expected cost. `parameters` are those of `costing.Parameters`, by name; ValueError or TypeError for others."""

    def __init__(self, **parameters: float) -> None:
        """Keep the parameters of this version."""
        self.parameters = Parameters(**parameters)

    def decide(self, given: DecisionInput) -> Decision:
        """Return what to do."""
        return decide_always_on(given, self.parameters)
