"""The heartbeat thread: registers, beats, follows the server's view of this instance, fetches the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from spot_agent import __version__, metrics
from spot_agent.clock import Bell, Clock, since_boot_seconds
from spot_agent.delivery import Delivery
from spot_agent.errors import ServerFailed
from spot_agent.journal import Journal
from spot_agent.link import Link
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.ports import CentralApi
from spot_agent.registration import Registrar
from spot_agent.roles import Roles
from spot_agent.rules.config import settings_on_the_wire
from spot_agent.rules.plans import acknowledged_config_version, plan_of
from spot_agent.rules.processor import ProcessorTimes, busy_ratio
from spot_agent.settings import Settings
from spot_agent.timestamps import optional_from_wire, to_wire
from spot_agent.wire import CONFIG_FIELDS, HEARTBEAT_FIELDS, parse_config, parse_view, unknown_fields
from spot_agent.workload import Workload

PLAN_SEEN_EVERY = timedelta(seconds=600)


@dataclass(frozen=True, slots=True)
class HeartbeatParts:
    """What the heartbeat works with."""

    identity: Identity
    settings: Settings
    api: CentralApi
    journal: Journal
    live: Live
    link: Link
    roles: Roles
    workload: Workload
    registrar: Registrar
    delivery: Delivery
    commands_bell: Bell
    clock: Clock
    log: Log
    processor_times: Callable[[], ProcessorTimes | None]
    write_status: Callable[[], None]


class Heartbeat:
    """One step is one beat, or one try to register while there is no good token."""

    def __init__(self, parts: HeartbeatParts) -> None:
        self._parts = parts
        self._told_configuration: JsonObject | None = None
        self._processor_times = parts.processor_times()

    def step(self) -> Outcome:
        """Never raises for a server that fails."""
        outcome = self._step()
        # After a boot the server had its word. Without an answer a PRIMARY serves: a control plane that is down stops no workload.
        if self._parts.workload.release_start():
            self._parts.roles.settle()
        self._parts.write_status()
        return outcome

    def _step(self) -> Outcome:
        facts, contents = self._parts.live.read(), self._parts.journal.read()
        if facts.halted:
            return Idle(f"halted: {facts.halted}")
        if contents.released:
            return Idle("released")
        if contents.token is None or facts.token_refused:
            outcome = self._parts.registrar.step()
            # The next step tries the old token again if there is one: the server may have been the one in the wrong.
            self._parts.live.change(lambda now: replace(now, token_refused=False))
            return outcome
        return self._beat()

    def _beat(self) -> Outcome:
        body = self._body()
        try:
            answer = self._parts.api.heartbeat(body)
            view = parse_view(answer)
        except ServerFailed as error:
            return self._parts.link.failed("heartbeat", error)
        self._told_configuration = body.get("configuration", self._told_configuration)
        self._note_contact(answer)
        turn = self._parts.roles.follow(view)
        if answer.get("commands_waiting") is True:
            self._parts.commands_bell.ring()
        before = acknowledged_config_version(self._parts.journal.read())
        failed = self._refresh_config(answer) or self._parts.delivery.flush()
        if failed is not None:
            return failed
        contents = self._parts.journal.read()
        # The server waits to hear that a plan which it took back is not acted on any more.
        is_news = acknowledged_config_version(contents) != before
        fields = {"role": contents.role, "epoch": contents.epoch, "turn": turn.value}
        return Did("heartbeat_sent", fields, next_after_seconds=0.0 if is_news else None)

    def _refresh_config(self, answer: JsonObject) -> Failed | None:
        cached = self._parts.journal.read().config or {}
        if cached.get("config_version") == answer.get("config_version"):
            return None
        try:
            body = self._parts.api.config()
            config = parse_config(body)
        except ServerFailed as error:
            return self._parts.link.failed("config", error)
        self._count_unknown(unknown_fields(body, CONFIG_FIELDS))
        self._parts.link.note(lambda now: replace(now, config=body))
        self._note_plan_seen()
        self._parts.roles.follow(config.view)
        self._parts.log.info("config_adopted", config_version=config.config_version)
        return None

    def _note_contact(self, answer: JsonObject) -> None:
        now = self._parts.clock.now()
        server_time = optional_from_wire(answer.get("server_time"))
        self._parts.live.change(
            lambda facts: replace(
                facts,
                last_heartbeat_at=now,
                is_server_missed=False,
                server_clock_ahead=server_time - now if server_time else facts.server_clock_ahead,
            )
        )
        metrics.LAST_HEARTBEAT.set(now.timestamp())
        self._count_unknown(unknown_fields(answer, HEARTBEAT_FIELDS))
        self._note_plan_seen()

    def _note_plan_seen(self) -> None:
        """Now and then: a journal is not written at each heartbeat for it."""
        contents, now = self._parts.journal.read(), self._parts.clock.now()
        seen_at = optional_from_wire(contents.plan_seen_at)
        if plan_of(contents) is not None and (seen_at is None or abs(now - seen_at) >= PLAN_SEEN_EVERY):
            self._parts.link.note(lambda noted: replace(noted, plan_seen_at=to_wire(now)))

    def _count_unknown(self, number: int) -> None:
        if number:
            self._parts.live.change(lambda facts: replace(facts, unknown_fields=facts.unknown_fields + number))

    def _body(self) -> JsonObject:
        serving = self._parts.workload.serving()
        facts, contents = self._parts.live.read(), self._parts.journal.read()
        now = self._parts.clock.now()
        body: JsonObject = {
            "instance_id": self._parts.identity.instance_id,
            "epoch": contents.epoch,
            "role": contents.role.value if contents.role else None,
            "serving": serving,
            "quiesced": contents.quiesced,
            "config_version": acknowledged_config_version(contents),
            "mode": facts.mode.value,
            "daemon_version": __version__,
            "sent_at": to_wire(now),
            "uptime_seconds": round((now - facts.started_at).total_seconds(), 3),
            "settings": settings_on_the_wire(self._parts.settings),
            "metadata_failures": facts.metadata_failures,
            "unknown_fields": facts.unknown_fields,
            "resources": facts.resources,
        }
        if facts.resources_seen_seconds is not None:
            age_seconds = since_boot_seconds(self._parts.clock) - facts.resources_seen_seconds
            body["resources"] = {**facts.resources, "age_seconds": round(age_seconds, 1)}
        if facts.configuration is not None and facts.configuration != self._told_configuration:
            body["configuration"] = facts.configuration
        if facts.attached_volumes is not None:
            body["attached_volumes"] = list(facts.attached_volumes)
        if facts.scheduled_events is not None:
            body["scheduled_events"] = list(facts.scheduled_events)
        busy = self._busy_ratio()
        if busy is not None:
            body["cpu_busy_ratio"] = busy
        return body

    def _busy_ratio(self) -> float | None:
        """How busy the instance was since the last beat that was tried."""
        before, self._processor_times = self._processor_times, self._parts.processor_times()
        return busy_ratio(before, self._processor_times)
