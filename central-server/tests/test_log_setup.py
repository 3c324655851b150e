"""Logging: lines that machines read, and no token in any of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.tokens.service import NONCE_PREFIX, PREFIXES, new_secret
from spot_server.log_setup import hide_tokens


@pytest.mark.parametrize("prefix", [*PREFIXES.values(), NONCE_PREFIX])
def test_a_token_of_any_kind_is_hidden_wherever_it_stands(prefix: str) -> None:
    secret = new_secret(prefix)

    line = hide_tokens(None, "info", {"event": f"got {secret}", "headers": {"Authorization": [f"Bearer {secret}"]}, "count": 3})

    assert secret[len(prefix) :] not in str(line)
    assert line["count"] == 3


@given(st.text())
def test_text_without_a_token_stays_as_it_is(text: str) -> None:
    assert hide_tokens(None, "info", {"event": text})["event"] == text
