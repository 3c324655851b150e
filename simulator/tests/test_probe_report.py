"""Properties of the prober's report, and the few cases that are easier to read as examples."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.probe_report import main, read_held_numbers
from spot_simulator.probe_rules import Probe, downtime_seconds, good_answers, lost_writes, outages, overlaps

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_SECONDS = 0.05


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def good(number: int, sent_seconds: float, took_seconds: float, instance_id: str) -> Probe:
    return Probe(number, at(sent_seconds), at(sent_seconds + took_seconds), ok=True, instance_id=instance_id)


def failed(number: int, sent_seconds: float) -> Probe:
    return Probe(number, at(sent_seconds), None, ok=False, instance_id=None, error="timed out")


def answered_by(plan: str, took_seconds: float = 0.01) -> list[Probe]:
    """Build a log with one write every 50 ms: a letter is the instance that answered, a dot a failure."""
    sends = ((number, number * STEP_SECONDS, letter) for number, letter in enumerate(plan))
    return [failed(number, sent) if letter == "." else good(number, sent, took_seconds, letter) for number, sent, letter in sends]


@st.composite
def logs(draw: st.DrawFn, instances: str = "AB") -> list[Probe]:
    """Draw any log: writes 50 ms apart with answers that take up to 2 s, in the order in which their outcomes came."""
    probes = []
    for number in range(draw(st.integers(0, 40))):
        sent = number * STEP_SECONDS
        is_good = draw(st.booleans())
        took = draw(st.integers(1, 2000)) / 1000
        probes.append(good(number, sent, took, draw(st.sampled_from(instances))) if is_good else failed(number, sent))
    return draw(st.permutations(probes))


thresholds = st.sampled_from([0.0, 0.06, 0.2, 1.0])


@given(logs(), thresholds)
def test_outages_are_longer_than_the_threshold_in_order_and_apart(probes: list[Probe], threshold: float) -> None:
    found = outages(probes, threshold)

    assert all(outage.seconds > threshold for outage in found)
    assert all(outage.ended_at is not None for outage in found[:-1])
    for earlier, later in pairwise(found):
        assert earlier.ended_at is not None
        assert earlier.ended_at <= later.started_at


@given(logs(), thresholds)
def test_no_good_answer_comes_inside_an_outage(probes: list[Probe], threshold: float) -> None:
    for outage in outages(probes, threshold):
        end = outage.ended_at or datetime.max.replace(tzinfo=UTC)
        assert not [answer for answer in good_answers(probes) if outage.started_at < answer.answered_at < end]


@given(logs())
def test_a_higher_threshold_never_finds_more(probes: list[Probe]) -> None:
    assert set(outages(probes, 0.5)) <= set(outages(probes, 0.1))


@given(logs(), thresholds, st.floats(0, 4), st.floats(0, 4), st.floats(0, 4))
def test_downtime_of_a_window_is_the_sum_of_its_parts_and_never_exceeds_it(
    probes: list[Probe], threshold: float, one: float, two: float, three: float
) -> None:
    start, middle, end = (at(seconds) for seconds in sorted([one, two, three]))

    whole = downtime_seconds(probes, threshold, start, end)
    parts = downtime_seconds(probes, threshold, start, middle) + downtime_seconds(probes, threshold, middle, end)

    assert whole == pytest.approx(parts, abs=1e-5)
    assert 0 <= whole <= (end - start).total_seconds() + 1e-5


@given(logs(instances="A"))
def test_one_instance_never_overlaps_itself(probes: list[Probe]) -> None:
    assert overlaps(probes) == []


@given(st.lists(st.integers(1, 2000), min_size=2, max_size=40), st.data())
def test_a_handover_is_never_double_serving_however_late_its_answers_are_read(took_ms: list[int], data: st.DataObject) -> None:
    handover = data.draw(st.integers(0, len(took_ms)))
    sends = enumerate(took_ms)
    probes = [good(n, n * STEP_SECONDS, ms / 1000, "A" if n < handover else "B") for n, ms in sends]

    assert overlaps(probes) == []


@given(logs())
def test_overlaps_do_not_depend_on_the_order_of_the_lines(probes: list[Probe]) -> None:
    assert overlaps(probes) == overlaps(sorted(probes, key=lambda probe: probe.number))


@given(logs(), st.frozensets(st.integers(0, 40)))
def test_lost_and_held_together_are_what_was_acknowledged(probes: list[Probe], held: frozenset[int]) -> None:
    acknowledged = {probe.number for probe in probes if probe.ok}

    assert set(lost_writes(probes, held)) == acknowledged - held


def test_an_outage_runs_from_the_last_good_answer_to_the_first() -> None:
    (outage,) = outages(answered_by("AAA......BBB"), 0.2)

    assert (outage.started_at, outage.ended_at) == (at(0.11), at(0.46))
    assert (outage.before_instance_id, outage.after_instance_id) == ("A", "B")


def test_an_outage_that_goes_on_has_no_end_and_counts_to_the_end_of_the_window() -> None:
    probes = answered_by("AA.........")

    (outage,) = outages(probes, 0.2)

    assert (outage.ended_at, outage.after_instance_id) == (None, None)
    assert outage.seconds == pytest.approx(0.44)
    assert downtime_seconds(probes, 0.2, at(0), at(10.06)) == pytest.approx(10.0)


def test_answers_from_two_instances_in_turn_are_double_serving() -> None:
    (overlap,) = overlaps(answered_by("AAABABBB"))

    assert overlap.instance_ids == ("A", "B")
    assert (overlap.started_at, overlap.ended_at, overlap.answers) == (at(0.15), at(0.21), 2)


def test_a_way_back_after_a_silence_is_not_double_serving() -> None:
    probes = answered_by("AA" + "." * 20 + "BB" + "." * 20 + "AA")

    assert overlaps(probes, return_seconds=2.0) == []
    assert len(overlaps(probes, return_seconds=3.0)) == 1


def write_log(path: Path, probes: list[Probe]) -> Path:
    rows = [
        {"number": p.number, "sent_at": p.sent_at.isoformat(), "ok": p.ok, "instance_id": p.instance_id, "error": p.error}
        | {"answered_at": p.answered_at.isoformat() if p.answered_at else None}
        for p in probes
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"number": 9')
    return path


def test_main_tells_lost_writes_as_json_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(tmp_path / "probe.log", answered_by("AAA......BBB"))
    (tmp_path / "writes.log").write_text('{"number": 0}\n{"number": 1}\n{"number": 2}\n{"number": 9}\n{"number": 10}\n{"num')

    assert main([str(log), "--json", "--held", str(tmp_path / "writes.log")]) == 1

    report = json.loads(capsys.readouterr().out)
    assert (report["sent"], report["acknowledged"], report["unreadable_lines"], report["lost"]) == (12, 6, 1, [11])
    assert report["downtime_seconds"] == pytest.approx(0.35)
    assert report["outages"][0]["ended_at"] == "2026-01-01T00:00:00.460000Z"


def test_main_prints_a_table_and_exits_0_when_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(tmp_path / "probe.log", answered_by("AAA......BBB"))

    assert main([str(log)]) == 0
    assert "A -> B" in capsys.readouterr().out


def test_an_empty_log_is_an_empty_report(tmp_path: Path) -> None:
    (tmp_path / "probe.log").touch()

    assert main([str(tmp_path / "probe.log")]) == 0


def test_numbers_are_held_only_by_whole_lines(tmp_path: Path) -> None:
    (tmp_path / "writes.log").write_text('{"number": 1}\n{"number": 2}')

    assert read_held_numbers(str(tmp_path / "writes.log")) == {1}
