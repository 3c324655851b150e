"""AWS FIS as the player of game days, called with the client's control role. Never run against AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from spot_server.aws.asking import asked, found
from spot_server.aws.errors import ASSUME_ROLE_PREFIX, AwsFailed, ErrorClass
from spot_server.aws.fis_calls import TAG_GAME_DAY, start_arguments, template_arguments
from spot_server.aws.playing import Experiment, ExperimentState, PlayOrder
from spot_server.aws.ports import ControlRole

TEMPLATE_ID, EXPERIMENT_ID = "template_id", "experiment_id"

_STATES = {
    "completed": ExperimentState.ENDED,
    "failed": ExperimentState.FAILED,
    "stopping": ExperimentState.STOPPED,
    "stopped": ExperimentState.STOPPED,
    "cancelled": ExperimentState.STOPPED,
}
"""What FIS calls a state; everything else is on its way."""

_STOPPABLE = frozenset({"pending", "initiating", "running"})


class FisGateway(Protocol):
    """Where FIS clients come from. Raises AwsFailed."""

    def fis(self, role: ControlRole, region: str) -> Any:  # noqa: ANN401 - boto3 publishes no types of FIS here
        """Return a boto3 client for FIS with the role's credentials."""


class FisPlayer:
    """The GameDayPlayer of AWS."""

    def __init__(self, gateway: FisGateway) -> None:
        """Nothing is asked of AWS yet."""
        self._gateway = gateway

    def play(self, order: PlayOrder) -> dict[str, str]:
        """Make the template and start the experiment; client tokens make a repeat find the first of each."""
        fis = self._client(order)
        made = asked(lambda: fis.create_experiment_template(**template_arguments(order)))
        template_id = str(made["experimentTemplate"]["id"])
        started = asked(lambda: fis.start_experiment(**start_arguments(order, template_id)))
        return {TEMPLATE_ID: template_id, EXPERIMENT_ID: str(started["experiment"]["id"])}

    def look(self, order: PlayOrder) -> Experiment:
        """Ask FIS how far it is. An experiment that FIS does not know any more has ended."""
        state = self._state(order)
        if state is None:
            return Experiment(ExperimentState.ENDED, "FIS does not know the experiment any more")
        return Experiment(_STATES.get(str(state.get("status")), ExperimentState.RUNNING), str(state.get("reason") or ""))

    def close(self, order: PlayOrder) -> None:
        """Stop the experiment if it still runs, and delete the template."""
        fis = self._client(order)
        for template_id in self._template_ids(order):
            for experiment in _pages(fis.list_experiments, "experiments", experimentTemplateId=template_id):
                if experiment["state"].get("status") in _STOPPABLE:
                    found(lambda experiment=experiment: fis.stop_experiment(id=experiment["id"]))  # type: ignore[misc]
            found(lambda template_id=template_id: fis.delete_experiment_template(id=template_id))  # type: ignore[misc]

    def _template_ids(self, order: PlayOrder) -> list[str]:
        """Return the game day's template; when no answer told its id, it is found by its tag: asking again would begin what never began."""
        if TEMPLATE_ID in order.reference:
            return [order.reference[TEMPLATE_ID]]
        listed = _pages(self._client(order).list_experiment_templates, "experimentTemplates")
        return [str(template["id"]) for template in listed if template.get("tags", {}).get(TAG_GAME_DAY) == order.game_day_id]

    def _state(self, order: PlayOrder) -> dict[str, Any] | None:
        fis = self._client(order)
        answer = found(lambda: fis.get_experiment(id=order.reference[EXPERIMENT_ID]))
        return None if answer is None else dict(answer["experiment"]["state"])

    def _client(self, order: PlayOrder) -> Any:  # noqa: ANN401 - boto3's
        if order.role is None:
            raise AwsFailed(ErrorClass.NOT_AUTHORIZED, f"{ASSUME_ROLE_PREFIX}NoRole", "the client has no control role any more")
        return self._gateway.fis(order.role, order.region)


def _pages(call: Callable[..., dict[str, Any]], member: str, **arguments: str) -> Iterator[dict[str, Any]]:
    """Yield everything that a list holds; nothing where what it is about is gone."""
    token: dict[str, str] = {}
    while True:
        answer = found(lambda token=token: call(**arguments, **token))  # type: ignore[misc]
        if answer is None:
            return
        yield from answer[member]
        if not answer.get("nextToken"):
            return
        token = {"nextToken": str(answer["nextToken"])}
