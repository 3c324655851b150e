"""What made-up daemons send, as bytes and bodies. Pure; imports nothing of the product, so that the load generator starts at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
PRICE_TYPES = ("m5.large", "m5a.large", "m6i.large")
ZONE_NUMBERS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, slots=True)
class Daemon:
    """Who one made-up daemon is to the server."""

    agent_id: str
    instance_id: str
    token: str


def request_bytes(method: str, path: str, token: str | None = None, body: Mapping[str, Any] | None = None) -> bytes:
    """Return one HTTP/1.1 request with the headers that the real daemon's requests.Session sends."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        "User-Agent: spot-agent/bench",
        "Accept-Encoding: gzip, deflate",
        "Accept: application/json, application/problem+json",
        "Connection: keep-alive",
    ]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    if body is not None:
        lines += [f"Content-Length: {len(content)}", "Content-Type: application/json"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def agent_request(daemon: Daemon, method: str, page: str, body: Mapping[str, Any] | None = None) -> bytes:
    """Return a request to one of the daemon's own pages."""
    return request_bytes(method, f"/api/agents/{daemon.agent_id}/{page}", daemon.token, body)


def heartbeat_body(instance_id: str, sent_at: str) -> dict[str, Any]:
    """Return what the daemon of an ordinary PRIMARY says of itself."""
    return {
        "instance_id": instance_id,
        "epoch": 1,
        "role": "PRIMARY",
        "serving": True,
        "quiesced": False,
        "mode": "spot",
        "daemon_version": "0.1.0",
        "sent_at": sent_at,
        "uptime_seconds": 86400.25,
        "settings": {
            "auto_terminate_enabled": True,
            "terminate_wait_seconds": 1800,
            "create_snapshot_on_switch": True,
            "carry": "stateless",
            "allowed_instance_types": list(PRICE_TYPES),
            "traffic_handles": [{"kind": "elastic_ip", "allocation_id": "eipalloc-0123456789abcdef0"}],
            "cleanup_snapshots_older_than_days": 7,
            "cleanup_images_older_than_days": 30,
        },
        "metadata_failures": 0,
        "unknown_fields": 0,
        "resources": {
            "instances": [{"instance_id": instance_id, "state": "running"}],
            "images": [{"image_id": "ami-0123456789abcdef0", "state": "available"}],
            "volumes": [],
        },
    }


def price_report_body(instance_id: str, report_id: str, observed_at: str) -> dict[str, Any]:
    """Return a report of 18 prices: three instance types in six zones, the prices a little different for each instance."""
    cents = 3 + int(instance_id[-2:], 16) / 1000
    prices = [
        {
            "region": "us-east-1",
            "az_id": f"use1-az{zone}",
            "az_name": f"us-east-1{'abcdef'[zone - 1]}",
            "instance_type": instance_type,
            "product": "Linux/UNIX",
            "spot_usd_per_hour": f"{cents / 100 + zone / 1000:.6f}",
            "effective_at": "2026-01-01T00:00:00Z",
        }
        for instance_type in PRICE_TYPES
        for zone in ZONE_NUMBERS
    ]
    types = [{"instance_type": name, "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]} for name in PRICE_TYPES]
    return {"report_id": report_id, "instance_id": instance_id, "observed_at": observed_at, "prices": prices, "instance_types": types}


def outcome_body(request_id: str) -> dict[str, Any]:
    """Return the answer to a command that succeeded."""
    return {"request_id": request_id, "outcome": "succeeded", "error": None, "result": {}, "started_at": None, "finished_at": None}
