"""What a daemon may say of notices, and of the times of what it did."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.http import Answer, Http
from server_support.story import Story
from server_support.tenants import Tenant, create_tenant
from spot_server.db.runner import Database
from spot_server.moments import read_told_moment
from spot_server.words import CommandKind, SwitchStatus, TokenKind

FAR, NEVER = "2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
NOTICE = {"notice_id": "0123456789abcdef", "instance_id": "i-1"}


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return create_tenant(database, "i-1")


def post(http: Http, tenant: Tenant, page: str, body: dict[str, Any]) -> Answer:
    return http.as_(tenant.tokens[TokenKind.AGENT]).post(f"/api/agents/{tenant.agent_id}/{page}", {**NOTICE, **body})


@pytest.mark.parametrize("when", [FAR, NEVER])
@pytest.mark.parametrize(
    ("page", "field", "body"),
    [
        ("termination-imminent", "action_at", {"action": "terminate", "detected_at": "2026-01-01T00:00:00Z"}),
        ("termination-imminent", "detected_at", {"action": "terminate", "action_at": "2026-01-01T00:02:00Z"}),
        ("rebalance-recommendation", "detected_at", {}),
        ("create-emergency-replica", "detected_at", {"reason": "termination"}),
        ("create-emergency-replica", "action_at", {"reason": "termination"}),
    ],
)
def test_a_notice_of_a_time_that_ec2_cannot_mean_is_refused_by_its_field(
    http: Http, tenant: Tenant, page: str, field: str, body: dict[str, Any], when: str
) -> None:
    answer = post(http, tenant, page, {**body, field: when})

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


@pytest.mark.parametrize("text", [None, 7, "", "soon", "2026-01-01T00:00:00", NEVER, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_none(text: object) -> None:
    assert read_told_moment(text) is None


def test_an_answer_whose_times_make_no_sense_is_an_answer(database: Database, clock: FakeClock) -> None:
    """A workload that did stop counts as stopped, whatever its daemon thinks the time was."""
    story = Story.on(database, clock, has_image=True, terminate_wait_seconds=60)
    said = story.region.answer

    def answer(machine: Any, command: Any, now: Any) -> Any:
        answered = said(machine, command, now)
        if answered is None or command.kind not in {CommandKind.QUIESCE, CommandKind.START_SERVING, CommandKind.LAUNCH_INSTANCE}:
            return answered
        times = dict.fromkeys(("quiesced_at", "serving_at", "launched_at"), "yesterday, I think")
        return {**answered, "result": {**answered.get("result", {}), **times}}

    story.region.answer = answer  # type: ignore[method-assign]
    switch = story.switch()

    story.settles(600)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.violations == []
