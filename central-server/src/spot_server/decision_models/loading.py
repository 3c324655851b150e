"""Finding models: the built-in ones, and the entry points that installed packages declare in the group `spot_server.decision_models`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from spot_server.decision_models.answers import DecisionModel
from spot_server.decision_models.asking import told_by
from spot_server.decision_models.expected_cost import ExpectedCost

GROUP = "spot_server.decision_models"
DEFAULT_PLUGIN = "expected_cost"
_BUILT_IN: dict[str, Callable[..., DecisionModel]] = {DEFAULT_PLUGIN: ExpectedCost}


class ModelUnusable(Exception):
    """A model cannot be made; says which and why."""


def is_built_in(plugin: str) -> bool:
    """Tell whether the model is one of ours: it holds no thread up, and needs no watch."""
    return plugin in _BUILT_IN


def known_plugins() -> list[str]:
    """Return the names of all models that could be made."""
    return sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


def make_model(plugin: str, parameters: Mapping[str, Any]) -> DecisionModel:
    """Return a model of this plug-in with these parameters; ModelUnusable when there is none, or it does not take them."""
    factory = _BUILT_IN.get(plugin) or _load(plugin)
    try:
        model: DecisionModel = factory(**parameters)
        can_decide = callable(getattr(model, "decide", None))
    except Exception as error:
        raise ModelUnusable(f"{plugin} cannot be made with {parameters!r}: {told_by(error)}") from error
    if not can_decide:
        raise ModelUnusable(f"{plugin} has no method decide")
    return model


def _load(plugin: str) -> Callable[..., DecisionModel]:
    found: list[EntryPoint] = list(entry_points(group=GROUP, name=plugin))
    if not found:
        raise ModelUnusable(f"there is no decision model {plugin!r}; there are {', '.join(known_plugins())}")
    try:
        loaded: Callable[..., DecisionModel] = found[0].load()
    except Exception as error:
        raise ModelUnusable(f"{plugin} cannot be loaded: {told_by(error)}") from error
    return loaded
