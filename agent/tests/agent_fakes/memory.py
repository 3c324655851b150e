"""The ports in memory: metadata, hooks, the start guard, the central server."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from agent_fakes.virtual import VirtualClock
from spot_agent.carrying.passes import HookOrder, HookRan, Order, Sending, Sent
from spot_agent.errors import ActFailed, JournalUnwritable, NotRegistered, ServerFailed
from spot_agent.journal import Journal, MemoryJournal
from spot_agent.journal_contents import JournalContents
from spot_agent.model import JsonObject
from spot_agent.ports import Absent, Found, HookName, HookResult, Readiness, Reading, Thawed
from spot_agent.rules.rsync import Counted, Door

IDENTITY = {
    "accountId": "123456789012",
    "architecture": "x86_64",
    "availabilityZone": "us-east-1a",
    "imageId": "ami-1",
    "instanceId": "i-own",
    "instanceType": "m5.large",
    "privateIp": "10.0.0.5",
    "region": "us-east-1",
}


class FakeDiskJournal(MemoryJournal):
    """A journal whose disk can be full."""

    is_full = False

    def __init__(self, contents: JournalContents | None = None) -> None:
        super().__init__(contents)
        self.on_save: Callable[[], None] = lambda: None

    def _save(self, contents: JournalContents) -> None:
        self.on_save()
        if self.is_full:
            raise JournalUnwritable("disk full")


class FakeImds:
    """Answers from a table; a path that is not in it is absent."""

    def __init__(self) -> None:
        self.readings: dict[str, Reading] = {
            "dynamic/instance-identity/document": Found(json.dumps(IDENTITY)),
            "meta-data/placement/availability-zone-id": Found("use1-az1"),
            "meta-data/instance-life-cycle": Found("spot"),
        }
        self.reads: list[str] = []

    def read(self, path: str) -> Reading:
        self.reads.append(path)
        return self.readings.get(path, Absent())


class FakeGuard:
    """The start guard as a flag."""

    def __init__(self) -> None:
        self.granted = False

    def grant(self) -> None:
        self.granted = True

    def revoke(self) -> None:
        self.granted = False

    def is_granted(self) -> bool:
        return self.granted


class FakeWorkload:
    """A workload that starts only under the guard and takes `start_seconds` to answer its check."""

    def __init__(self, guard: FakeGuard, clock: VirtualClock) -> None:
        self._guard = guard
        self._clock = clock
        self._started_at_seconds: float | None = None
        self.start_seconds = 0.0
        self.is_broken = False
        self.ignores_stop = False

    def start(self) -> None:
        if self._guard.granted and self._started_at_seconds is None:
            self._started_at_seconds = self._clock.passed_seconds

    def stop(self) -> None:
        if not self.ignores_stop:
            self._started_at_seconds = None

    @property
    def serves(self) -> bool:
        if self._started_at_seconds is None or self.is_broken:
            return False
        return self._clock.passed_seconds - self._started_at_seconds >= self.start_seconds


class FakeHooks:
    """Hooks that act on a FakeWorkload; `scripted` results come first, one each; `unset` hooks are not there."""

    def __init__(self, workload: FakeWorkload) -> None:
        self.workload = workload
        self.calls: list[HookName] = []
        self.variables: list[dict[str, str]] = []
        self.unset: set[HookName] = set()
        self.scripted: dict[HookName, list[HookResult]] = defaultdict(list)
        self.before: Callable[[HookName], None] = lambda name: None

    def run(self, name: HookName, bound_seconds: float, variables: Mapping[str, str] | None = None) -> HookResult | None:
        assert bound_seconds > 0
        self.variables.append(dict(variables or {}))
        self.before(name)
        if name in self.unset:
            return None
        self.calls.append(name)
        if self.scripted[name]:
            return self.scripted[name].pop(0)
        if name is HookName.START:
            self.workload.start()
        elif name is HookName.STOP:
            self.workload.stop()
        elif name is HookName.SERVING_CHECK and not self.workload.serves:
            return HookResult(1, "connection refused")
        return HookResult(0, "")


class FakeCarrier:
    """A carrier whose passes end when they are told to; `calls` are its acts in order, `refusals` come first, one each."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusals: list[ActFailed] = []
        self.looks_until_sent = 0
        self.on_look: Callable[[], None] = lambda: None
        self.missing: list[str] = []

    def _act(self, act: str) -> None:
        self.calls.append(act)
        if self.refusals:
            raise self.refusals.pop(0)

    def make_key(self, move_id: str, bound_seconds: float) -> str:
        self._act(f"key {move_id} for {bound_seconds:g} s")
        return FAKE_PUBLIC_KEY

    def send(self, order: Order) -> Sent | Sending:
        self._act(f"{order.which.value} pass to {order.door.host}:{order.door.port}")
        if self.looks_until_sent:
            self.looks_until_sent -= 1
            self.on_look()
            return Sending(Counted(bytes_sent=512))
        return Sent(Counted(bytes_sent=1024, files_sent=2), took_seconds=0.5, is_whole=True)

    def open_receiver(self, move_id: str, public_key: str, host: str, bound_seconds: float) -> Door:
        self._act(f"receiver {move_id} at {host} for {bound_seconds:g} s")
        return Door(host, 7022, "root", public_key)

    def close(self, move_id: str | None = None) -> None:
        self._act(f"close {move_id}")

    def before_serving(self) -> None:
        self._act("before serving")

    def settle(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)

    def problems(self, carry: str) -> list[str]:
        return self.missing if carry in {"rsync", "hook", "volume"} else []

    def run_hook(self, order: HookOrder) -> HookRan | Sending:
        self._act(f"{order.which.value} pass by hook to {order.instance_id} at {order.host}")
        if self.looks_until_sent:
            self.looks_until_sent -= 1
            return Sending(Counted())
        return HookRan("done", 0.5)


class FakeFreezer:
    """A freeze as a flag, with the watch that thaws at the bound; `results` of the hooks come first, one each."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.set = False
        self.is_frozen = False
        self.calls: list[str] = []
        self.freezes: list[HookResult] = []
        self.thaws: list[HookResult] = []
        self._until_seconds: float | None = None

    def is_set(self) -> bool:
        return self.set

    def freeze(self, bound_seconds: float) -> HookResult:
        self.calls.append("freeze")
        self._until_seconds = self._clock.passed_seconds + bound_seconds
        result = self.freezes.pop(0) if self.freezes else HookResult(0, "")
        self.is_frozen = result.passed
        return result

    def thaw(self) -> Thawed | None:
        if self._until_seconds is None:
            return None
        was_held = self._clock.passed_seconds < self._until_seconds
        self._until_seconds = None
        return Thawed(self.thaw_again(), was_held)

    def thaw_again(self) -> HookResult:
        self.calls.append("thaw")
        result = self.thaws.pop(0) if self.thaws else HookResult(0, "")
        self.is_frozen = self.is_frozen and not result.passed
        return result

    def forget(self) -> None:
        """The process that froze is dead, and its watch with it: the worst that can be."""
        self._until_seconds = None


FAKE_PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFakeKeyOfATestAndNothingElse0123456789ab"


class FakeCentralApi:
    """The server: answers from a table by call name, records what it was sent. `failures` come first, one each."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.sent: list[tuple[str, JsonObject]] = []
        self.failures: dict[str, list[ServerFailed]] = defaultdict(list)
        self.answers: dict[str, JsonObject] = {}
        self.commands: list[JsonObject] = []
        self.wait_seconds = 50.0
        self.polls: list[float] = []
        self.is_new = True
        self.registrations: list[tuple[str, str]] = []
        self.on_call: Callable[[str], None] = lambda call: None
        self.page = Readiness(200, "ok", is_ours=True)
        self.answers["heartbeat"] = {
            "server_time": "2026-01-01T00:00:00Z",
            "config_version": 1,
            "epoch": 1,
            "instance_status": "running_primary",
            "is_primary": True,
            "commands_waiting": False,
        }
        self.answers["config"] = {
            "config_version": 1,
            "epoch": 1,
            "instance_status": "running_primary",
            "is_primary": True,
            "images_to_keep": [],
        }
        self.answers["register"] = {
            "agent_id": "agent-1",
            "instance_id": "i-own",
            "token": "so_agent_x",
            "instance_status": "running_primary",
            "is_primary": True,
            "epoch": 1,
            "config": dict(self.answers["config"]),
        }

    def bodies(self, call: str) -> list[JsonObject]:
        return [body for name, body in self.sent if name == call]

    def view(self, status: str, *, is_primary: bool, epoch: int) -> None:
        """What the server says this instance is, from now on."""
        seen = {"instance_status": status, "is_primary": is_primary, "epoch": epoch}
        for call in ("heartbeat", "config", "register"):
            self.answers[call] = {**self.answers[call], **seen}

    def register(self, server_url: str, token: str, body: JsonObject) -> tuple[bool, JsonObject]:
        self.registrations.append((server_url, token))
        return self.is_new, self._answer("register", body)

    def readiness(self, server_url: str) -> Readiness:
        return self.page

    def heartbeat(self, body: JsonObject) -> JsonObject:
        return self._called("heartbeat", body)

    def config(self) -> JsonObject:
        return self._called("config", {})

    def pending_commands(self, wait_seconds: float) -> JsonObject:
        self.polls.append(wait_seconds)
        self._called("pending_commands", {})
        commands, self.commands = self.commands, []
        return {"commands": commands, "wait_seconds": self.wait_seconds}

    def executed(self, command_id: str, body: JsonObject) -> JsonObject:
        return self._called("executed", {"command_id": command_id, **body})

    def report(self, kind: str, body: JsonObject) -> JsonObject:
        return self._called(kind, body)

    def replicas(self) -> JsonObject:
        return self._called("replicas", {})

    def replica_status(self, replica_id: str, body: JsonObject) -> JsonObject:
        return self._called("replica_status", {"replica_id": replica_id, **body})

    def _called(self, call: str, body: JsonObject) -> JsonObject:
        if self._journal.read().token is None:
            raise NotRegistered
        return self._answer(call, body)

    def _answer(self, call: str, body: JsonObject) -> JsonObject:
        self.sent.append((call, json.loads(json.dumps(body))))
        self.on_call(call)
        if self.failures[call]:
            raise self.failures[call].pop(0)
        return dict(self.answers.get(call, {}))


def command_json(kind: str, payload: dict[str, Any] | None = None, **changes: Any) -> JsonObject:
    """A command as the server sends it."""
    return {
        "command_id": f"c-{kind}",
        "request_id": f"r-{kind}",
        "kind": kind,
        "priority": 75,
        "epoch": 1,
        "payload": payload or {},
        "issued_at": "2026-01-01T00:00:00Z",
        "deadline_at": None,
        **changes,
    }
