"""The WSGI application in front of moto: it adds to EC2 what moto lacks, and passes other services on."""

import socket
from collections.abc import Callable, Iterable, Mapping
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl

from spot_simulator.ec2.call import Call, Handler
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.moto_backend import MotoBackend
from spot_simulator.ec2.wire import Answer, failure
from spot_simulator.event_log import EventLog
from spot_simulator.model.faults import Fault, FaultTable, Mishap
from spot_simulator.neighbours.door import NeighbourDoor

_READING = ("Describe", "Get", "List")
_LONGEST_LOGGED_VALUE = 200
_STATUS_TEXT = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 412: "Precondition Failed", 503: "Service Unavailable"}

StartResponse = Callable[..., Any]


class Shim:
    """One call at a time: moto has no locks of its own, and an answer takes milliseconds."""

    def __init__(
        self,
        moto: MotoBackend,
        handlers: Mapping[str, Handler],
        neighbours: Mapping[str, NeighbourDoor],
        faults: FaultTable,
        log: EventLog,
        lock: RLock,
    ) -> None:
        """``handlers`` answer their actions of EC2, ``neighbours`` whole services (by the name in a signature); all else is moto's."""
        self._moto, self._handlers, self._neighbours, self._faults = moto, handlers, neighbours, faults
        self._log, self._lock = log, lock

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        region, service = _scope(environ)
        neighbour = self._neighbours.get(service or "")
        if neighbour is not None:
            return _sent(environ, start_response, *neighbour.answer(environ))
        if service != "ec2":
            with self._lock:
                return list(self._moto.pass_on(environ, start_response))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length).decode() if length else environ.get("QUERY_STRING", "")
        parameters = dict(parse_qsl(body, keep_blank_values=True))
        call = Call(parameters.get("Action", ""), parameters, environ, self._moto)
        return _sent(environ, start_response, *self._answer(call, region))

    def _answer(self, call: Call, region: str | None) -> tuple[Answer, bool]:
        """Return the answer, and whether it is to be lost on its way."""
        with self._lock:
            fault = self._faults.take(call.action)
            answer = self._acted(call, region, fault)
            is_lost = fault is not None and fault.is_answer_lost
            if not call.action.startswith(_READING) or fault is not None:
                self._note(call, answer, is_lost=is_lost)
            return answer, is_lost

    def _acted(self, call: Call, region: str | None, fault: Fault | None) -> Answer:
        if region != call.moto.region:
            return failure(Ec2Error("AuthFailure", f"This simulated region is {call.moto.region}, not {region}"))
        if fault is not None and fault.mishap is Mishap.REFUSED:
            return failure(Ec2Error(fault.code or "InternalError"))
        try:
            handler = self._handlers.get(call.action)
            if handler is None or call.action.startswith(_READING):
                call.end_if_dry_run()  # moto would carry some of them out
            return handler(call) if handler else call.forward()
        except Ec2Error as error:
            return failure(error)

    def _note(self, call: Call, answer: Answer, *, is_lost: bool) -> None:
        hidden = ("Action", "Version")
        request = {name: value[:_LONGEST_LOGGED_VALUE] for name, value in call.parameters.items() if name not in hidden}
        outcome = "ok" if answer.status == 200 else (answer.error_code() or str(answer.status))
        self._log.append("api", action=call.action, outcome=outcome, answer_lost=is_lost, request=request)


def _sent(environ: dict[str, Any], start_response: StartResponse, answer: Answer, is_lost: bool) -> Iterable[bytes]:  # noqa: FBT001 - as it comes
    if is_lost:
        _break_connection(environ)
        return []
    status = f"{answer.status} {_STATUS_TEXT.get(answer.status, 'Error')}"
    start_response(status, [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))])
    return [answer.body]


def _scope(environ: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the region and service that a request was signed for; (None, None) for an unsigned one."""
    _, _, credential = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")
    parts = credential.split(",")[0].split("/")
    return (parts[2], parts[3]) if len(parts) >= 5 else (None, None)


def _break_connection(environ: Mapping[str, Any]) -> None:
    """Close the connection without an answer."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
