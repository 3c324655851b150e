"""The control API under ``/_region``: ``Control`` over HTTP."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from spot_simulator.clock import rfc3339
from spot_simulator.control import Control
from spot_simulator.control_fields import Fields
from spot_simulator.hosting.init import ServiceAnswer
from spot_simulator.machine import MaintenanceCode, MetadataFault, NoticeAction
from spot_simulator.model.capacity import Mode
from spot_simulator.model.delays import MAINTENANCE_LEAD_SECONDS, NOTICE_LEAD_SECONDS
from spot_simulator.model.faults import Fault, Mishap
from spot_simulator.ports import Lock
from spot_simulator.problems import Problem
from spot_simulator.region_view import RegionView
from spot_simulator.snapshot_of_state import region_bill, region_state

Json = dict[str, object]
JsonAnswer = Json | tuple[Json, int]


def control_app(region: RegionView, lock: Lock) -> Flask:
    """Build the application; every request holds the region's lock."""
    app = Flask("spot_simulator.control")
    calls = ControlCalls(region)

    def locked(function: Callable[..., JsonAnswer]) -> Callable[..., JsonAnswer]:
        def run(**values: str) -> JsonAnswer:
            with lock:
                return function(**values)

        return run

    for method, path, function in calls.routes():
        app.add_url_rule(f"/_region{path}", f"{method} {path}", locked(function), methods=[method])
    app.register_error_handler(Problem, _problem)
    app.register_error_handler(HTTPException, _http_problem)
    return app


class ControlCalls:
    """The calls of the control API: each reads its body, asks ``Control``, and says what it did."""

    def __init__(self, region: RegionView) -> None:
        """Take the region."""
        self._region, self._control = region, Control(region)

    def routes(self) -> list[tuple[str, str, Callable[..., JsonAnswer]]]:
        """List every call: method, path below ``/_region``, function."""
        one = "/instances/<instance_id>"
        return [
            ("GET", "/state", self.state),
            ("GET", "/log", self.log),
            ("GET", "/billing", self.billing),
            ("POST", "/base-image", self.base_image),
            ("POST", "/capacity", self.capacity),
            ("POST", "/prices", self.price),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/workload-fault", self.workload_fault),
            ("POST", "/consistency", self.consistency),
            ("POST", f"{one}/notice", self.notice),
            ("POST", f"{one}/rebalance", self.rebalance),
            ("POST", f"{one}/maintenance", self.schedule_maintenance),
            ("DELETE", f"{one}/maintenance", self.cancel_maintenance),
            ("POST", f"{one}/impair", self.impair),
            ("POST", f"{one}/lose", self.lose),
            ("POST", f"{one}/reboot", self.reboot),
            ("POST", f"{one}/kill", self.kill),
            ("POST", f"{one}/metadata-fault", self.metadata_fault),
            ("POST", f"{one}/mount", self.mount),
            ("POST", f"{one}/unmount", self.unmount),
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
        if services is not None and not isinstance(services, list):
            raise Problem(400, "services: not a list.", field="services", value=services, expected="a list of services")
        image = self._control.base_image(name, architecture=architecture, env_file=env_file, services=services, files=files)
        return {"image_id": image.image_id, "snapshot_id": image.snapshot_id, "name": name}, 201

    def capacity(self) -> JsonAnswer:
        """Empty or fill a pool."""
        fields = Fields(request.get_json(force=True))
        instance_type, az_id = fields.text("instance_type"), fields.text("az_id")
        mode, is_available = fields.choice("mode", Mode, Mode.SPOT), fields.flag("available")
        fields.finish()
        self._control.set_capacity(instance_type, az_id, mode, is_available=is_available)
        return {"instance_type": instance_type, "az_id": az_id, "mode": mode.value, "available": is_available}

    def price(self) -> JsonAnswer:
        """Fix the price of a pool."""
        fields = Fields(request.get_json(force=True))
        instance_type, az_id, text = fields.text("instance_type"), fields.text("az_id"), fields.text("usd_per_hour")
        fields.finish()
        try:
            usd_per_hour = Decimal(text)
        except InvalidOperation as error:
            expected = "USD per hour, such as 0.0417"
            raise Problem(400, "A price is a number.", field="usd_per_hour", value=text, expected=expected) from error
        self._control.set_price(instance_type, az_id, usd_per_hour)
        return {"instance_type": instance_type, "az_id": az_id, "usd_per_hour": str(usd_per_hour)}

    def add_fault(self) -> JsonAnswer:
        """Order errors, or lost answers, for the next calls of an action."""
        fields = Fields(request.get_json(force=True))
        action, code = fields.text("action"), fields.optional_text("code")
        count, is_answer_lost = fields.count("count", 1), fields.flag("lose_answer", default=False)
        fields.finish()
        self._control.add_fault(Fault(action, Mishap.ANSWER_CUT if is_answer_lost else Mishap.REFUSED, code, count))
        return {"action": action, "code": code, "count": count, "lose_answer": is_answer_lost}

    def clear_faults(self) -> JsonAnswer:
        """Forget the faults that have not happened yet."""
        self._control.clear_faults()
        return {}

    def workload_fault(self) -> JsonAnswer:
        """Let the next starts of a workload on a new instance fail; 0 takes the order back."""
        fields = Fields(request.get_json(force=True))
        tag, count = fields.texts("tag"), fields.count("fail_starts", 1, least=0)
        fields.finish()
        self._control.fail_workload_starts(tag, count)
        return {"tag": tag, "fail_starts": count}

    def consistency(self) -> JsonAnswer:
        """Let new instances be unknown by id for a while."""
        fields = Fields(request.get_json(force=True))
        seconds = fields.number("launch_visible_after_seconds")
        fields.finish()
        self._control.set_launch_visibility(seconds)
        return {"launch_visible_after_seconds": seconds}

    def notice(self, instance_id: str) -> JsonAnswer:
        """Announce an interruption of a spot instance."""
        self._control.machine(instance_id)
        fields = Fields(request.get_json(silent=True) or {})
        action = fields.choice("action", NoticeAction, NoticeAction.TERMINATE)
        lead_seconds = fields.number("lead_seconds", NOTICE_LEAD_SECONDS)
        fields.finish()
        notice = self._control.notice(instance_id, action, lead_seconds)
        return {"instance_id": instance_id, "action": action.value, "at": rfc3339(notice.at)}

    def rebalance(self, instance_id: str) -> JsonAnswer:
        """Recommend to rebalance a spot instance."""
        return {"instance_id": instance_id, "at": rfc3339(self._control.rebalance(instance_id))}

    def schedule_maintenance(self, instance_id: str) -> JsonAnswer:
        """Announce a scheduled event of an instance."""
        self._control.machine(instance_id)
        fields = Fields(request.get_json(silent=True) or {})
        code = fields.choice("code", MaintenanceCode, MaintenanceCode.INSTANCE_RETIREMENT)
        lead_seconds = fields.number("lead_seconds", MAINTENANCE_LEAD_SECONDS)
        fields.finish()
        event = self._control.schedule_maintenance(instance_id, code, lead_seconds)
        return {"instance_id": instance_id, "event_id": event.event_id, "code": event.code, "not_before": rfc3339(event.not_before)}

    def cancel_maintenance(self, instance_id: str) -> JsonAnswer:
        """Call off everything that is scheduled for an instance."""
        self._control.cancel_maintenance(instance_id)
        return {"instance_id": instance_id}

    def impair(self, instance_id: str) -> JsonAnswer:
        """Let EC2's check of an instance fail, or be well again."""
        self._control.machine(instance_id)
        fields = Fields(request.get_json(silent=True) or {})
        is_impaired = fields.flag("is_impaired", default=True)
        fields.finish()
        self._control.impair(instance_id, is_impaired=is_impaired)
        return {"instance_id": instance_id, "is_impaired": is_impaired}

    def lose(self, instance_id: str) -> JsonAnswer:
        """Take an instance away without a word."""
        self._control.lose(instance_id)
        return {"instance_id": instance_id}

    def reboot(self, instance_id: str) -> JsonAnswer:
        """Reboot an instance without a word to its processes."""
        self._control.reboot(instance_id)
        return {"instance_id": instance_id}

    def kill(self, instance_id: str) -> JsonAnswer:
        """Kill -9 one process."""
        fields = Fields(request.get_json(force=True))
        service = fields.text("service")
        fields.finish()
        self._control.kill_service(instance_id, service)
        return {"instance_id": instance_id, "service": service}

    def metadata_fault(self, instance_id: str) -> JsonAnswer:
        """Let the metadata endpoint of an instance misbehave."""
        fields = Fields(request.get_json(force=True))
        mode = fields.choice("mode", MetadataFault)
        fields.finish()
        self._control.set_metadata_fault(instance_id, mode)
        return {"instance_id": instance_id, "mode": mode.value}

    def mount(self, instance_id: str) -> JsonAnswer:
        """Mount a volume, as the program ``mount`` does."""
        fields = Fields(request.get_json(force=True))
        volume_id, mount_point = fields.text("volume_id"), fields.text("mount_point")
        fields.finish()
        self._control.mount(instance_id, volume_id, mount_point)
        return {"instance_id": instance_id, "volume_id": volume_id, "mount_point": mount_point}

    def unmount(self, instance_id: str) -> JsonAnswer:
        """Unmount a volume, as the program ``umount`` does."""
        fields = Fields(request.get_json(force=True))
        volume_id = fields.text("volume_id")
        fields.finish()
        self._control.unmount(instance_id, volume_id)
        return {"instance_id": instance_id, "volume_id": volume_id}

    def start_service(self, instance_id: str, service: str) -> JsonAnswer:
        """Start a service, as ``systemctl start`` does."""
        return _service_answer(self._control.start_service(instance_id, service))

    def stop_service(self, instance_id: str, service: str) -> JsonAnswer:
        """Stop a service, as ``systemctl stop`` does."""
        return _service_answer(self._control.stop_service(instance_id, service))

    def service_status(self, instance_id: str, service: str) -> JsonAnswer:
        """Look at a service."""
        return _service_answer(self._control.service_status(instance_id, service))


def _service_answer(answer: ServiceAnswer) -> JsonAnswer:
    return {"state": answer.state, "pid": answer.pid, "detail": answer.detail}, 409 if answer.is_refused else 200


def _problem(problem: Problem) -> Response:
    body = {"type": "about:blank", "title": problem.title, "status": problem.status}
    details = {"field": problem.field, "value": problem.value, "expected": problem.expected}
    response = jsonify(body | details)
    response.status_code, response.content_type = problem.status, "application/problem+json"
    return response


def _http_problem(error: HTTPException) -> Response:
    return _problem(Problem(error.code or 500, error.description or error.name))
