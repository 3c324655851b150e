"""A stored decision comes out the same again, and what was changed since is found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from sqlalchemy import delete, update

from server_support.clock import FakeClock
from server_support.deciding import Deciding
from spot_server.db.runner import Database
from spot_server.db.tables import decision_documents, decisions, models
from spot_server.decision_commands import compare_models, model_table, replay_decision
from spot_server.decision_models.documents import NotReplayable, candidates_document, digest, input_document, market_document, read_input
from spot_server.errors import NotFound, StateConflict
from spot_server.features.decisions import registry
from spot_server.features.decisions.service import Replay, replay
from spot_server.settings import Settings
from test_expected_cost import inputs

INPUTS = inputs()


@pytest.fixture
def decided(database: Database, clock: FakeClock) -> Deciding:
    deciding = Deciding.on(database, clock, auto_switch_enabled=False)
    deciding.decide()
    deciding.next_tick()
    return deciding


def replayed(decided: Deciding) -> Replay:
    decision_id = decided.last.decision_id
    return decided.story.database.read(lambda tx: replay(tx, decision_id, decided.story.clock))


def test_a_stored_decision_replays_to_the_same_answer(decided: Deciding) -> None:
    found = replayed(decided)

    assert found.differences == ()
    assert found.asked.decision.target == decided.last.target


def test_a_model_that_says_something_else_now_is_found(decided: Deciding) -> None:
    decided.story.fleet.execute(update(models).values(parameters={"horizon_hours": 0.01}))

    found = replayed(decided)

    assert [difference.split(":")[0] for difference in found.differences][:2] == ["action", "target"]


def test_an_input_that_was_changed_is_not_replayed(decided: Deciding) -> None:
    decided.story.fleet.execute(update(decisions).values(input="{}"))

    with pytest.raises(StateConflict, match="its digest differs"):
        replayed(decided)


def test_a_market_that_is_no_longer_kept_is_named(decided: Deciding) -> None:
    decided.story.fleet.execute(delete(decision_documents))

    with pytest.raises(StateConflict, match="is no longer kept"):
        replayed(decided)


def test_an_unknown_decision_is_not_found(decided: Deciding) -> None:
    with pytest.raises(NotFound, match="there is no decision nobody"):
        decided.story.database.read(lambda tx: replay(tx, "nobody", decided.story.clock))


def test_the_command_line_prints_the_decision_and_the_models(decided: Deciding) -> None:
    settings = replace(Settings(), database_url=decided.story.database.engine.url.render_as_string(hide_password=False))

    said, is_same = replay_decision(settings, decided.last.decision_id)
    none_since = compare_models(settings, 1)
    table = model_table(decided.story.database.read(lambda tx: registry.compare_models(tx, 7)))

    assert is_same
    assert "SWITCH spot/m5.large/use1-az1" in said
    assert said.endswith("the same answer as then")
    assert none_since == "no model decided anything in the last 1 days"
    assert table.splitlines()[1].split()[:6] == ["expected_cost", "1", "acting", "2", "2", "-"]


@given(INPUTS)
def test_every_input_comes_back_from_its_document_as_it_was(given_input: object) -> None:
    from spot_server.decision_models import DecisionInput  # noqa: PLC0415 - for the type alone

    assert isinstance(given_input, DecisionInput)
    markets = [given_input.situation.market, *(candidate.market for candidate in given_input.candidates)]
    documents = {market.key: market_document(market) for market in markets}
    digests = {key: digest(document) for key, document in documents.items()}
    reach = candidates_document(given_input.candidates, digests)
    stored = {digest(document): document for document in (*documents.values(), reach)}

    document = input_document(given_input, digests[given_input.situation.market.key], digest(reach))

    assert read_input(document, lambda names: {name: stored[name] for name in names}) == given_input


def test_an_input_of_another_interface_is_not_read() -> None:
    with pytest.raises(NotReplayable, match="version 2"):
        read_input({"interface": 2}, lambda _names: {})
