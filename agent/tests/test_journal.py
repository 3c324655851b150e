"""The journal: whole or not at all, bounded, and only ever ours."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_fakes.virtual import START, VirtualClock
from spot_agent.errors import JournalUnwritable
from spot_agent.guard import FileGuard
from spot_agent.journal import FileJournal, read_journal
from spot_agent.journal_contents import (
    COMMANDS_KEPT,
    NOTICES_KEPT,
    UNSENT_KEPT,
    CommandRecord,
    JournalContents,
    UnsentReport,
    from_json,
    to_json,
    with_acknowledged,
    with_answer,
    with_notice,
    with_started,
    with_unsent,
)
from spot_agent.model import Role

TEXTS = st.text(max_size=8)
RECORDS = st.builds(CommandRecord, TEXTS, TEXTS, TEXTS, TEXTS, st.none() | st.dictionaries(TEXTS, st.integers()), st.booleans())
CONTENTS = st.builds(
    JournalContents,
    instance_id=st.text(min_size=1, max_size=8),
    agent_id=st.none() | TEXTS,
    token=st.none() | TEXTS,
    role=st.none() | st.sampled_from(Role),
    epoch=st.integers(0, 10**9),
    quiesced=st.booleans(),
    released=st.booleans(),
    served_epoch=st.none() | st.integers(0, 10**9),
    served_known_from=st.none() | st.integers(0, 10**9),
    commands=st.lists(RECORDS, max_size=3).map(tuple),
    unsent=st.lists(st.builds(UnsentReport, TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS)), max_size=3).map(tuple),
    known_notices=st.lists(TEXTS, max_size=3).map(tuple),
    config=st.none() | st.dictionaries(TEXTS, st.integers()),
)


@given(CONTENTS)
def test_what_is_written_is_what_is_read(contents: JournalContents) -> None:
    assert from_json(json.loads(json.dumps(to_json(contents, START)))) == contents


@given(CONTENTS, st.integers(0, 400))
def test_a_truncated_journal_is_never_half_believed(contents: JournalContents, length: int) -> None:
    text = json.dumps(to_json(contents, START))[:-1][:length]
    with pytest.raises(ValueError, match=r"."):
        from_json(json.loads(text))


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_no_foreign_document_is_taken_for_a_journal(document: object) -> None:
    with pytest.raises(ValueError, match="journal"):
        from_json(document)


def test_the_wrong_type_of_quiesced_is_damage_and_not_permission() -> None:
    document = to_json(JournalContents(instance_id="i-1", role=Role.PRIMARY), START)
    document["journal"]["quiesced"] = 0

    with pytest.raises(ValueError, match="quiesced"):
        from_json(document)


@settings(max_examples=12)
@given(st.lists(st.booleans(), min_size=COMMANDS_KEPT, max_size=COMMANDS_KEPT + 60))
def test_commands_are_bounded_and_open_ones_outlive_acknowledged_ones(acknowledged: list[bool]) -> None:
    contents = JournalContents(instance_id="i-1")
    for number, is_acknowledged in enumerate(acknowledged):
        contents = with_started(contents, CommandRecord(f"r{number}", "c", "k", "t"))
        if is_acknowledged:
            contents = with_acknowledged(with_answer(contents, f"r{number}", {}), f"r{number}")

    kept = {record.request_id for record in contents.commands}
    assert len(kept) <= COMMANDS_KEPT
    if acknowledged.count(False) <= COMMANDS_KEPT - 1:
        assert {f"r{number}" for number, done in enumerate(acknowledged) if not done} <= kept
    assert f"r{len(acknowledged) - 1}" in kept


def test_a_started_command_keeps_its_first_mark() -> None:
    once = with_started(JournalContents(instance_id="i"), CommandRecord("r", "c", "k", "first"))

    assert with_started(once, CommandRecord("r", "c", "k", "second")) == once


def test_reports_and_notices_are_bounded_and_kept_once() -> None:
    contents = JournalContents(instance_id="i")
    for number in range(120):
        for _ in range(2):
            contents = with_notice(with_unsent(contents, UnsentReport(f"k{number}", "x")), f"n{number}")

    assert (len(contents.unsent), len(contents.known_notices)) == (UNSENT_KEPT, NOTICES_KEPT)
    assert contents.unsent[-1].key == "k119"


def test_a_journal_on_disk_is_private_and_survives_a_reopening(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.json"
    FileJournal(path, VirtualClock()).change(lambda now: replace(now, instance_id="i-1", epoch=7))

    again = FileJournal(path, VirtualClock())

    assert (again.problem, again.read().epoch) == (None, 7)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["journal.json"]


@pytest.mark.parametrize("text", ["", "{", '{"format": 99}', "\x00\x00", '{"format": 1, "journal": {"instance_id": ""}}'])
def test_a_damaged_journal_is_discarded_and_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "journal.json"
    path.write_text(text)

    journal = FileJournal(path, VirtualClock())

    assert journal.problem is not None
    assert journal.read() == JournalContents()
    assert read_journal(tmp_path / "none.json") == (None, None)


def test_a_half_written_new_journal_does_not_touch_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    FileJournal(path, VirtualClock()).change(lambda now: replace(now, instance_id="i-1"))
    (tmp_path / "journal.json.new").write_text("{half")

    assert FileJournal(path, VirtualClock()).read().instance_id == "i-1"


def test_a_change_that_cannot_be_saved_holds_in_memory_and_is_saved_later(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal.json"
    (tmp_path / "state").write_text("in the way")
    journal = FileJournal(path, VirtualClock())
    with pytest.raises(JournalUnwritable):
        journal.change(lambda now: replace(now, instance_id="i-1", epoch=3))
    os.unlink(tmp_path / "state")  # noqa: PTH108 - the file that was in the way

    journal.change(lambda now: now)

    assert FileJournal(path, VirtualClock()).read().epoch == 3


def test_the_start_guard_is_a_file_that_comes_and_goes(tmp_path: Path) -> None:
    guard = FileGuard(tmp_path / "run")
    guard.revoke()
    guard.grant()
    guard.grant()

    assert (tmp_path / "run" / "serve").exists()
    guard.revoke()
    assert not guard.is_granted()
