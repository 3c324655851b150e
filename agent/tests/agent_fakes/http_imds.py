"""The instance metadata service over HTTP, version 2 only, with the faults that it is known for."""

from __future__ import annotations

import json
from typing import Any

from agent_fakes.http_server import Handler, HttpFake
from agent_fakes.memory import IDENTITY

PATH_IDENTITY = "dynamic/instance-identity/document"


class _ImdsHandler(Handler):
    fake: FakeImdsServer

    def do_PUT(self) -> None:
        if self._is_faulty():
            return
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not ttl.isdigit() or not 1 <= int(ttl) <= 21_600:
            self.answer(400, "<html>bad request</html>")
            return
        self.fake.tokens_given += 1
        self.answer(200, f"token-{self.fake.token_number}")

    def do_GET(self) -> None:
        self.fake.paths.append(self.path)
        if self._is_faulty():
            return
        if self.headers.get("X-aws-ec2-metadata-token") != f"token-{self.fake.token_number}":
            self.answer(401, "<html>unauthorized</html>")
            return
        text = self.fake.texts.get(self.path.removeprefix("/latest/"))
        if text is None:
            self.answer(404, "<html>not found</html>", "text/html")
        elif self.fake.fault == "truncated":
            self.answer(200, text[: len(text) // 2], missing_bytes=len(text))
        else:
            self.answer(200, text)

    def _is_faulty(self) -> bool:
        fault = self.fake.fault
        if fault == "hang":
            self.fake.closing.wait(30)
            self.close_connection = True
        elif fault == "error":
            self.answer(503, "<html>slow down</html>")
        elif fault == "off":
            self.answer(403, "<html>forbidden</html>")
        return fault in ("hang", "error", "off")


class FakeImdsServer(HttpFake):
    """`fault` is none, hang, error, off or truncated. Raising `token_number` makes every token given so far invalid."""

    def __init__(self, instance_id: str = "i-own", **identity: Any) -> None:
        super().__init__(_ImdsHandler)
        self.fault = "none"
        self.token_number = 1
        self.tokens_given = 0
        self.paths: list[str] = []
        self.texts: dict[str, str] = {
            PATH_IDENTITY: json.dumps({**IDENTITY, "instanceId": instance_id, **identity}),
            "meta-data/placement/availability-zone-id": "use1-az6",
            "meta-data/instance-life-cycle": "spot",
        }
