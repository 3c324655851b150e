"""The region in memory, as the suite asks of it; every call and answer of EC2 is held against botocore's description of EC2."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from conformance.behaviour import Behaviour
from conformance.port import HttpAnswer
from spot_simulator.base_image import SERVICES_FILE
from spot_simulator.control_api import control_app
from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.memory.host import Host
from spot_simulator.memory.metadata import Absent, Found, Unknown, read_metadata
from spot_simulator.memory.programs import Ended, Program
from spot_simulator.memory.region import MemoryRegion, MemorySettings, World
from spot_simulator.memory.workload import WorkloadProgram
from spot_simulator.virtual.scheduler import Scheduler

START = datetime(2026, 3, 1, tzinfo=UTC)
VIRTUAL_SECONDS_PER_SECOND = 1000.0
"""The region of processes runs a thousand times as fast."""
COUNT_SECONDS = 1.0
SIGTERM = -15


@cache
def model_of(service: str) -> ServiceModel:
    """Load botocore's description of a service."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


class CheckedClient:
    """A client that fails when a call or its answer does not fit the service's description."""

    def __init__(self, client: Any, service: str = "ec2") -> None:
        self._client, self._model = client, model_of(service)

    def get_paginator(self, operation: str) -> Any:
        return self._client.get_paginator(operation)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = self._model.operation_model("".join(part.capitalize() for part in name.split("_")))
        call = getattr(self._client, name)

        def checked(**parameters: Any) -> Any:
            _fits(parameters, operation.input_shape, f"{name} takes")
            answer = call(**parameters)
            _fits({key: value for key, value in answer.items() if key != "ResponseMetadata"}, _output(operation), f"{name} answers")
            return answer

        return checked


def _output(operation: OperationModel) -> Any:
    return operation.output_shape


def _fits(value: Any, shape: Any, what: str) -> None:
    report = ParamValidator().validate(value, shape) if shape is not None else None
    assert report is None or not report.has_errors(), f"{what}: {report.generate_report()}"


@dataclass
class Simple:
    """A program of the tests that is no workload."""

    behaviour: Behaviour
    scheduler: Scheduler

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> "SimpleRun":
        return SimpleRun(self, host, ended, must_fail=must_fail)


class SimpleRun:
    """One run of it."""

    def __init__(self, program: Simple, host: Host, ended: Ended, *, must_fail: bool) -> None:
        self._program, self._host, self._ended, self._is_over = program, host, ended, False
        match program.behaviour:
            case Behaviour.ENDS:
                ended(0)
            case Behaviour.OBEYS_FAULTS if must_fail:
                ended(1)
            case Behaviour.IS_DEAF:
                host.disk["srv/deaf"] = ""
            case Behaviour.SPOILS:
                host.disk[SERVICES_FILE] = "not json\n"
            case Behaviour.COUNTS:
                self._count()
            case _:
                pass

    def terminate(self) -> None:
        if self._program.behaviour is not Behaviour.IS_DEAF:
            self._is_over = True
            self._ended(SIGTERM)

    def kill(self) -> None:
        self._is_over = True

    def _count(self) -> None:
        if not self._is_over:
            self._host.disk["srv/count"] = f"{self._host.disk.get('srv/count', '')}x"
            self._program.scheduler.after(COUNT_SECONDS, self._count)


class TestPrograms:
    """Looks a program up by the first word of the service's command."""

    __test__ = False

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.workload: WorkloadProgram | None = None

    def find(self, spec: ServiceSpec) -> Program | None:
        behaviour = Behaviour(spec.argv[0])
        return self.workload if behaviour is Behaviour.SERVES else Simple(behaviour, self._scheduler)


class MemoryRegionPort:
    """A region on a scheduler that stands still until somebody waits."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(START)
        programs = TestPrograms(self._scheduler)
        self.memory = MemoryRegion(MemorySettings(seed=7), World(self._scheduler, self._scheduler, programs, self._sleep))
        programs.workload = WorkloadProgram(self.memory.traffic, self._scheduler)
        self.ec2 = CheckedClient(self.memory.ec2_client("test"))
        self.patient_ec2 = CheckedClient(self.memory.ec2_client("test", attempts=5))
        self._control = control_app(self.memory, nullcontext()).test_client()

    def client(self, service: str) -> Any:
        return CheckedClient(self.memory.client(service, "test"), service)

    def ec2_as(self, role_arn: str) -> Any:
        return CheckedClient(self.memory.ec2_client(role_arn))

    def now(self) -> datetime:
        return self._scheduler.now()

    def argv(self, behaviour: Behaviour) -> list[str]:
        return [behaviour.value]

    def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = self._control.open(f"/_region{path}", method=method, json=body)
        return answer.status_code, json.loads(answer.text)

    def ask(self, ip: str, path: str = "/") -> HttpAnswer:
        traffic = self.memory.traffic
        acceptor = traffic.acceptor(ip) or traffic.acceptor_behind(ip)
        return HttpAnswer(200, acceptor.instance_id, {}) if acceptor else HttpAnswer(0, "nobody answers", {})

    def metadata(self, instance_id: str, path: str) -> HttpAnswer:
        machine = self.memory.machines.by_id[instance_id]
        reading, _ = read_metadata(machine, path, is_up=self.memory.is_metadata_up(instance_id))
        match reading:
            case Found(text):
                return HttpAnswer(200, text, {})
            case Absent():
                return HttpAnswer(404, "", {})
            case Unknown(reason):
                return HttpAnswer(int(reason.removeprefix("status ")) if reason.startswith("status ") else 0, reason, {})

    def at_once(self, call: Callable[[], Any], times: int) -> list[Any]:
        return [call() for _ in range(times)]

    def eventually(self, look: Callable[[], Any], within_seconds: float = 30.0) -> Any:
        until_seconds = self._scheduler.monotonic_seconds() + within_seconds * VIRTUAL_SECONDS_PER_SECOND
        while not (seen := look()):
            next_seconds = self._scheduler.next_due_seconds()
            assert next_seconds is not None, "nothing will ever happen"
            assert next_seconds <= until_seconds, "it did not happen in time"
            self._scheduler.run_until(next_seconds)
        return seen

    def process_exists(self, pid: int) -> bool:
        return self.memory.guardian.is_there(pid)

    def read_disk(self, instance_id: str, path: str) -> str | None:
        content = self.memory.disks.roots[instance_id].get(path)
        return None if content is None else str(content)

    def write_run(self, instance_id: str, path: str) -> None:
        self.memory.disks.runs[instance_id][path] = ""

    def _sleep(self, seconds: float) -> None:
        self._scheduler.run_until(self._scheduler.monotonic_seconds() + seconds)
