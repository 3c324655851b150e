"""The journal of another instance is not ours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.journal_contents import JournalContents, UnsentReport
from spot_agent.model import Role
from spot_agent.rules.clones import Origin, origin_of, own_journal

IDS = st.from_regex(r"i-[0-9a-f]{8}", fullmatch=True)


@given(IDS, IDS, st.sampled_from(Role), st.integers(0, 9), st.booleans())
def test_a_clone_keeps_nothing_of_its_parent(parent: str, own: str, role: Role, epoch: int, quiesced: bool) -> None:
    inherited = JournalContents(
        instance_id=parent,
        agent_id="agent-1",
        token="so_agent_parent",
        role=role,
        epoch=epoch,
        quiesced=quiesced,
        unsent=(UnsentReport("k", "termination-imminent"),),
        config={"config_version": 1, "plan": {"successor_instance_id": "i-own"}},
    )

    kept = own_journal(inherited, own)

    assert kept == (inherited if own == parent else JournalContents(instance_id=own))
    assert not (own != parent and kept.may_serve)


def test_an_empty_journal_is_fresh_and_not_foreign() -> None:
    assert origin_of(JournalContents(), "i-1") is Origin.FRESH
