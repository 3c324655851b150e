"""What is too old, and how far a log may be cut off."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.retention.rules import LogEntry, Record, RetentionPolicy, cutoffs, prunable_ends

days = st.integers(1, 3650)
policies = st.builds(RetentionPolicy, days, days, days, days, days, days, days, days, days, days)
logs = st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(-3, 3), max_size=6)).map(
    lambda ages: [
        LogEntry(client_id, sequence, START + timedelta(days=age))
        for client_id, of_client in sorted(ages.items())
        for sequence, age in enumerate(of_client, start=10)
    ]
)


@given(policies)
def test_nothing_goes_before_what_names_it(policy: RetentionPolicy) -> None:
    moments = cutoffs(policy, START)

    assert set(moments) == set(Record)
    for named in (Record.COMMANDS, Record.REPLICAS, Record.IMAGES, Record.INTERRUPTIONS, Record.INSTANCES):
        assert moments[named] <= moments[Record.SWITCHES]
    assert moments[Record.INSTANCES] <= moments[Record.AUDIT_LOGS]


@given(policies)
def test_nothing_is_kept_for_less_than_its_setting_says(policy: RetentionPolicy) -> None:
    moments = cutoffs(policy, START)

    asked = {
        Record.EVENTS: policy.event_days,
        Record.AUDIT_LOGS: policy.audit_days,
        Record.NOTIFICATIONS: policy.notification_days,
        Record.CLEANUP_LOGS: policy.cleanup_days,
        Record.DECISIONS: policy.decision_days,
        Record.DECISION_DOCUMENTS: policy.decision_days,
        Record.SWITCHES: policy.switch_days,
        Record.INTERRUPTIONS: policy.interruption_days,
        Record.INSTANCES: policy.instance_days,
    }
    assert all(START - moments[record] >= timedelta(days=count) for record, count in asked.items())


@given(logs)
def test_a_log_is_cut_off_at_its_beginning_as_far_as_everything_there_is_old(entries: list[LogEntry]) -> None:
    ends = prunable_ends(entries, START)

    for client_id, group in groupby(entries, key=lambda entry: entry.client_id):
        of_client = list(group)
        gone = [entry for entry in of_client if entry.sequence <= ends.get(client_id, 0)]
        kept = of_client[len(gone) :]
        assert all(entry.at < START for entry in gone)
        assert not kept or kept[0].at >= START
