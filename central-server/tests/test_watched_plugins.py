"""A plug-in that hangs or ends, wherever in its code it does so, holds up neither the round nor a page, and no transaction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from server_support.builders import create_admin_token, create_client_token
from server_support.clock import FakeClock
from server_support.deciding import Deciding
from server_support.http import Http
from server_support.plugins import NAME, Tarrying, installed
from spot_server.db.runner import Database
from spot_server.db.tables import agents, notifications
from spot_server.decision_models.watching import MOST_ABANDONED, REST_SECONDS
from spot_server.features.decisions.making import RETRY_SECONDS
from spot_server.features.decisions.model_queries import line_up
from spot_server.words import Action, AnswerKind

MODELS = "/api/admin/models"


@pytest.fixture
def plugin(tmp_path: Path, clock: FakeClock) -> Iterator[Tarrying]:
    with installed(tmp_path, clock) as told:
        yield told


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock, auto_switch_enabled=False)


@pytest.fixture
def admin(database: Database, http: Http) -> Http:
    return http.as_(create_admin_token(database))


def activate(admin: Http) -> None:
    """Let the plug-in decide, while it does as it should; the jobs process has not met it yet."""
    model = admin.post(MODELS, {"plugin": NAME, "model_version": "1"})
    assert admin.post(f"{MODELS}/{model.json['model_id']}/activate", {}).status == 200


@pytest.mark.parametrize("where", ["import", "constructor"])
def test_a_model_whose_making_hangs_counts_as_stay_is_told_of_and_begun_once(
    plugin: Tarrying, deciding: Deciding, admin: Http, where: str
) -> None:
    activate(admin)
    plugin.forget_import()
    plugin.counts.clear()
    plugin.held = {where}

    for _ in range(3):
        deciding.next_tick()

    assert (deciding.last.action, deciding.last.answer) == (Action.STAY, AnswerKind.SLOW)
    assert deciding.last.failure == f"ModelUnusable: importing and making {NAME} did not end within 10 s"
    assert plugin.counts[where] == 1
    told = select(func.count()).where(notifications.c.kind == "decision_model_failed")
    assert deciding.story.fleet.scalars(told) == [1]
    assert deciding.metrics.decision_failures.labels("slow")._value.get() == 3


def test_a_model_that_is_made_late_decides_from_then_on(plugin: Tarrying, deciding: Deciding, admin: Http) -> None:
    activate(admin)
    plugin.held = {"constructor"}
    deciding.decide()
    plugin.let_go()

    deciding.next_tick()

    assert (deciding.last.answer, deciding.last.reasoning) == (AnswerKind.ANSWERED, "all is well")
    assert plugin.counts["constructor"] == 2


@pytest.mark.parametrize("where", ["import", "constructor", "decide"])
def test_a_plugin_that_ends_the_process_ends_nothing(plugin: Tarrying, deciding: Deciding, admin: Http, where: str) -> None:
    def leave() -> None:
        raise SystemExit("enough")

    activate(admin)
    plugin.forget_import()
    plugin.does[where] = leave

    deciding.decide()

    assert (deciding.last.action, deciding.last.answer) == (Action.STAY, AnswerKind.FAILED)
    assert "SystemExit: enough" in (deciding.last.failure or "")


def test_a_model_that_cannot_be_made_is_tried_again_after_a_while_and_not_at_once(
    plugin: Tarrying, deciding: Deciding, admin: Http, database: Database, clock: FakeClock
) -> None:
    def fail() -> None:
        raise RuntimeError("no licence")

    activate(admin)
    plugin.does["constructor"] = fail
    deciding.decide()
    clock.advance(RETRY_SECONDS - 1)
    found = database.read(line_up)
    assert found is not None
    deciding.models.ask(found.acting, [], clock)
    tried_early = plugin.counts["constructor"]
    del plugin.does["constructor"]
    deciding.next_tick()

    assert tried_early == 2
    assert deciding.last.answer is AnswerKind.ANSWERED


def test_a_plugin_that_hangs_is_refused_with_why(plugin: Tarrying, admin: Http) -> None:
    plugin.held = {"constructor"}

    answer = admin.post(MODELS, {"plugin": NAME, "model_version": "1"})

    assert (answer.status, answer.slug) == (422, "field-invalid")
    assert f"importing and making {NAME} did not end within 10 s" in answer.text


def test_other_peoples_code_runs_in_no_transaction(plugin: Tarrying, database: Database, admin: Http) -> None:
    """Another write goes through while the model is made: nothing is locked."""
    plugin.does["constructor"] = lambda: database.write(lambda tx: tx.execute(update(agents).values(enabled=True)))

    answer = admin.post(MODELS, {"plugin": NAME, "model_version": "1"})

    assert answer.status == 201, answer.text
    assert plugin.counts["constructor"] == 1


def test_however_often_a_hanging_plugin_is_registered_few_threads_wait_for_it(plugin: Tarrying, admin: Http) -> None:
    plugin.held = {"constructor"}

    same = [admin.post(MODELS, {"plugin": NAME, "model_version": "1"}).status for _ in range(3)]
    once = plugin.counts["constructor"]
    others = [admin.post(MODELS, {"plugin": NAME, "model_version": "1", "parameters": {"number": one}}) for one in range(5)]

    assert (same, once) == ([422] * 3, 1)
    assert [answer.status for answer in others] == [422] * 5
    assert plugin.counts["constructor"] == MOST_ABANDONED
    assert "start the process again" in others[-1].text


def test_an_explanation_makes_the_model_once_and_leaves_one_that_hung_alone_for_a_while(
    plugin: Tarrying, deciding: Deciding, admin: Http, http: Http
) -> None:
    activate(admin)
    client = http.as_(create_client_token(deciding.story.database, deciding.story.fleet.client_id))
    page = f"/api/client/{deciding.story.fleet.client_id}/agents/{deciding.story.agent_id}/why-on-demand"
    plugin.counts.clear()
    well = [client.get(page).json["action"] for _ in range(2)]
    plugin.held = {"decide"}
    hung = [client.get(page) for _ in range(4)]
    left_alone = plugin.counts["decide"]
    deciding.story.clock.advance(REST_SECONDS)
    client.get(page)
    asked_again = plugin.counts["decide"]
    plugin.let_go()
    recovered = client.get(page).json

    assert (well, plugin.counts["constructor"]) == (["STAY"] * 2, 1)
    assert [answer.status for answer in hung] == [200] * 4
    assert "it did not return within 0.5 s" in hung[0].json["answer"]
    assert "1 calls of it have not returned, and it is left alone for a while" in hung[3].json["answer"]
    assert (left_alone, asked_again) == (3, 4)
    assert "all is well" in recovered["answer"]
