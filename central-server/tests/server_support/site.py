"""A client's side and a daemon's side of one server, over HTTP, and what an ordinary daemon sends."""

from __future__ import annotations

from typing import Any

from server_support.builders import create_client_token
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.db.runner import Database

REGISTRATION: dict[str, Any] = {
    "logical_agent_id": "web-1",
    "instance_id": "i-1",
    "instance_type": "m5.large",
    "region": "us-east-1",
    "az_id": "use1-az1",
    "az_name": "us-east-1a",
    "image_id": "ami-1",
    "product": "Linux/UNIX",
    "architecture": "x86_64",
    "account_id": "123456789012",
    "private_ip": "10.0.0.5",
    "hostname": "ip-10-0-0-5",
    "mode": "spot",
    "mode_evidence": {"metadata": "spot", "api": "spot"},
    "daemon_version": "0.1.0",
    "booted_at": "2026-01-01T00:00:00Z",
    "settings": {
        "auto_terminate_enabled": True,
        "terminate_wait_seconds": 1800,
        "create_snapshot_on_switch": True,
        "carry": "stateless",
        "allowed_instance_types": [],
        "traffic_handles": [{"kind": "elastic_ip", "allocation_id": "eipalloc-1"}],
        "cleanup_snapshots_older_than_days": 7,
        "cleanup_images_older_than_days": 30,
        "image_refresh_hours": 24,
    },
    "launch_specification": {
        "vpc_id": "vpc-1",
        "subnets": {"use1-az1": "subnet-1"},
        "security_group_ids": ["sg-1"],
        "iam_instance_profile_arn": None,
        "key_name": None,
        "metadata_options": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "tags": {"team": "shop"},
    },
    "owner": None,
}

HEARTBEAT: dict[str, Any] = {
    "instance_id": "i-1",
    "epoch": 1,
    "role": "PRIMARY",
    "serving": True,
    "quiesced": False,
    "mode": "spot",
    "daemon_version": "0.1.0",
    "sent_at": "2026-01-01T00:00:00Z",
    "uptime_seconds": 12.5,
    "settings": {"auto_terminate_enabled": False},
    "metadata_failures": 0,
    "unknown_fields": 0,
    "resources": {"instances": [], "images": [], "volumes": []},
}


class Site:
    """A client's side and a daemon's side of one server."""

    def __init__(self, database: Database, http: Http) -> None:
        self.fleet = Fleet.on(database)
        self.http = http
        self.client = http.as_(create_client_token(database, self.fleet.client_id))
        self.base = f"/api/client/{self.fleet.client_id}"

    def register(self, **changes: Any) -> tuple[dict[str, Any], Http]:
        """Register over HTTP; return the answer and the daemon's own connection."""
        answer = self.http.as_(self.fleet.enrolment).post("/api/agents/register", {**REGISTRATION, **changes})
        assert answer.status in {200, 201}, answer.text
        return answer.json, self.http.as_(answer.json["token"])
