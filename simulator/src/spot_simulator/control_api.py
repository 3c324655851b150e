"""The control API under ``/_region``: look at the region, and let things go wrong in it."""

from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from spot_simulator.base_image import default_services, write_base_disk
from spot_simulator.clock import rfc3339
from spot_simulator.control_fields import Fields
from spot_simulator.hosting.init import ServiceAnswer
from spot_simulator.hosting.service_list import parse_services
from spot_simulator.machine import Machine, MetadataFault, NoticeAction, State
from spot_simulator.model.capacity import CapacityPool, Mode
from spot_simulator.model.delays import NOTICE_LEAD_SECONDS
from spot_simulator.model.faults import Fault
from spot_simulator.problems import Problem
from spot_simulator.region import Region
from spot_simulator.snapshot_of_state import region_bill, region_state

Json = dict[str, object]
JsonAnswer = Json | tuple[Json, int]
_UP = frozenset({State.PENDING, State.RUNNING})


def control_app(region: Region) -> Flask:
    """Build the application; every request holds the region's lock."""
    app = Flask("spot_simulator.control")
    control = Control(region)

    def locked(function: Callable[..., JsonAnswer]) -> Callable[..., JsonAnswer]:
        def run(**values: str) -> JsonAnswer:
            with region.lock:
                return function(**values)

        return run

    for method, path, function in control.routes():
        app.add_url_rule(f"/_region{path}", f"{method} {path}", locked(function), methods=[method])
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http_problem)
    return app


class Control:
    """The calls of the control API."""

    def __init__(self, region: Region) -> None:
        """Take the region."""
        self._region = region

    def routes(self) -> list[tuple[str, str, Callable[..., JsonAnswer]]]:
        """List every call: method, path below ``/_region``, function."""
        one = "/instances/<instance_id>"
        return [
            ("GET", "/state", self.state),
            ("GET", "/log", self.log),
            ("GET", "/billing", self.billing),
            ("POST", "/base-image", self.base_image),
            ("POST", "/capacity", self.capacity),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/workload-fault", self.workload_fault),
            ("POST", "/consistency", self.consistency),
            ("POST", f"{one}/notice", self.notice),
            ("POST", f"{one}/rebalance", self.rebalance),
            ("POST", f"{one}/lose", self.lose),
            ("POST", f"{one}/kill", self.kill),
            ("POST", f"{one}/metadata-fault", self.metadata_fault),
            ("POST", f"{one}/services/<service>/start", self.start_service),
            ("POST", f"{one}/services/<service>/stop", self.stop_service),
            ("GET", f"{one}/services/<service>/status", self.service_status),
        ]

    def state(self) -> JsonAnswer:
        """Everything that is in the region now."""
        return region_state(self._region)

    def log(self) -> JsonAnswer:
        """The events after a number."""
        after = request.args.get("after", "0")
        if not after.isdigit():
            raise Problem(400, "after must be a whole number.", field="after", value=after, expected="a whole number of at least 0")
        return {"events": self._region.log.after(int(after))}

    def billing(self) -> JsonAnswer:
        """What everything cost until now."""
        return region_bill(self._region)

    def base_image(self) -> JsonAnswer:
        """Make the first image."""
        fields = Fields(request.get_json(force=True))
        name, architecture = fields.text("name", "base"), fields.text("architecture", "x86_64")
        env_file, files = fields.optional_text("env_file") or "", fields.texts("files", {})
        services = fields.raw("services")
        fields.finish()
        services = default_services() if services is None else services
        try:
            if not isinstance(services, list):
                raise ValueError("not a list")  # noqa: TRY004, TRY301 - becomes the same refusal as any other malformed list
            parse_services({"services": services})
        except ValueError as error:
            raise Problem(400, f"services: {error}.", field="services", value=services, expected="a list of services") from error
        if self._region.moto.image_by_name(name) is not None:
            raise Problem(409, "There is an image of this name.", field="name", value=name, expected="a name that is not taken")
        image = self._region.images.add_base(name, architecture)
        try:
            write_base_disk(self._region.disks.snapshot(image.snapshot_id), env_file, services, files)
        except ValueError as error:
            raise Problem(400, str(error), field="files", value=list(files), expected="paths on the disk") from error
        return {"image_id": image.image_id, "snapshot_id": image.snapshot_id, "name": name}, 201

    def capacity(self) -> JsonAnswer:
        """Empty or fill a pool."""
        fields = Fields(request.get_json(force=True))
        instance_type, az_id = fields.text("instance_type"), fields.text("az_id")
        mode, is_available = fields.choice("mode", Mode, Mode.SPOT), fields.flag("available")
        fields.finish()
        _expect_one_of("instance_type", instance_type, self._region.types)
        _expect_one_of("az_id", az_id, tuple(self._region.moto.az_ids().values()))
        pool = CapacityPool(instance_type, az_id, mode)
        self._region.capacity.set_available(pool, is_available=is_available)
        facts: Json = {"instance_type": instance_type, "az_id": az_id, "mode": mode.value, "available": is_available}
        self._region.log.append("capacity", **facts)
        return facts

    def add_fault(self) -> JsonAnswer:
        """Order errors, or lost answers, for the next calls of an action."""
        fields = Fields(request.get_json(force=True))
        action, code = fields.text("action"), fields.optional_text("code")
        count, is_answer_lost = fields.count("count", 1), fields.flag("lose_answer", default=False)
        fields.finish()
        if code is None and not is_answer_lost:
            raise Problem(400, "Say which error is wanted.", field="code", expected="an EC2 error code, or lose_answer true")
        self._region.faults.add(Fault(action, code, count, is_answer_lost))
        self._region.log.append("fault-ordered", action=action, code=code, count=count, lose_answer=is_answer_lost)
        return {"action": action, "code": code, "count": count, "lose_answer": is_answer_lost}

    def clear_faults(self) -> JsonAnswer:
        """Forget the faults that have not happened yet."""
        self._region.faults.clear()
        return {}

    def workload_fault(self) -> JsonAnswer:
        """Let the next starts of a workload on a new instance fail."""
        fields = Fields(request.get_json(force=True))
        tag, count = fields.texts("tag"), fields.count("fail_starts", 1)
        fields.finish()
        self._region.init.fail_starts(tag, count)
        self._region.log.append("workload-fault-ordered", tag=tag, fail_starts=count)
        return {"tag": tag, "fail_starts": count}

    def consistency(self) -> JsonAnswer:
        """Let new instances be unknown by id for a while."""
        fields = Fields(request.get_json(force=True))
        seconds = fields.number("launch_visible_after_seconds")
        fields.finish()
        self._region.instance_calls.invisible_seconds = self._region.delays.scaled(seconds)
        return {"launch_visible_after_seconds": seconds}

    def notice(self, instance_id: str) -> JsonAnswer:
        """Announce an interruption of a spot instance."""
        machine = self._machine(instance_id, _UP)
        fields = Fields(request.get_json(silent=True) or {})
        action = fields.choice("action", NoticeAction, NoticeAction.TERMINATE)
        lead_seconds = fields.number("lead_seconds", NOTICE_LEAD_SECONDS)
        fields.finish()
        self._expect_spot(machine)
        notice = self._region.machines.notice(machine, action, lead_seconds)
        return {"instance_id": instance_id, "action": action.value, "at": rfc3339(notice.at)}

    def rebalance(self, instance_id: str) -> JsonAnswer:
        """Recommend to rebalance a spot instance."""
        machine = self._machine(instance_id, _UP)
        self._expect_spot(machine)
        self._region.machines.recommend_rebalance(machine)
        return {"instance_id": instance_id, "at": rfc3339(machine.rebalance_at or self._region.clock.now())}

    def lose(self, instance_id: str) -> JsonAnswer:
        """Take an instance away without a word."""
        self._region.machines.lose(self._machine(instance_id, _UP))
        return {"instance_id": instance_id}

    def kill(self, instance_id: str) -> JsonAnswer:
        """Kill -9 one process."""
        machine = self._machine(instance_id, frozenset(State))
        fields = Fields(request.get_json(force=True))
        service = fields.text("service")
        fields.finish()
        if not self._region.init.kill_service(machine, service):
            running = [run.name for run in machine.services.values() if run.pid is not None]
            expected = f"one of {', '.join(running) or 'nothing: no service runs'}"
            raise Problem(409, "No such service runs on this instance.", field="service", value=service, expected=expected)
        self._region.log.append("service-killed", instance_id=instance_id, service=service)
        return {"instance_id": instance_id, "service": service}

    def metadata_fault(self, instance_id: str) -> JsonAnswer:
        """Let the metadata endpoint of an instance misbehave."""
        machine = self._machine(instance_id, frozenset(State))
        fields = Fields(request.get_json(force=True))
        machine.metadata_fault = fields.choice("mode", MetadataFault)
        fields.finish()
        self._region.log.append("metadata-fault", instance_id=instance_id, mode=machine.metadata_fault.value)
        return {"instance_id": instance_id, "mode": machine.metadata_fault.value}

    def start_service(self, instance_id: str, service: str) -> JsonAnswer:
        """Start a service, as ``systemctl start`` does."""
        return _service_answer(self._region.init.start(self._machine(instance_id, frozenset(State)), service))

    def stop_service(self, instance_id: str, service: str) -> JsonAnswer:
        """Stop a service, as ``systemctl stop`` does."""
        return _service_answer(self._region.init.stop(self._machine(instance_id, frozenset(State)), service))

    def service_status(self, instance_id: str, service: str) -> JsonAnswer:
        """Look at a service."""
        return _service_answer(self._region.init.status(self._machine(instance_id, frozenset(State)), service))

    def _machine(self, instance_id: str, states: frozenset[State]) -> Machine:
        machine = self._region.machines.by_id.get(instance_id)
        if machine is None:
            raise Problem(404, "There is no such instance.", field="instance_id", value=instance_id, expected="an instance's id")
        if machine.state not in states:
            expected = f"an instance that is {' or '.join(sorted(states))}"
            raise Problem(409, f"The instance is {machine.state}.", field="instance_id", value=instance_id, expected=expected)
        return machine

    @staticmethod
    def _expect_spot(machine: Machine) -> None:
        if machine.mode is not Mode.SPOT:
            raise Problem(
                409, "On-demand instances get no such notice.", field="instance_id", value=machine.instance_id, expected="a spot instance"
            )


def _service_answer(answer: ServiceAnswer) -> JsonAnswer:
    return {"state": answer.state, "pid": answer.pid, "detail": answer.detail}, 409 if answer.is_refused else 200


def _expect_one_of(field: str, value: str, right: tuple[str, ...]) -> None:
    if value not in right:
        raise Problem(400, f"The region knows no {field} {value}.", field=field, value=value, expected=f"one of {', '.join(right)}")


def _problem(problem: Problem) -> Response:
    body = {"type": "about:blank", "title": problem.title, "status": problem.status}
    details = {"field": problem.field, "value": problem.value, "expected": problem.expected}
    response = jsonify(body | details)
    response.status_code, response.content_type = problem.status, "application/problem+json"
    return response


def _http_problem(error: HTTPException) -> Response:
    return _problem(Problem(error.code or 500, error.description or error.name))
