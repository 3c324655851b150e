"""The daemons' part of the rsync carry in memory: keys, receivers, and what each disk holds of the state."""

from __future__ import annotations

from typing import Any

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk2o5sWQ0m0H5GJ1Jf6g3x2rS1nQe0yZ8oXq5wV7bT9"


class RsyncSides:
    """Whose key is where, who receives, and which passes came to whom."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.receivers: dict[str, str] = {}
        self.passes: list[tuple[str, str, str]] = []
        """(pass, sender, receiver) as they ended."""
        self.orders: list[dict[str, Any]] = []
        """What senders were told, in order."""

    def make_key(self, instance_id: str, payload: dict[str, Any]) -> dict[str, Any] | str:
        self.keys[instance_id] = payload["move_id"]
        return {"public_key": KEY}

    def open_receiver(self, instance_id: str, payload: dict[str, Any]) -> dict[str, Any] | str:
        if payload["public_key"] != KEY:
            return "refused"
        self.receivers[instance_id] = payload["move_id"]
        return {"host": f"10.0.0.{len(self.receivers)}", "port": 7022, "user": "root", "host_key": f"{KEY}"}

    def send(self, instance_id: str, payload: dict[str, Any]) -> dict[str, Any] | str:
        self.orders.append(payload)
        move_id = payload["move_id"]
        if payload.get("means") == "hook":
            self.passes.append((payload["pass"], instance_id, payload["instance_id"]))
            return {"pass": payload["pass"], "took_seconds": 0.5, "output": "done"}
        receiver = next((to for to, opened_for in self.receivers.items() if opened_for == move_id), None)
        if self.keys.get(instance_id) != move_id or receiver is None:
            return "refused"
        self.passes.append((payload["pass"], instance_id, receiver))
        return {"pass": payload["pass"], "bytes_sent": 1024, "files_sent": 2, "took_seconds": 0.5, "is_whole": True}

    def close(self, instance_id: str, payload: dict[str, Any]) -> dict[str, Any] | str:
        for noted in (self.keys, self.receivers):
            if noted.get(instance_id) == payload["move_id"]:
                del noted[instance_id]
        return {}
