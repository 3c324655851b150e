"""What is measured reaches Prometheus where a port is set, and costs no memory where none is."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

LOADED_ONLY_WHEN_ASKED_FOR = (
    "prometheus_client",
    "http.server",
    "wsgiref",
    "spot_agent.metrics_page",
    "spot_agent.check_command",
    "spot_agent.checking",
)
NEVER_LOADED = ("boto3", "s3transfer", "requests", "charset_normalizer", "cryptography", "yaml", "asyncio", "pkg_resources", "setuptools")

RUNNING_DAEMON = """
import sys
from spot_agent.cli import main
from spot_agent.ec2 import ec2_of_region
from spot_agent.logs import Log
from spot_agent.metrics import serve_metrics
ec2_of_region("us-east-1", Log())
serve_metrics(0)
print("\\n".join(sys.modules))
"""

SERVING = """
import sys
from spot_agent import metrics
metrics.STEPS.add("heartbeat", "did")
metrics.serve_metrics(int(sys.argv[1]))
metrics.STEPS.add("heartbeat", "did")
metrics.PRICES_REPORTED.add(amount=18)
metrics.EPOCH.set(7)
metrics.STEP_SECONDS.observe(0.2, "heartbeat")
import urllib.request
print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=10).read().decode())
"""


def run(code: str, *arguments: str) -> str:
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


def test_a_daemon_whose_metrics_nobody_reads_holds_none_of_what_serves_them() -> None:
    loaded = set(run(RUNNING_DAEMON).split())

    assert "botocore.client" in loaded
    assert loaded.isdisjoint(LOADED_ONLY_WHEN_ASKED_FOR)
    assert loaded.isdisjoint(NEVER_LOADED)


@pytest.mark.server
def test_what_is_measured_once_the_page_is_there_is_on_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

    lines = run(SERVING, str(port)).splitlines()

    assert 'spot_agent_steps_total{outcome="did",worker="heartbeat"} 1.0' in lines
    assert "spot_agent_prices_reported_total 18.0" in lines
    assert "spot_agent_epoch 7.0" in lines
    assert 'spot_agent_step_duration_seconds_bucket{le="0.25",worker="heartbeat"} 1.0' in lines
    assert 'spot_agent_step_duration_seconds_bucket{le="0.05",worker="heartbeat"} 0.0' in lines
    assert "# HELP spot_agent_thaw_failures_total Thaws that failed; they are tried again." in lines


@pytest.mark.server
def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(subprocess.CalledProcessError) as failed:
            run(SERVING, str(taken.getsockname()[1]))

    assert "OSError" in failed.value.stderr
