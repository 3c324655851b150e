"""The region as a real process, spoken to over HTTP."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

import boto3
import requests
from botocore.config import Config

from conformance.behaviour import Behaviour
from conformance.port import HttpAnswer
from spot_simulator.clock import SystemClock

TOKEN_LIFE = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
METADATA_PORT, WORKLOAD_PORT = 1338, 8080

SERVER_PROGRAM = """
import os, socket, datetime
listener = socket.create_server((os.environ["INSTANCE_IP"], 8080))
now = datetime.datetime.now(datetime.timezone.utc).isoformat()
print('{"event": "serving", "at": "%s"}' % now, flush=True)
held = []
while True:
    connection, _ = listener.accept()
    request = connection.recv(4096)
    if b"/hold" in request:
        held.append(connection)
        continue
    body = os.environ["INSTANCE_ID"].encode()
    status = b"404 Not Found" if b"/missing" in request else b"200 OK"
    connection.sendall(b"HTTP/1.0 " + status + b"\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
    connection.close()
"""

SCRIPTS = {
    Behaviour.ENDS: "exit 0",
    Behaviour.IS_DEAF: 'trap "" TERM; touch "$INSTANCE_ROOT/srv/deaf"; while :; do sleep 0.05; done',
    Behaviour.COUNTS: 'while :; do echo x >> "$INSTANCE_ROOT/srv/count"; sleep 0.01; done',
    Behaviour.SPOILS: 'echo "not json" > "$INSTANCE_ROOT/etc/services.json"; sleep 1000',
    Behaviour.OBEYS_FAULTS: 'test "$WORKLOAD_FAIL_START" = 1 && exit 1; sleep 1000',
}


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

    def client(self, service: str) -> Any:
        return self._client(1, service=service)

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

    def lose_all(self) -> None:
        """Lose every instance that is up: whatever a test protected or had refused, this ends it."""
        _, state = self.control("GET", "/state")
        for one in state["instances"]:
            if one["state"] in {"pending", "running"}:
                self.control("POST", f"/instances/{one['instance_id']}/lose")

    def now(self) -> datetime:
        return self._clock.now()

    def argv(self, behaviour: Behaviour) -> list[str]:
        match behaviour:
            case Behaviour.SERVES:
                return [sys.executable, "-S", "-E", "-c", SERVER_PROGRAM]
            case Behaviour.SLEEPS:
                return ["sleep", "1000"]
            case _:
                return ["/bin/sh", "-c", SCRIPTS[behaviour]]

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

    def ask(self, ip: str, path: str = "/") -> HttpAnswer:
        return self.http("GET", ip, WORKLOAD_PORT, path)

    def metadata(self, instance_id: str, path: str) -> HttpAnswer:
        _, state = self.control("GET", "/state")
        ip = next(one["private_ip"] for one in state["instances"] if one["instance_id"] == instance_id)
        token = self.http("PUT", ip, METADATA_PORT, "/latest/api/token", {TOKEN_LIFE: "60"})
        if token.status != 200:
            return token
        return self.http("GET", ip, METADATA_PORT, f"/latest/{path}", {TOKEN: token.text})

    def at_once(self, call: Callable[[], Any], times: int) -> list[Any]:
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: call(), range(times)))

    def eventually(self, look: Callable[[], Any], within_seconds: float = 30.0) -> Any:
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
