"""The three things that the demo talks to, as a person with a terminal would: the server's API, the region's control API, EC2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import boto3
import requests

TIMEOUT_SECONDS = 30.0

Json: TypeAlias = Any
"""A JSON value; who asks knows its shape."""


class CallRefused(Exception):
    """An API answered with an error; the text is its own."""

    def __init__(self, text: str, status: int | None = None) -> None:
        """`status` is HTTP's."""
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class JsonApi:
    """A JSON API at a base address, with a bearer token if it wants one."""

    base_url: str
    token: str | None = None

    def get(self, path: str, **query: str | float) -> Json:
        """Return the answer's JSON."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: Json = None) -> Json:
        """Return the answer's JSON."""
        return self.call("POST", path, {} if body is None else body)

    def call(self, method: str, path: str, body: Json = None) -> Json:
        """Return the answer's JSON."""
        return self._call(method, path, json=body)

    def _call(self, method: str, path: str, **options: Json) -> Json:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        timeout_seconds = TIMEOUT_SECONDS + float(options.get("params", {}).get("wait", 0))
        answer = requests.request(method, self.base_url + path, headers=headers, timeout=timeout_seconds, **options)
        if not answer.ok:
            raise CallRefused(f"{method} {path}: {answer.status_code} {answer.text.strip()[:600]}", answer.status_code)
        return answer.json()


def ec2_client(region_url: str, region: str) -> Any:  # noqa: ANN401 - boto3 publishes no types
    """Return a boto3 client for the simulated EC2."""
    return boto3.client(
        "ec2",
        endpoint_url=region_url,
        region_name=region,
        aws_access_key_id="demo",
        aws_secret_access_key="demo",  # noqa: S106 - the simulated region wants any
    )
