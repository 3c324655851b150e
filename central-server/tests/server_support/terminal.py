"""A person at a terminal with `spotctl`, and the application in this process as its server: everything but the sockets is real."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from click.testing import CliRunner
from flask import Flask

from server_support.builders import create_client_token
from server_support.clock import FakeClock
from server_support.story import Story
from spotctl.cli import main
from spotctl.credentials import Credentials, store_credentials
from spotctl.http_client import HttpAnswer, HttpRequest, TransportFailed
from spotctl.session import Surroundings

SERVER = "https://spot.test"
DESCRIPTION = Path(__file__).parents[3] / "docs" / "api" / "openapi.json"


@cache
def described_pages() -> re.Pattern[str]:
    """Match the method and path of every page that the committed description of the interface has."""
    pages = json.loads(DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    written = [f"{method.upper()} {re.sub(r'{[^}]+}', '[^/]+', path)}" for path, methods in pages.items() for method in methods]
    return re.compile("|".join(written))


@dataclass
class AppTransport:
    """Carries requests to the application. `faults` are used up one by one: "unsent", "unanswered" (it acted), or an answer."""

    app: Flask
    faults: list[str | HttpAnswer | None] = field(default_factory=list)
    sent: list[HttpRequest] = field(default_factory=list)

    def send(self, request: HttpRequest) -> HttpAnswer:
        self.sent.append(request)
        address = urlsplit(request.url)
        method_and_path = f"{request.method} {address.path}"
        assert described_pages().fullmatch(method_and_path), f"{method_and_path} is not in docs/api/openapi.json"
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, HttpAnswer):
            return fault
        if fault == "unsent":
            raise TransportFailed("the connection was refused, or there is no way to it")
        client = self.app.test_client()
        response = client.open(
            address.path, method=request.method, query_string=address.query, headers=dict(request.headers), data=request.body
        )
        if fault == "unanswered":
            raise TransportFailed("it did not answer in time")
        return HttpAnswer(response.status_code, response.get_data(), dict(response.headers))

    def posts(self) -> list[str]:
        """The last part of every page that was written to."""
        return [request.url.rpartition("/")[2] for request in self.sent if request.method == "POST"]


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """What --json prints about an error."""
        return json.loads(self.error)


class Ticking:
    """A clock whose sleeping lets the story go on: waiting for a move moves it."""

    def __init__(self, clock: FakeClock, on_sleep: Callable[[float], None]) -> None:
        self._clock, self._on_sleep = clock, on_sleep
        self.now = clock.now

    def sleep(self, duration_seconds: float) -> None:
        self._on_sleep(duration_seconds)


@dataclass
class Terminal:
    """Runs commands as the client whose story is told."""

    app: Flask
    clock: FakeClock
    home: Path
    on_sleep: Callable[[float], None] | None = None
    is_interactive: bool = False
    transport: AppTransport = field(init=False)
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    _ids: int = 0

    def __post_init__(self) -> None:
        self.transport = AppTransport(self.app)

    @classmethod
    def of(cls, story: Story, app: Flask, home: Path) -> Terminal:
        """A terminal where the story's client is logged in; waiting lets the story go on."""
        made = cls(app, story.clock, home, on_sleep=story.passes)
        made.log_in(story.fleet.client_id, create_client_token(story.database, story.fleet.client_id))
        return made

    def log_in(self, client_id: str, token: str) -> None:
        store_credentials(self.credentials, Credentials(SERVER, client_id, token))

    @property
    def credentials(self) -> Path:
        return self.home / "credentials.json"

    def run(self, *arguments: str, typed: str = "") -> Said:
        """Run one command with `typed` on its standard input."""
        surroundings = Surroundings(
            open_transport=self._open,
            clock=Ticking(self.clock, self.on_sleep or self.clock.advance),
            new_request_id=self._new_id,
            is_interactive=lambda: self.is_interactive,
            home=self.home,
        )
        with CliRunner().isolation(input=typed) as (out, error, _both):
            code = main(list(arguments), surroundings)
        return Said(int(code), out.getvalue().decode(), error.getvalue().decode())

    def _open(self, server_url: str, ca_file: str | None) -> AppTransport:
        self.opened.append((server_url, ca_file))
        return self.transport

    def _new_id(self) -> str:
        self._ids += 1
        return f"spotctl-{self._ids}"
