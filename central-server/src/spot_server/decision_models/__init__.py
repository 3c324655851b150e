"""The one interface of decision models, and the models that are shipped. Pure: values in, a decision out; plug-ins need nothing else."""

from spot_server.decision_models.answers import Decision
from spot_server.decision_models.inputs import (
    AgentSettings,
    AlwaysOn,
    Calendar,
    Candidate,
    DeadlineJob,
    DecisionInput,
    Experience,
    JobPlace,
    Market,
    PoolRisk,
    PriceStep,
    ServingMachine,
    ServingReplicas,
    Situation,
)
from spot_server.words import Action

__all__ = [
    "Action",
    "AgentSettings",
    "AlwaysOn",
    "Calendar",
    "Candidate",
    "DeadlineJob",
    "Decision",
    "DecisionInput",
    "Experience",
    "JobPlace",
    "Market",
    "PoolRisk",
    "PriceStep",
    "ServingMachine",
    "ServingReplicas",
    "Situation",
]
