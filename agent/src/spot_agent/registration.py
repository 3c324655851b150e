"""Registration: with the nonce of a launched instance, or with the enrolment token of the environment."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from spot_agent import __version__
from spot_agent.clock import Bell, Clock
from spot_agent.discovery import Discoverer, Discovery
from spot_agent.errors import JournalUnwritable, ServerRefused, ServerUnreachable, TokenRefused
from spot_agent.journal import Change, Journal
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject, Role, ServerView
from spot_agent.outcomes import Did, Failed, Outcome
from spot_agent.ports import CentralApi, Found, Imds, Unknown
from spot_agent.roles import Roles
from spot_agent.rules.backoff import backoff_seconds
from spot_agent.rules.config import settings_on_the_wire
from spot_agent.rules.registration import (
    RETRY_NOT_MATCHED_SECONDS,
    Enrolment,
    Environment,
    Nonce,
    enrolments,
    parse_user_data,
)
from spot_agent.rules.roles import is_first_start
from spot_agent.settings import Settings
from spot_agent.timestamps import to_wire
from spot_agent.wire import parse_view
from spot_agent.workload import Workload

PATH_USER_DATA = "user-data"
RETRY_BASE_SECONDS = 2.0
RETRY_CAP_SECONDS = 300.0
RETRY_NOT_WANTED_SECONDS = 60.0
"""Soon enough to be of use when a rescue comes to need it, and the server waits for nothing else."""

LOOKS_AT_EC2 = 3
"""Only a first registration seeds the launch specification: it waits a little for an EC2 that does not answer now."""

LOOK_AGAIN_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class RegistrarParts:
    """What a registrar works with."""

    identity: Identity
    settings: Settings
    imds: Imds
    api: CentralApi
    journal: Journal
    live: Live
    roles: Roles
    workload: Workload
    discoverer: Discoverer
    waiting_bells: tuple[Bell, ...]
    """Of the threads that have nothing to do before: a replica's way to ready begins with its role."""

    clock: Clock
    log: Log
    draw: Callable[[], float]


class Registrar:
    """`step` is one try. It keeps its own backoff, up to 5 minutes: a person may have to approve."""

    def __init__(self, parts: RegistrarParts) -> None:
        self._parts = parts
        self._refusals = 0
        self._looks = 0
        self._environment = Environment(parts.settings.server_url, parts.settings.logical_agent_id, parts.settings.enrolment_token)

    def step(self) -> Outcome:
        """Did, or Failed with when to try again."""
        is_first = self._parts.journal.read().agent_id is None
        nonce = self._nonce() if is_first else None
        if isinstance(nonce, Unknown):
            return Failed("user_data_unknown", {"reason": nonce.reason})
        ways = enrolments(self._environment, nonce, is_first=is_first)
        if not ways:
            return self._refused("no_enrolment_token", "neither ENROLMENT_TOKEN nor a nonce in the user data")
        discovery = self._parts.discoverer.discover()
        if is_first and discovery.may_know_more and self._looks < LOOKS_AT_EC2:
            self._looks += 1
            return Failed("launch_specification_unknown", {"look": self._looks}, LOOK_AGAIN_SECONDS)
        outcome: Outcome | None = None
        for way in ways:
            outcome = self._try(way, discovery)
            if outcome is not None:
                return outcome
        return self._refused("registration_refused", "401 token-invalid: the token is wrong, expired or used up")

    def _nonce(self) -> Nonce | Unknown | None:
        reading = self._parts.imds.read(PATH_USER_DATA)
        if isinstance(reading, Unknown):
            return reading
        return parse_user_data(reading.text) if isinstance(reading, Found) else None

    def _try(self, way: Enrolment, discovery: Discovery) -> Outcome | None:
        """None when the token was refused, so that the next way may be tried."""
        was_attempted = self._parts.journal.read().registration_attempted
        self._note(lambda now: replace(now, registration_attempted=True))
        try:
            is_new, answer = self._parts.api.register(way.server_url, way.token, self._body(way, discovery))
            view = parse_view(answer)
            agent_id, token = answer["agent_id"], answer["token"]
        except TokenRefused as error:
            self._unattempt(was_attempted=was_attempted)
            self._parts.log.warning("token_refused", is_nonce=way.is_nonce, problem=error.problem, detail=error.detail)
            return None
        except ServerRefused as error:
            self._unattempt(was_attempted=was_attempted)
            return self._on_refusal(error)
        except ServerUnreachable as error:
            return Failed("server_unreachable", {"call": "register", "error": str(error)})
        except KeyError as error:
            return Failed("server_unreachable", {"call": "register", "error": f"the answer has no {error}"})
        self._accept(way, discovery, answer, view, (str(agent_id), str(token)), is_new=is_new, again=was_attempted)
        for bell in self._parts.waiting_bells:
            bell.ring()
        fields = {"agent_id": agent_id, "role": view.role, "epoch": view.epoch, "is_new": is_new}
        return Did("registered", fields, next_after_seconds=0.0)

    def _on_refusal(self, error: ServerRefused) -> Outcome:
        if error.status == 425:
            after_seconds = error.retry_after_seconds or RETRY_NOT_MATCHED_SECONDS
            return Failed("instance_not_matched_yet", {"detail": error.detail}, after_seconds)
        if error.problem == "instance-owned":
            reason = f"another controller owns this instance: {error.detail}"
            self._parts.live.change(lambda facts: replace(facts, halted=reason))
            return Failed("instance_owned", {"detail": error.detail}, RETRY_CAP_SECONDS)
        if error.problem == "instance-not-wanted":
            problem = f"launched for something that has ended, waits to be terminated: {error.detail}"
            self._parts.live.change(lambda facts: replace(facts, registration_problem=problem))
            return Failed("instance_not_wanted", {"detail": error.detail}, RETRY_NOT_WANTED_SECONDS)
        return self._refused("registration_refused", f"{error.status} {error.problem}: {error.detail}")

    def _refused(self, event: str, reason: str) -> Failed:
        self._refusals += 1
        self._parts.live.change(lambda facts: replace(facts, registration_problem=f"{event}: {reason}"))
        wait_seconds = backoff_seconds(self._refusals, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS, self._parts.draw())
        return Failed(event, {"reason": reason, "retry_after_seconds": round(wait_seconds, 1)}, wait_seconds)

    def _accept(
        self,
        way: Enrolment,
        discovery: Discovery,
        answer: JsonObject,
        view: ServerView,
        names: tuple[str, str],
        *,
        is_new: bool,
        again: bool,
    ) -> None:
        """The token is journalled together with the role: a crash leaves both or neither."""
        self._refusals = 0
        self._parts.live.change(lambda facts: replace(facts, registration_problem=None, token_refused=False))
        before = self._parts.journal.read()
        had_role = before.role is not None
        is_first = is_first_start(is_primary=view.is_primary, had_role=had_role, is_new=is_new, was_attempted=again, epoch=view.epoch)
        may_serve = is_first or (not had_role and view.is_primary and self._parts.workload.serving() is True)
        config = answer.get("config")
        self._note(
            lambda now: replace(
                now,
                instance_id=self._parts.identity.instance_id,
                agent_id=names[0],
                token=names[1],
                logical_agent_id=way.logical_agent_id,
                server_url=way.server_url,
                environment_server_url=self._parts.settings.server_url,
                registration_attempted=False,
                config=config if isinstance(config, dict) else now.config,
                role=now.role if had_role else (Role.PRIMARY if view.is_primary else view.role),
                epoch=now.epoch if had_role else view.epoch,
                quiesced=now.quiesced if had_role else not may_serve,
            )
        )
        if had_role:
            self._parts.roles.follow(view)
        elif may_serve:
            self._parts.workload.start_alone(self._parts.settings.hook_bound_seconds)

    def _unattempt(self, *, was_attempted: bool) -> None:
        """A definite refusal: this try has certainly made nothing."""
        self._note(lambda now: replace(now, registration_attempted=was_attempted))

    def _note(self, change: Change) -> None:
        """A journal that cannot be saved does not keep an instance from registering."""
        try:
            self._parts.journal.change(change)
        except JournalUnwritable as error:
            self._parts.log.failure("journal_unwritable", error=str(error))

    def _body(self, way: Enrolment, discovery: Discovery) -> JsonObject:
        identity = self._parts.identity
        return {
            "logical_agent_id": way.logical_agent_id,
            "instance_id": identity.instance_id,
            "instance_type": identity.instance_type,
            "region": identity.region,
            "az_id": discovery.az_id,
            "az_name": identity.az_name,
            "image_id": identity.image_id,
            "product": discovery.product,
            "architecture": identity.architecture,
            "account_id": identity.account_id,
            "private_ip": identity.private_ip,
            "hostname": socket.gethostname(),
            "mode": discovery.mode.value,
            "mode_evidence": discovery.mode_evidence,
            "daemon_version": __version__,
            "launched_at": None if identity.launched_at is None else to_wire(identity.launched_at),
            "booted_at": to_wire(_booted_at(self._parts.clock.booted_at(), identity.launched_at)),
            "settings": settings_on_the_wire(self._parts.settings),
            "launch_specification": discovery.launch_specification,
            "configuration": discovery.configuration,
            "owner": discovery.owner,
        }


def _booted_at(by_clock: datetime, launched_at: datetime | None) -> datetime:
    """When the instance booted, never before its launch: in a container the kernel's clock shows how long the host is up."""
    return by_clock if launched_at is None else max(by_clock, launched_at)
