"""The region as a real process, spoken to over HTTP."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import boto3
import requests
from botocore.config import Config

from conformance.port import HttpAnswer
from spot_simulator.clock import SystemClock


class HttpRegion:
    """``spot-simulator region`` in a folder of its own."""

    def __init__(self, state_dir: Path, *arguments: str, time_scale: float = 0.001) -> None:
        self.time_scale, self.state_dir = time_scale, state_dir
        command = [sys.executable, "-m", "spot_simulator.cli", "region", "--state-dir", str(state_dir)]
        command += ["--time-scale", str(time_scale), "--seed", "7", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, "the region did not start"
        self.url = json.loads(line)["url"]
        self.ec2, self.patient_ec2 = self._client(1), self._client(5)
        self._clock = SystemClock()

    def ec2_as(self, role_arn: str) -> Any:
        sts = self._client(1, service="sts")
        credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName="test", ExternalId="test")["Credentials"]
        return self._client(1, access_key=credentials["AccessKeyId"], session_token=credentials["SessionToken"])

    def _client(self, attempts: int, *, service: str = "ec2", access_key: str = "test", session_token: str | None = None) -> Any:
        create: Any = boto3.client  # its overloads ask for the service's name as a literal
        return create(
            service,
            region_name="us-east-1",
            endpoint_url=self.url,
            aws_access_key_id=access_key,
            aws_secret_access_key="test",
            aws_session_token=session_token,
            config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        if self.process.stdout:
            self.process.stdout.close()

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = requests.request(method, f"{self.url}/_region{path}", json=body, timeout=20)
        return answer.status_code, answer.json()

    def http(self, method: str, ip: str, port: int, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        connection = HTTPConnection(ip, port, timeout=2.0)
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return HttpAnswer(answer.status, answer.read().decode(), dict(answer.getheaders()))
        except (OSError, HTTPException) as error:
            return HttpAnswer(0, repr(error), {})
        finally:
            connection.close()

    def eventually(self, look: Callable[[], Any], within_seconds: float = 5.0) -> Any:
        deadline = self._clock.monotonic_seconds() + within_seconds
        while not (seen := look()):
            assert self._clock.monotonic_seconds() < deadline, "it did not happen in time"
            threading.Event().wait(0.01)
        return seen

    def process_exists(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    def read_disk(self, instance_id: str, path: str) -> str | None:
        file = self.state_dir / "instances" / instance_id / "disk" / path
        return file.read_text() if file.exists() else None

    def write_run(self, instance_id: str, path: str) -> None:
        file = self.state_dir / "instances" / instance_id / "run" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
