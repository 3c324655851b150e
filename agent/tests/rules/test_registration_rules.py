"""With what to register."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.registration import Environment, Nonce, enrolments, parse_user_data, server_url_now

WORDS = st.text("abc", min_size=1, max_size=4)
NONCES = st.none() | st.builds(Nonce, WORDS, st.none() | WORDS, st.none() | WORDS)
ENVIRONMENTS = st.builds(Environment, WORDS, WORDS, st.none() | WORDS)


@given(ENVIRONMENTS, NONCES, st.booleans())
def test_the_nonce_comes_first_and_only_at_the_first_registration(environment: Environment, nonce: Nonce | None, is_first: bool) -> None:
    ways = enrolments(environment, nonce, is_first=is_first)

    assert [way.is_nonce for way in ways] == sorted([way.is_nonce for way in ways], reverse=True)
    assert any(way.is_nonce for way in ways) == (nonce is not None and is_first)
    assert any(not way.is_nonce for way in ways) == (environment.enrolment_token is not None)
    assert all(way.token for way in ways)


@given(st.text())
def test_any_user_data_that_is_not_ours_is_none(body: str) -> None:
    found = parse_user_data(body)

    assert found is None or "spot_optimizer" in body


def test_user_data_wins_over_the_environment_that_an_image_carries() -> None:
    document = {"nonce": "so_nonce_1", "server_url": "https://new/", "logical_agent_id": "web-2", "agent_id": "a"}
    nonce = parse_user_data(json.dumps({"spot_optimizer": document}))

    way = enrolments(Environment("https://old", "web-1", "so_enrol_1"), nonce, is_first=True)[0]

    assert (way.server_url, way.logical_agent_id, way.token) == ("https://new", "web-2", "so_nonce_1")


@given(WORDS, WORDS, WORDS)
def test_a_person_who_changes_the_environment_moves_the_daemon_to_another_server(registered: str, then: str, now: str) -> None:
    assert server_url_now(registered, then, now) == (registered if then == now else now)


def test_secrets_are_not_in_the_text_of_any_value() -> None:
    environment = Environment("https://s", "web-1", "so_enrol_1")
    ways = enrolments(environment, Nonce("so_nonce_1", None, None), is_first=True)

    assert "so_" not in repr(environment) + repr(ways)
