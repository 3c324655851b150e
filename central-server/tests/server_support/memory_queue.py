"""An SQS queue in memory: what is received and not deleted comes again."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from spot_server.aws.ports import ControlRole
from spot_server.aws.queues import QueueMessage


class AtOnce(Executor):
    """Runs what it is given at once, in the caller's thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as a thread does: whoever asks for the result gets it
            done.set_exception(error)
        return done


@dataclass
class FakeQueue:
    """One queue, and the gateway to it."""

    bodies: dict[str, str] = field(default_factory=dict)
    receives: dict[str, int] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    asked: list[tuple[ControlRole, str, str]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    delete_failures: list[Exception] = field(default_factory=list)
    forgotten: int = 0
    role: tuple[ControlRole, str] | None = None

    def queue(self, role: ControlRole, region: str) -> FakeQueue:
        self.role = (role, region)
        return self

    def forget(self, role: ControlRole, region: str) -> None:
        self.forgotten += 1

    def send(self, body: dict[str, Any] | str, message_id: str | None = None) -> str:
        name = message_id or f"message-{len(self.receives) + len(self.bodies) + 1}"
        self.bodies[name] = body if isinstance(body, str) else json.dumps(body)
        return name

    def receive(self, queue_url: str) -> tuple[QueueMessage, ...]:
        assert self.role is not None
        self.asked.append((*self.role, queue_url))
        if self.failures:
            raise self.failures.pop(0)
        for name in self.bodies:
            self.receives[name] = self.receives.get(name, 0) + 1
        return tuple(
            QueueMessage(name, f"{name}/{self.receives[name]}", body, self.receives[name], None) for name, body in self.bodies.items()
        )

    def delete(self, queue_url: str, message: QueueMessage) -> None:
        if self.delete_failures:
            raise self.delete_failures.pop(0)
        self.deleted.append(message.message_id)
        self.bodies.pop(message.message_id, None)
