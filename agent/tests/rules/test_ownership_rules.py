"""What is ours, and what may be terminated."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.ec2_facts import AddressFacts
from spot_agent.model import TAG_AGENT_ID, TAG_LOGICAL_AGENT_ID, TAG_MANAGED
from spot_agent.rules.ownership import is_ours, refusal_to_terminate, tags_to_set

KEYS = st.sampled_from([TAG_MANAGED, TAG_AGENT_ID, TAG_LOGICAL_AGENT_ID, "team"])
VALUES = st.sampled_from(["true", "false", "released", "agent-1", "agent-2", "web-1", ""])
TAGS = st.dictionaries(KEYS, VALUES)
HANDLES = st.lists(st.builds(AddressFacts, st.sampled_from("ab"), st.just("192.0.2.1"), st.sampled_from(["i-1", "i-2", None]), st.none()))


@given(TAGS, HANDLES)
def test_only_what_carries_both_tags_and_no_handle_may_be_terminated(tags: dict[str, str], handles: list[AddressFacts]) -> None:
    refusal = refusal_to_terminate("i-1", tags, "agent-1", handles)

    is_allowed = tags.get(TAG_MANAGED) == "true" and tags.get(TAG_AGENT_ID) == "agent-1" and all(h.instance_id != "i-1" for h in handles)
    assert (refusal is None) == is_allowed


@given(TAGS)
def test_an_instance_is_ours_once_its_tags_are_set_and_then_nothing_is_left_to_set(tags: dict[str, str]) -> None:
    missing = tags_to_set(tags, "agent-1", "web-1")

    after = {**tags, **missing}
    assert tags_to_set(after, "agent-1", "web-1") == {}
    assert is_ours(after, "agent-1") == (tags.get(TAG_MANAGED, "true") in ("true", "released"))


@given(TAGS)
def test_a_persons_own_word_is_never_overwritten(tags: dict[str, str]) -> None:
    tags = {**tags, TAG_MANAGED: "false"}

    assert tags_to_set(tags, "agent-1", "web-1") == {}
