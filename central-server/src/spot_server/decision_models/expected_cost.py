"""The built-in model: what is expected to cost least, losses and moves included."""

from __future__ import annotations

from typing import assert_never

from spot_server.decision_models.always_on import decide_always_on
from spot_server.decision_models.answers import Decision
from spot_server.decision_models.costing import Parameters
from spot_server.decision_models.deadline import decide_deadline
from spot_server.decision_models.inputs import AlwaysOn, DeadlineJob, DecisionInput, ServingReplicas
from spot_server.decision_models.serving import decide_serving


class ExpectedCost:
    """Chooses by expected cost. `parameters` are those of `costing.Parameters`, by name; ValueError or TypeError for others."""

    def __init__(self, **parameters: float) -> None:
        """Keep the parameters of this version."""
        self.parameters = Parameters(**parameters)

    def decide(self, given: DecisionInput) -> Decision:
        """Return what to do."""
        match given.objective:
            case AlwaysOn():
                return decide_always_on(given, self.parameters)
            case ServingReplicas():
                return decide_serving(given, given.objective, self.parameters)
            case DeadlineJob():
                return decide_deadline(given, given.objective)
            case _:
                assert_never(given.objective)
