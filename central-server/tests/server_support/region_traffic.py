"""What leads clients to the instances of a region in memory, besides Elastic IPs."""

from __future__ import annotations

from datetime import datetime
from typing import Any


class RegionTraffic:
    """`holders` says to which instance each handle leads, by its name; `moves` in which order they were moved."""

    def __init__(self) -> None:
        self.holders: dict[str, str] = {}
        self.moves: list[tuple[str, str]] = []
        self.unhealthy: set[str] = set()
        """Instances that no load balancer accepts."""

    def move_private_ip(self, _machine: object, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        return self._take(payload["private_ip"], payload["instance_id"], {"private_ip": payload["private_ip"]}, now)

    def move_target(self, _machine: object, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        return self._take(payload["target_group_arn"], payload["instance_id"], {}, now)

    def confirm_target(self, _machine: object, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        is_there = self.holders.get(payload["target_group_arn"]) == payload["instance_id"]
        if not is_there or payload["instance_id"] in self.unhealthy:
            return _answer("check_failed", {})
        return _answer(None, {"target_state": "healthy", "former_target_state": None})

    def move_record(self, _machine: object, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        told = {"value": f"address of {payload['instance_id']}", "change_id": "/change/C1", "ttl_seconds": payload["ttl_seconds"]}
        return self._take(payload["record_name"], payload["instance_id"], told, now)

    def confirm_record(self, _machine: object, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        is_there = payload["value"] == f"address of {self.holders.get(payload['record_name'])}"
        return _answer(None if is_there and payload["change_id"] else "check_failed", {"value": payload["value"]})

    def run_hook(self, machine: Any, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        if payload["act"] == "check":
            return _answer(None if self.holders.get(payload["name"]) == machine.instance_id else "hook_failed", {"output": "checked"})
        return self._take(payload["name"], machine.instance_id, {"output": "moved"}, now)

    def _take(self, name: str, instance_id: str, result: dict[str, Any], now: datetime) -> dict[str, Any]:
        self.holders[name] = instance_id
        self.moves.append((name, instance_id))
        return _answer(None, {**result, "moved_at": now.isoformat()})


def _answer(error_class: str | None, result: dict[str, Any]) -> dict[str, Any]:
    if error_class is not None:
        return {"outcome": "failed", "error": {"class": error_class, "code": None, "message": "injected"}, "result": {}}
    return {"outcome": "succeeded", "error": None, "result": result}
