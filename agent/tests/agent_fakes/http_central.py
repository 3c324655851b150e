"""The central server's agent side over HTTP: enough of the protocol to drive a real daemon."""

from __future__ import annotations

import json
import re
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from agent_fakes.http_server import Handler, HttpFake

ENROLMENT_TOKEN = "so_enrol_test"


class _CentralHandler(Handler):
    fake: FakeCentralServer

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        body = self.body() if method == "POST" else {}
        parts = urlsplit(self.path)
        name = re.sub(r"^/api/agents/([^/]+/)?", "", parts.path)
        fault = self.fake.faults.get(name) or self.fake.faults.get("*")
        if fault == "hang":
            self.fake.closing.wait(30)
            self.close_connection = True
            return
        if fault is not None:
            self._problem(int(fault), "status")
            return
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, answer = self.fake.handle(name, token, body, parse_qs(parts.query))
        if status >= 400:
            self._problem(status, answer["type"])
        else:
            self.answer(status, json.dumps(answer), "application/json")

    def _problem(self, status: int, name: str) -> None:
        problem = {"type": f"/problems/{name}", "title": name, "status": status}
        self.answer(status, json.dumps(problem), "application/problem+json")


class FakeCentralServer(HttpFake):
    """One agent with one instance. `faults` maps the end of a path, or *, to a status or to hang."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(_CentralHandler, port)
        self.lock = threading.Condition()
        self.faults: dict[str, str] = {}
        self.calls: list[tuple[str, Any]] = []
        self.token = "so_agent_1"
        self.enrolment_token = ENROLMENT_TOKEN
        self.instance_id: str | None = None
        self.view: dict[str, Any] = {"instance_status": "running_primary", "is_primary": True, "epoch": 1}
        self.config_version = 1
        self.config: dict[str, Any] = {}
        self.commands: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self.replicas: list[dict[str, Any]] = []
        self.notice_answer: dict[str, Any] = {"event_id": "e-1", "is_new": True, "response": "hold", "replica_id": None}

    def __enter__(self) -> FakeCentralServer:  # noqa: PYI034 - Self needs Python 3.11
        super().__enter__()
        return self

    def bodies(self, name: str) -> list[Any]:
        with self.lock:
            return [body for call, body in self.calls if call == name]

    def issue(self, command: dict[str, Any]) -> None:
        with self.lock:
            self.commands[command["command_id"]] = command
            self.lock.notify_all()

    def handle(self, name: str, token: str, body: dict[str, Any], query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.calls.append((name, body))
            self.lock.notify_all()
            if name == "register":
                return self._register(token, body)
            if name == "/readyz":
                return 200, {"status": "ok", "detail": ""}
            if token != self.token:
                return 401, {"type": "token-invalid"}
            if name == "pending-commands":
                return self._pending(float(query.get("wait", ["0"])[0]))
            return self._other(name, body)

    def _register(self, token: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if token != self.enrolment_token:
            return 401, {"type": "token-invalid"}
        if self.instance_id not in (None, body["instance_id"]):
            return 409, {"type": "unexpected-instance"}
        status = 200 if self.instance_id else 201
        self.instance_id = body["instance_id"]
        answer = {"agent_id": "agent-1", "instance_id": self.instance_id, "token": self.token, "config": self._config()}
        return status, {**answer, **self.view}

    def _pending(self, wait_seconds: float) -> tuple[int, dict[str, Any]]:
        self.lock.wait_for(lambda: bool(self.commands) or self.closing.is_set(), timeout=wait_seconds)
        listed = sorted(self.commands.values(), key=lambda command: -command["priority"])
        return 200, {"commands": listed, "wait_seconds": 50}

    def _other(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        executed = re.fullmatch(r"commands/([^/]+)/executed", name)
        if executed:
            command = self.commands.pop(executed.group(1), None)
            known = self.answers.setdefault(executed.group(1), body)
            if known != body:
                return 409, {"type": "outcome-differs"}
            assert command is not None or known == body
            return 200, {"recorded": True, "status": body["outcome"]}
        if name == "heartbeat":
            waiting = bool(self.commands)
            return 200, {"config_version": self.config_version, "commands_waiting": waiting, **self.view}
        if name == "config":
            return 200, self._config()
        if name == "replicas":
            return 200, {"replicas": self.replicas}
        return (202, {**self.notice_answer}) if "-" in name else (200, {})

    def _config(self) -> dict[str, Any]:
        return {"config_version": self.config_version, **self.view, **self.config}
