"""A region in memory, and a scripted daemon on each of its instances: they answer commands as docs/agent-protocol.md says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from server_support.region_traffic import RegionTraffic
from server_support.rsync_sides import RsyncSides
from server_support.volume_sides import VolumeSides
from spot_server.aws.errors import class_of_code
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.features.commands.queries import Command
from spot_server.words import CommandKind


@dataclass
class Machine:
    """One instance of the region: what EC2 says of it, and what its daemon knows."""

    instance_id: str
    instance_type: str
    az_id: str
    mode: str
    state: str = "running"
    nonce: str | None = None
    is_serving: bool = False
    is_quiesced: bool = True
    """Its daemon waits to be told before it lets the workload serve."""
    is_old: bool = False
    """Its daemon is of a version that does not say whether it is quiesced, nor whether it served."""
    has_daemon: bool = True
    is_registered: bool = False
    is_reported_ready: bool = False
    epoch: int = 1
    served_epoch: int | None = None
    """Under which epoch it was told to serve last."""
    taken_away_at: datetime | None = None
    status_checks: str = "ok"
    action: str = "terminate"
    tags: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    client_token: str | None = None
    launched_at: datetime | None = None
    in_hand: set[str] = field(default_factory=set)
    """Requests that its daemon is slow with: delivered again, they are ignored."""

    acknowledges: bool = True
    """Whether it says by which configuration it goes; a daemon that claims, or is of an old version, does not."""

    @property
    def is_heard(self) -> bool:
        return self.has_daemon and self.state == "running"


Act = Callable[[Machine, dict[str, Any], datetime], dict[str, Any]]


@dataclass
class Failure:
    """What a command is answered with instead: an error, or nothing at all."""

    kind: CommandKind
    error_class: str | None
    times: int
    instance_id: str | None
    takes_effect: bool
    text: str
    code: str | None = None


class Region:
    """EC2 and the workloads, as far as moves touch them. Every rule that the world must keep is checked as it changes."""

    def __init__(self) -> None:
        self.machines: dict[str, Machine] = {}
        self.address_of: dict[str, str] = {}
        self.traffic = RegionTraffic()
        self.launched_by_token: dict[str, str] = {}
        self.refused_places: dict[str, str] = {}
        self.refusal_codes: dict[str, str] = {}
        """EC2's code for the refusals that a test gives one."""
        self.failures: list[Failure] = []
        self.calls: list[tuple[CommandKind, str]] = []
        self.final_images: list[str] = []
        self.image_by_name: dict[str, str] = {}
        self.images_gone: dict[str, str] = {}
        """What EC2 has no more, and the code with which it says so."""
        self.violations: list[str] = []
        self.slow_termination = False
        self.launches_boot = True
        """Whether the daemon of what is launched from now on comes up."""
        self.standbys_pass = True
        """Whether what is launched passes its own standby check, and reports itself ready."""
        self.rsync = RsyncSides()
        self.data = VolumeSides(self.machines, self.violations)
        self.stopped_by_us: list[str] = []
        self.unknown: set[str] = set()
        """Instances that EC2 says it does not know, whatever becomes of them."""
        self.role_account: str | None = None
        """Another account, in which the control role asks, and EC2 knows none of them; None: it asks in theirs."""
        self._numbers = itertools.count(2)
        self.agent_id = ""
        """Whose daemons these are: they terminate nothing that is not tagged so."""

    def add(self, instance_id: str, *, instance_type: str, az_id: str, mode: str, is_serving: bool) -> Machine:
        machine = Machine(instance_id, instance_type, az_id, mode, is_serving=is_serving, is_quiesced=not is_serving, is_registered=True)
        self.machines[instance_id] = machine
        return machine

    def fail(
        self,
        kind: CommandKind,
        error_class: str | None,
        *,
        times: int = 1,
        on: str | None = None,
        takes_effect: bool = False,
        text: str = "injected",
        code: str | None = None,
    ) -> None:
        """Have the next `times` commands of this kind (on that daemon) fail; error_class None: they are never answered."""
        self.failures.append(Failure(kind, error_class, times, on, takes_effect, text, code))

    def refuse(self, place_key: str, error_class: str = "capacity", code: str | None = None) -> None:
        self.refused_places[place_key] = error_class
        if code is not None:
            self.refusal_codes[place_key] = code

    def take_away(self, instance_id: str, at: datetime, action: str = "terminate") -> None:
        """Announce that EC2 ends the instance at that time."""
        self.machines[instance_id].taken_away_at = at
        self.machines[instance_id].action = action

    def lose(self, instance_id: str, state: str = "terminated") -> None:
        """End an instance at once, without a word."""
        machine = self.machines[instance_id]
        machine.state, machine.is_serving = state, False

    def pass_time(self, now: datetime) -> None:
        for machine in self.machines.values():
            if machine.state == "shutting-down":
                machine.state = "terminated"
            if machine.state == "stopping" and machine.instance_id in self.stopped_by_us:
                machine.state = "stopped"
            if machine.taken_away_at is not None and now >= machine.taken_away_at and machine.state == "running":
                self.lose(machine.instance_id, "stopped" if machine.action == "stop" else "terminated")
        self.data.pass_time()

    @property
    def serving(self) -> list[str]:
        return [machine.instance_id for machine in self.machines.values() if machine.is_serving]

    def kinds(self, kind: CommandKind) -> list[str]:
        """Return the instances that were told to do this, in order."""
        return [instance_id for told, instance_id in self.calls if told is kind]

    def answer(self, machine: Machine, command: Command, now: datetime) -> dict[str, Any] | None:
        """Carry a command out on this machine's daemon and return its answer; None: it is never answered."""
        if command.request_id in machine.in_hand:
            return None
        failure = self._failure_of(command)
        if failure is not None and failure.error_class is None:
            if failure.takes_effect and command.request_id not in machine.answers:
                self._kept(machine, command, self._carry_out(machine, command, now))
            return None
        if command.request_id in machine.answers:
            return machine.answers[command.request_id]
        if failure is not None and failure.error_class is not None:
            return self._kept(machine, command, _failed(failure.error_class, failure.code, text=failure.text))
        return self._kept(machine, command, self._carry_out(machine, command, now))

    def _kept(self, machine: Machine, command: Command, answer: dict[str, Any]) -> dict[str, Any]:
        machine.answers[command.request_id] = answer
        return answer

    def _failure_of(self, command: Command) -> Failure | None:
        for failure in self.failures:
            if failure.kind is command.kind and failure.times > 0 and failure.instance_id in {None, command.instance_id}:
                failure.times -= 1
                return failure
        return None

    def _carry_out(self, machine: Machine, command: Command, now: datetime) -> dict[str, Any]:
        if command.epoch < machine.epoch:
            return _failed("stale_epoch")
        machine.epoch = command.epoch
        self.calls.append((command.kind, machine.instance_id))
        acts: dict[CommandKind, Act] = {
            CommandKind.CREATE_IMAGE: self._create_image,
            CommandKind.LAUNCH_INSTANCE: self._launch,
            CommandKind.STANDBY_CHECK: lambda _machine, _payload, _now: _succeeded({}),
            CommandKind.QUIESCE: self._stop_serving,
            CommandKind.DEMOTE: self._demote,
            CommandKind.START_SERVING: self._start_serving,
            CommandKind.MOVE_ADDRESS: self._move_address,
            CommandKind.MOVE_PRIVATE_IP: self.traffic.move_private_ip,
            CommandKind.MOVE_TARGET: self.traffic.move_target,
            CommandKind.CONFIRM_TARGET: self.traffic.confirm_target,
            CommandKind.MOVE_RECORD: self.traffic.move_record,
            CommandKind.CONFIRM_RECORD: self.traffic.confirm_record,
            CommandKind.TRAFFIC_HOOK: self.traffic.run_hook,
            CommandKind.DESCRIBE_INSTANCE: self._describe,
            CommandKind.TERMINATE_INSTANCE: self._terminate,
            CommandKind.STOP_INSTANCE: self._stop,
            CommandKind.WAIT_TERMINATED: self._wait_terminated,
            CommandKind.SALVAGE_VOLUMES: lambda _machine, _payload, _now: _succeeded({"snapshot_ids": ["snap-1"]}),
            CommandKind.MAKE_SYNC_KEY: self._carry(self.rsync.make_key),
            CommandKind.OPEN_RECEIVER: self._carry(self.rsync.open_receiver),
            CommandKind.SEND_STATE: self._carry(self.rsync.send),
            CommandKind.CLOSE_SYNC: self._carry(self.rsync.close),
            CommandKind.UNMOUNT_VOLUMES: _answered(self.data.unmount),
            CommandKind.DETACH_VOLUMES: _answered(self.data.detach),
            CommandKind.ATTACH_VOLUMES: _answered(self.data.attach),
            CommandKind.MOUNT_VOLUMES: _answered(self.data.mount),
            CommandKind.COPY_VOLUMES: _answered(self.data.copy),
            CommandKind.DISCARD_VOLUMES: _answered(self.data.discard),
            CommandKind.RELEASE: lambda _machine, _payload, _now: _succeeded({}),
        }
        return acts[command.kind](machine, command.payload, now)

    def _carry(self, act: Callable[[str, dict[str, Any]], dict[str, Any] | str]) -> Act:
        """Acts of the carry know instances by their id, and answer with a result or the class of an error."""

        def handle(machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
            if machine.is_serving and payload.get("pass") == "last":
                self.violations.append(f"{machine.instance_id} makes its last pass while it serves")
            answer = act(machine.instance_id, payload)
            return _failed(answer) if isinstance(answer, str) else _succeeded(answer)

        return handle

    def _create_image(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        # Its name finds one that was begun before, whatever has become of its instance.
        if payload["image_name"] not in self.image_by_name and self.machines[payload["instance_id"]].state not in {"running", "stopped"}:
            return _failed("race")
        if "-final-" in payload["image_name"]:
            self.final_images.append(payload["instance_id"])
        image_id = self.image_by_name.get(payload["image_name"]) or self._new_image_id(payload["image_name"])
        self.image_by_name[payload["image_name"]] = image_id
        started_at = (now - timedelta(seconds=60)).isoformat()
        return _succeeded(
            {
                "image_id": image_id,
                "snapshot_ids": ["snap-9"],
                "device_names": ["/dev/xvda"],
                "started_at": started_at,
                "available_at": now.isoformat(),
            }
        )

    def _new_image_id(self, name: str) -> str:
        short = f"ami-{name[-8:]}"
        return f"{short}-{len(self.image_by_name)}" if short in self.image_by_name.values() else short

    def _launch(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        token = payload["client_token"]
        if token not in self.launched_by_token:
            place_key = f"{payload['mode']}/{payload['instance_type']}/{payload['az_id']}"
            refusal = self.refused_places.get(place_key)
            if refusal is not None:
                return _failed(refusal, self.refusal_codes.get(place_key))
            if payload["image_id"] in self.images_gone:
                code = self.images_gone[payload["image_id"]]
                return _failed(class_of_code(code), code, text=f"{code}: {payload['image_id']}")
            instance_id = f"i-{next(self._numbers)}"
            nonce = json.loads(payload["user_data"])["spot_optimizer"]["nonce"]
            launched = Machine(instance_id, payload["instance_type"], payload["az_id"], payload["mode"], nonce=nonce)
            launched.tags, launched.client_token, launched.launched_at = dict(payload["tags"]), token, now
            launched.has_daemon = self.launches_boot
            self.machines[instance_id] = launched
            self.launched_by_token[token] = instance_id
        return _succeeded({"instance_id": self.launched_by_token[token], "launched_at": now.isoformat()})

    def _stop_serving(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        machine.is_serving, machine.is_quiesced = False, True
        return _succeeded({"serving": False, "quiesced_at": now.isoformat()})

    def _demote(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        self._stop_serving(machine, payload, now)
        said = {} if machine.is_old else {"served": machine.served_epoch == machine.epoch}
        return _succeeded({"serving": False, "demoted_at": now.isoformat(), **said})

    def _start_serving(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        others = [instance_id for instance_id in self.serving if instance_id != machine.instance_id]
        if others:
            self.violations.append(f"{machine.instance_id} starts while {others} serve")
        if not self.data.check_start(machine.instance_id):
            return _failed("race", "device_not_there")
        machine.is_serving, machine.is_quiesced, machine.served_epoch = True, False, machine.epoch
        return _succeeded({"serving": True, "serving_at": now.isoformat()})

    def _move_address(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        if self.machines[payload["instance_id"]].state != "running":
            return _failed("not_found")
        # As EC2 does: an address that is held is given to another only where the order may take it away.
        if not self._may_have(payload, self.address_of.get(payload["allocation_id"])):
            return _failed("refused", "claimed_by_successor")
        self.address_of[payload["allocation_id"]] = payload["instance_id"]
        return _succeeded({"association_id": "eipassoc-1", "public_ip": "203.0.113.9", "moved_at": now.isoformat()})

    def _may_have(self, payload: dict[str, Any], holder_id: str | None) -> bool:
        claimants = payload.get("claimant_instance_ids", [])
        if holder_id in claimants:
            return False
        return holder_id in {None, payload["instance_id"]} or payload["allow_reassociation"] or bool(claimants)

    def _shown(self, asker: Machine, instance_id: str) -> Machine | None:
        """What EC2 shows of an instance to who asks; None: it knows no such instance."""
        is_elsewhere = self.role_account is not None and asker.instance_id == CONTROL_ROLE_INSTANCE_ID
        return None if instance_id in self.unknown or is_elsewhere else self.machines.get(instance_id)

    def _describe(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        found = self._shown(machine, payload["instance_id"])
        checks: dict[str, str | None] = (
            {"status_checks": found.status_checks} if found is not None and payload.get("with_status_checks") else {}
        )
        if found is None and machine.instance_id == CONTROL_ROLE_INSTANCE_ID:
            checks = {"account_id": self.role_account}
        return _succeeded({"state": "gone" if found is None else found.state, "observed_at": now.isoformat(), **checks})

    def _wait_terminated(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        seen = self._describe(machine, payload, now)
        return seen if seen["result"]["state"] in {"terminated", "gone"} else _failed("race")

    def _terminate(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        if payload["instance_id"] == machine.instance_id:
            self.violations.append(f"{machine.instance_id} was told to terminate itself")
        target = self._shown(machine, payload["instance_id"])
        if target is None:
            return _succeeded({"state": "gone"})
        if (target.tags.get(TAG_MANAGED), target.tags.get(TAG_AGENT_ID)) != ("true", self.agent_id):
            return _failed("refused", "not_ours")
        if any(self.address_of.get(handle) == target.instance_id for handle in payload.get("handle_allocation_ids", [])):
            return _failed("refused", "holds_handle")
        self.lose(payload["instance_id"], "shutting-down" if self.slow_termination else "terminated")
        return _succeeded({"state": self.machines[payload["instance_id"]].state})

    def _stop(self, machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        target = self.machines[payload["instance_id"]]
        if target is machine:
            self.violations.append(f"{machine.instance_id} was told to stop itself")
        if (target.tags.get(TAG_MANAGED), target.tags.get(TAG_AGENT_ID)) != ("true", self.agent_id):
            return _failed("refused", "not_ours")
        if target.mode == "spot":
            return _failed("pool_invalid", "UnsupportedOperation")
        self.lose(target.instance_id, "stopping")
        self.stopped_by_us.append(target.instance_id)
        return _succeeded({"state": target.state})


def _answered(act: Callable[[Machine, dict[str, Any], datetime], dict[str, Any] | str]) -> Act:
    """An act that answers with a result or the class of an error."""

    def handle(machine: Machine, payload: dict[str, Any], now: datetime) -> dict[str, Any]:
        answer = act(machine, payload, now)
        return _failed(answer) if isinstance(answer, str) else _succeeded(answer)

    return handle


def _succeeded(result: dict[str, Any]) -> dict[str, Any]:
    return {"outcome": "succeeded", "error": None, "result": result}


def _failed(error_class: str, code: str | None = None, *, text: str = "injected") -> dict[str, Any]:
    return {"outcome": "failed", "error": {"class": error_class, "code": code, "message": text}, "result": {}}
