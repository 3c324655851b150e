"""A thin client for the application under test: tokens in, JSON out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient


@dataclass(frozen=True)
class Answer:
    """What came back. `json` is None when the body was not JSON."""

    status: int
    json: Any
    text: str
    headers: dict[str, str]

    @property
    def slug(self) -> str:
        """The kind of problem that the answer tells of."""
        return str(self.json["type"]).removeprefix("/problems/")


class Http:
    """Calls the application in this process. `as_` gives a client that sends a token with every request."""

    def __init__(self, client: FlaskClient, token: str | None = None) -> None:
        self._client = client
        self._token = token

    @classmethod
    def to(cls, app: Flask) -> Http:
        return cls(app.test_client())

    def as_(self, token: str) -> Http:
        return Http(self._client, token)

    def get(self, path: str, **query: Any) -> Answer:
        return self.send("GET", path, query=query)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.send("POST", path, body=body)

    def put(self, path: str, body: Any = None) -> Answer:
        return self.send("PUT", path, body=body)

    def delete(self, path: str, body: Any = None) -> Answer:
        return self.send("DELETE", path, body=body)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        content_type: str | None = None,
    ) -> Answer:
        """Send `body` as JSON, or `raw` bytes as they are."""
        sent = dict(headers or {})
        if self._token is not None:
            sent.setdefault("Authorization", f"Bearer {self._token}")
        content: dict[str, Any] = {} if body is None else {"json": body}
        if raw is not None:
            content = {"data": raw, "content_type": content_type or "application/json"}
        response = self._client.open(path, method=method, query_string=query, headers=sent, **content)
        return Answer(response.status_code, response.get_json(silent=True), response.get_data(as_text=True), dict(response.headers))
