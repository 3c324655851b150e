"""What the demo prints: the closing table, the live lines, the compressed settings."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.demo.books import Move, Stillness
from spot_simulator.demo.compression import REGION_DELAYS, compressed_settings, describe
from spot_simulator.demo.deciding import MOST_REJECTIONS_TOLD, told_rejections
from spot_simulator.demo.live import price_line, region_line, server_line
from spot_simulator.demo.pricing import cheapest_pool, is_news
from spot_simulator.demo.report import FOOTNOTES, Cost, costs_table, moves_table, place_text, saved_percent, steps_text, stillness_lines

CARRY_OF = {"web": "stateless", "orders": "image_after_quiesce"}


def a_switch(**values: Any) -> dict[str, Any]:
    step = {"name": "launch", "status": "done", "intent_at": "2026-01-01T00:00:01Z", "finished_at": "2026-01-01T00:00:02.5Z"}
    return {
        "status": "completed",
        "trigger": "manual",
        "initiated_at": "2026-01-01T00:00:00Z",
        "completed_at": "2026-01-01T00:00:12.34Z",
        "from_mode": "on_demand",
        "from_instance_type": "m5.large",
        "from_az_id": "use1-az1",
        "to_mode": "spot",
        "to_instance_type": "m5a.large",
        "to_az_id": "use1-az2",
        "steps": [step],
        **values,
    }


def a_move(name: str = "web", lost_writes: int | None = 0, scene: str = "a scene", **values: Any) -> Move:
    return Move(name, scene, a_switch(**values), 1.234, lost_writes)


def test_the_table_tells_who_went_where_how_long_it_took_and_what_it_cost() -> None:
    head, line, steps = moves_table([a_move()], CARRY_OF)

    assert head.split() == ["workload", "scene", "from", "to", "status", "took", "downtime", "lost", "writes"]
    assert line.split("  ")[0] == "web"
    for part in ("on_demand/m5.large/use1-az1", "spot/m5a.large/use1-az2", "completed", "12.3 s", "1.23 s"):
        assert part in line
    assert steps.strip() == "steps: launch 1.5"


@given(scenes=st.lists(st.text("abc xyz,", min_size=1, max_size=60), min_size=1, max_size=6))
def test_columns_are_as_wide_as_what_stands_in_them(scenes: list[str]) -> None:
    lines = moves_table([a_move(scene=scene) for scene in scenes], CARRY_OF)

    rows = [line for line in lines[1:] if "steps:" not in line]
    assert len({row.index("on_demand/m5.large") for row in rows}) == 1
    assert {row.index("spot/m5a.large") for row in rows} == {lines[0].index("to ", lines[0].index("from"))}


@pytest.mark.parametrize(
    ("move", "cell", "mark"),
    [
        (a_move("web", 5), "5*", "*"),
        (a_move("web", 5, trigger="notice"), "5*", "*"),
        (a_move("orders", 5, trigger="notice"), "5+", "+"),
    ],
)
def test_lost_writes_carry_the_mark_of_why_that_is_right(move: Move, cell: str, mark: str) -> None:
    _head, line, _steps, footnote = moves_table([move], CARRY_OF)

    assert line.endswith(cell)
    assert footnote == f"{mark} {FOOTNOTES[mark]}"


@pytest.mark.parametrize(("move", "cell"), [(a_move("orders", 5), "5"), (a_move("orders", 0), "0"), (a_move("web", None), "-")])
def test_a_loss_that_nothing_excuses_and_no_loss_carry_no_mark(move: Move, cell: str) -> None:
    _head, line, _steps = moves_table([move], CARRY_OF)

    assert line.split()[-1] == cell


def test_a_side_that_a_move_never_had_is_a_dash() -> None:
    assert place_text(a_switch(to_mode=None), "to") == "-"
    assert place_text(a_switch(to_mode="spot", to_az_id=None), "to") == "spot/m5a.large/?"


def test_steps_that_were_skipped_or_taken_back_say_so_instead_of_a_time() -> None:
    times = {"intent_at": "2026-01-01T00:00:01Z", "finished_at": "2026-01-01T00:00:02Z"}
    steps: list[dict[str, Any]] = [
        {"name": "image", "status": "skipped", **times},
        {"name": "launch", "status": "undone", **times},
        {"name": "boot", "status": "done", **times},
        {"name": "retire", "status": "pending", "intent_at": None, "finished_at": None},
    ]

    assert steps_text(steps) == "image -, launch undone, boot 1.0"


@pytest.mark.parametrize(("paid", "on_demand", "percent"), [("4", "10", "60"), ("12", "10", "-20"), ("0", "0", "0"), ("1", "0", "0")])
def test_savings_may_be_negative_and_are_never_a_division_by_zero(paid: str, on_demand: str, percent: str) -> None:
    assert saved_percent(Cost("web", Decimal(paid), Decimal(on_demand))) == Decimal(percent)


def test_the_account_says_that_it_is_an_estimate() -> None:
    head, line = costs_table([Cost("web", Decimal("0.002"), Decimal("0.004"))], Decimal("0.05"))

    assert head.startswith("ESTIMATE")
    assert "paid 0.002000 USD" in line
    assert "saved   50.0 %" in line


def test_an_event_of_the_server_becomes_one_line_with_its_agent_and_how_long_it_took() -> None:
    event = {
        "at": "2026-01-01T10:11:12.345678Z",
        "kind": "step_finished",
        "agent_id": "a-1",
        "instance_id": "i-1",
        "data": {"step": "launch", "status": "done", "note": "", "seconds": 0.456, "switch_id": "not shown"},
    }

    line = server_line(event, {"a-1": "web"})

    assert line == "10:11:12.345  web      step_finished        step=launch status=done took 0.46 s  i-1"


def test_an_event_of_an_agent_that_is_not_known_yet_is_shown_without_a_name() -> None:
    event: dict[str, Any] = {"at": "2026-01-01T10:11:12Z", "kind": "agent_registered", "agent_id": "a-9", "instance_id": None, "data": {}}

    assert server_line(event, {}) == "10:11:12.000           agent_registered"


def test_the_regions_log_is_shown_where_the_server_cannot_know() -> None:
    event = {"number": 7, "at": "2026-01-01T10:11:12Z", "kind": "notice", "instance_id": "i-1", "action": "terminate", "reason": None}

    assert region_line(event) == "10:11:12.000  EC2      notice               instance_id=i-1 action=terminate"
    assert region_line({**event, "kind": "api"}) is None


@given(text=st.text(min_size=91, max_size=500))
def test_no_fact_makes_a_line_endless(text: str) -> None:
    event = {"at": "2026-01-01T10:11:12Z", "kind": "switch_failed", "agent_id": None, "instance_id": None, "data": {"reason": text}}

    line = server_line(event, {})

    assert line is not None
    assert len(line) < 150


def a_pricing(**current: Any) -> dict[str, Any]:
    seen = {"usd_per_hour": "0.0336", "observed_at": "2026-01-01T10:11:12Z", "age_seconds": 1.5, "source": "primary"}
    pool = {"instance_type": "m5a.large", "az_id": "use1-az6", "usd_per_hour": "0.0285"}
    return {
        "instance_id": "i-1",
        "instance_type": "m5.large",
        "az_id": "use1-az2",
        "current": seen | current,
        "on_demand": {"usd_per_hour": "0.096"},
        "pools": [{**pool, "usd_per_hour": "0.1"}, pool],
    }


def test_a_price_line_tells_the_price_its_source_and_age_and_the_cheapest_pool() -> None:
    line = price_line("web", a_pricing())

    expected = (
        "m5.large/use1-az2 spot 0.0336 USD/h (seen by primary 1.5 s ago), on demand 0.096, cheapest of 2 pools m5a.large/use1-az6 0.0285"
    )
    assert line == f"10:11:13.500  web      prices_reported      {expected}"


def test_a_price_line_is_worth_printing_at_first_and_when_another_pool_is_the_cheapest() -> None:
    dearer = {"instance_type": "m5a.large", "az_id": "use1-az6", "usd_per_hour": "0.2"}
    elsewhere = a_pricing() | {"pools": [dearer, {**dearer, "az_id": "use1-az1", "usd_per_hour": "0.1"}]}
    seen = {"web": cheapest_pool(a_pricing())}

    assert is_news(a_pricing(), "orders", seen)
    assert not is_news(a_pricing(usd_per_hour="0.05", observed_at="2026-01-01T10:12:12Z"), "web", seen)
    assert is_news(elsewhere, "web", seen)
    assert cheapest_pool(a_pricing() | {"pools": []}) is None


@pytest.mark.parametrize(
    ("event", "is_shown"),
    [
        ({"kind": "service-ended", "service": "spot-agent", "exit_code": -9, "asked": False}, True),
        ({"kind": "service-ended", "service": "workload", "exit_code": 0, "asked": True}, False),
        ({"kind": "service-started", "service": "spot-agent", "why": "restart"}, True),
        ({"kind": "service-started", "service": "spot-agent", "why": "boot"}, False),
    ],
)
def test_a_program_that_was_killed_and_came_back_is_shown(event: dict[str, Any], *, is_shown: bool) -> None:
    line = region_line({"number": 7, "at": "2026-01-01T10:11:12Z", "instance_id": "i-1", **event})

    assert (line is not None) is is_shown


@given(scale=st.floats(0.001, 1))
def test_every_compressed_setting_is_a_positive_number_and_never_above_its_real_default_but_for_floors(scale: float) -> None:
    for setting in compressed_settings(scale):
        assert float(setting.here) > 0
        assert float(setting.here) <= max(float(setting.real), 1.0)


def test_no_setting_is_compressed_twice() -> None:
    names = [(setting.owner, setting.variable) for setting in compressed_settings(0.05)]

    assert len(names) == len(set(names))


def test_the_description_names_every_delay_and_setting_with_its_real_value() -> None:
    text = "\n".join(describe(0.05))

    for name, _low, _high in REGION_DELAYS:
        assert name in text
    for setting in compressed_settings(0.05):
        assert setting.variable in text
    assert "time scale of the region: 0.05" in text
    assert "but for floors" in text


def test_a_scene_that_moved_nothing_has_a_line_of_its_own() -> None:
    still = Stillness("orders", "daemon alone dies", 15.04, "i-1", "i-1", 0, 0.0, frozenset({"i-1"}), 41, 41)

    [line] = stillness_lines([still])

    assert line == "orders  daemon alone dies: silent for 15.0 s, 0 moves, downtime 0.00 s, primary i-1"


def test_of_the_places_that_were_not_chosen_a_few_are_told_and_the_rest_is_counted() -> None:
    few = {"on_demand/m5.large/use1-az1": "dearer", "spot/m5.large/use1-az1": "cooling down"}
    many = {f"spot/m5.large/use1-az{number}": "dearer" for number in range(MOST_REJECTIONS_TOLD + 2)} | few

    assert told_rejections(few) == ["not spot/m5.large/use1-az1: cooling down", "not on_demand/m5.large/use1-az1: dearer"]
    assert len(told_rejections(many)) == MOST_REJECTIONS_TOLD + 1
    assert told_rejections(many)[-1].startswith(f"and {len(many) - MOST_REJECTIONS_TOLD} more")
