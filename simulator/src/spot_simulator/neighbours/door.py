"""The door of the services beside EC2: reads a request, lets an ordered fault befall it, answers, and notes what changed something."""

from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any

from botocore.model import ServiceModel

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer
from spot_simulator.model.faults import FaultTable, Mishap
from spot_simulator.neighbours.json_wire import read_json, refused_json, written_json
from spot_simulator.neighbours.wire import Parameters, described, read_query, read_rest, refused, written
from spot_simulator.ports import Log

Handlers = Mapping[str, Callable[[Parameters], dict[str, Any]]]

_READING = ("Describe", "Get", "List")


class NeighbourDoor:
    """Operations that no handler answers are refused: moto has others, but knows nothing of what is here."""

    def __init__(self, service: str, handlers: Handlers, faults: FaultTable, log: Log, lock: RLock) -> None:
        """``service`` is boto3's name for it."""
        self._service: ServiceModel = described(service)
        self._is_json = self._service.protocol == "json"
        self._handlers, self._faults, self._log, self._lock = handlers, faults, log, lock

    def answer(self, environ: Mapping[str, Any]) -> tuple[Answer, bool]:
        """Answer one HTTP request; and say whether the answer is to be lost on its way."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        with self._lock:
            try:
                action, parameters = self._read(environ, body)
            except Ec2Error as error:
                return self._refused(error), False
            fault = self._faults.take(action)
            answer = self._refused(Ec2Error(fault.code or "InternalError")) if fault and fault.mishap is Mishap.REFUSED else None
            answer = answer or self._acted(action, parameters)
            is_lost = fault is not None and fault.is_answer_lost
            if fault is not None or not action.startswith(_READING):
                outcome = "ok" if answer.status == 200 else answer.error_code()
                self._log.append("api", action=action, outcome=outcome, answer_lost=is_lost, request=parameters)
            return answer, is_lost

    def _read(self, environ: Mapping[str, Any], body: bytes) -> tuple[str, Parameters]:
        query = str(environ.get("QUERY_STRING", ""))
        if self._is_json:
            return read_json(self._service, str(environ.get("HTTP_X_AMZ_TARGET", "")), body)
        if self._service.protocol == "query":
            return read_query(self._service, body.decode() or query)
        return read_rest(self._service, str(environ["REQUEST_METHOD"]), str(environ["PATH_INFO"]), query, body)

    def _acted(self, action: str, parameters: Parameters) -> Answer:
        handler = self._handlers.get(action)
        if handler is None:
            return self._refused(Ec2Error("InvalidAction", f"The simulated region has no {action}; it has {', '.join(self._handlers)}"))
        try:
            answer = handler(parameters)
        except Ec2Error as error:
            return self._refused(error)
        return written_json(answer) if self._is_json else written(self._service.operation_model(action), answer)

    def _refused(self, error: Ec2Error) -> Answer:
        return refused_json(error) if self._is_json else refused(error)
