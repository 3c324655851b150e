"""The savings account against the region's own bill: two days of a virtual fleet, recomputed by a script of its own."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spot_server.db.runner import Database
from spot_server.features.pricing.on_demand import OnDemandCatalogue, OnDemandPrice
from spot_server.features.savings import books, service
from spot_server.features.savings.due_rules import Window
from spot_server.features.savings.pricing import tariff_of
from spot_server.features.savings.reckoning import Pricing
from spot_server.features.savings.schemas import SavingsDayAnswer
from spot_server.features.savings.settings_service import change_settings
from spot_server.settings import Settings
from spot_simulator.model.catalogue import on_demand_usd_per_hour
from spot_simulator.snapshot_of_state import region_bill, region_state
from spot_simulator.virtual.acts import Acts
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.entropy import seeded_entropy
from spot_simulator.virtual.fleet import INSTANCE_TYPES, START, Fleet
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.schedule import AgentPlan, Event, Kind
from spot_simulator.virtual.silence import be_silent

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[2] / "scripts" / "recompute_day.py"
HOUR = 3600.0
TIME_ZONE = "America/Chicago"
"""There the run's first day ends at 06:00 UTC: six hours are a day's work, and a day in a zone of its own besides."""
DAY = date(2026, 1, 4)
NEXT_TIME_ZONE = "Pacific/Auckland"
"""There the next day ends at 11:00 UTC: it begins where the stored one ended, so that five hours are a day's work, too."""
NEXT_DAY = date(2026, 1, 5)
PLANS = (AgentPlan("stateless", True, True, False), AgentPlan("image_after_quiesce", False, True, True))
EVENTS = (
    Event(0.5 * HOUR, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"}),
    Event(1.2 * HOUR, Kind.SWITCH, 1, {"on_demand": False}),
    Event(2.3 * HOUR, Kind.SWITCH, 0, {"on_demand": True}),
    Event(3.4 * HOUR, Kind.LOSS, 1),
    Event(4.1 * HOUR, Kind.STANDBY_AND_PROMOTE, 0, {"promote_after_seconds": 600.0}),
)
NEXT_EVENTS = (
    Event(7.2 * HOUR, Kind.NOTICE, 1, {"lead_seconds": 120.0, "action": "terminate"}),
    Event(8.4 * HOUR, Kind.SWITCH, 0, {"on_demand": False}),
)


@dataclass(frozen=True)
class Played:
    """Two days that are over, as the region bills them and as the account tells them, by agent."""

    bill: dict[str, Any]
    state: dict[str, Any]
    days: dict[str, dict[str, Any]]
    next_days: dict[str, dict[str, Any]]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recompute_day", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECOMPUTE = load_script()


def pricing_of_the_region() -> Pricing:
    prices = {}
    for name in INSTANCE_TYPES:
        usd = on_demand_usd_per_hour(name)
        assert usd is not None
        prices[name, "us-east-1"] = OnDemandPrice(usd, "catalogue", START)
    return Pricing(OnDemandCatalogue(prices), tariff_of(Settings()))


def play_two_days(fleet: Fleet) -> Played:
    acts = Acts(fleet, 3)
    play(fleet, acts, EVENTS, until_hours=6.1)
    days = reckon(fleet, TIME_ZONE, DAY)
    play(fleet, acts, NEXT_EVENTS, until_hours=11.1)
    next_days = reckon(fleet, NEXT_TIME_ZONE, NEXT_DAY)
    return Played(region_bill(fleet.region), region_state(fleet.region), days, next_days)


def play(fleet: Fleet, acts: Acts, events: Sequence[Event], *, until_hours: float) -> None:
    for event in events:
        fleet.scheduler.run_until(event.at_seconds)
        acts.begin(event)
    fleet.scheduler.run_until(until_hours * HOUR)


def reckon(fleet: Fleet, time_zone: str, day: date) -> dict[str, dict[str, Any]]:
    """Bring the days that are over in this time zone into the books, and show this one of each agent."""
    clock = ProcessClock(Process(fleet.scheduler, "accountant"))
    database = Database(fleet.database.engine, clock=clock, sleeper=clock)
    pricing = pricing_of_the_region()
    database.write(lambda tx: change_settings(tx, fleet.client_id, user_id="tester", time_zone=time_zone))
    for due in database.read(lambda tx: service.due_days(tx, fleet.client_id, 100)):
        rows = database.read(lambda tx, due=due: service.reckon_day(tx, due, pricing))  # type: ignore[misc]
        database.write(lambda tx, rows=rows: books.store(tx, rows))  # type: ignore[misc]
    window = Window(time_zone, day)
    agents = database.read(lambda tx: books.progress_of(tx, fleet.client_id, window))
    shown = [database.read(lambda tx, one=one: service.read_day(tx, fleet.client_id, one.agent_id, day, pricing)) for one in agents]  # type: ignore[misc]
    documents = [json.loads(SavingsDayAnswer().dumps(one)) for one in shown]
    return {one["logical_agent_id"]: one for one in documents}


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    be_silent()
    with seeded_entropy(3):
        fleet = Fleet(3, PLANS, has_control_role=True)
        day = play_two_days(fleet)
        keep(day)
        yield day
        fleet.close()


def keep(day: Played) -> None:
    """Leave what was played as files, for docs/savings.md and for who wants to look into it."""
    folder = os.environ.get("SPOT_TEST_KEEP_DAY")
    if folder:
        next_days = {f"{name}-next": document for name, document in day.next_days.items()}
        documents = {"bill": day.bill, "state": day.state, **day.days, **next_days}
        for name, document in documents.items():
            (Path(folder) / f"{name}.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def test_each_amount_of_a_day_full_of_moves_is_its_time_at_the_regions_prices(played: Played) -> None:
    assert len(played.days) == len(PLANS)
    for day in played.days.values():
        assert RECOMPUTE.differences(played.bill, played.state, day) == []
        assert day["totals"]["unpriced_seconds"] == 0
        assert day["totals"]["switch_count"] >= 2


def test_the_outage_of_a_loss_without_a_word_is_in_the_days_downtime(played: Played) -> None:
    """It is asked about after 75 s of silence, and then an instance boots: the longest outage of the day by far."""
    assert played.days["agent-1"]["totals"]["downtime_seconds"] > 75


def test_the_next_day_equals_it_too_and_pays_no_instance_that_ended_on_the_day_before(played: Played) -> None:
    """What was promoted and has ended is in the books for good: nothing of it is paid again."""
    assert len(played.next_days) == len(PLANS)
    for name, day in played.next_days.items():
        assert RECOMPUTE.differences(played.bill, played.state, day) == []
        assert RECOMPUTE.account_usd(played.days[name]).keys() - RECOMPUTE.account_usd(day).keys() != set()
        assert day["since"] == played.days[name]["until"]
        assert day["totals"]["unpriced_seconds"] == 0
        assert day["totals"]["switch_count"] >= 1


def test_it_does_not_any_more_when_an_hour_is_taken_away(played: Played) -> None:
    for day in played.days.values():
        hours = sorted({line["hour_at"] for line in day["lines"]})
        without_one = {**day, "lines": [line for line in day["lines"] if line["hour_at"] != hours[-3]]}

        found = RECOMPUTE.differences(played.bill, played.state, without_one)

        assert any(words in line for line in found for words in (" s between ", ": begins at ", ": ends at "))


def test_an_amount_that_is_a_thousandth_of_a_cent_too_small_is_named(played: Played) -> None:
    """Each one of them, however little of the day's bill it is."""
    for day in played.days.values():
        for index, line in enumerate(day["lines"]):
            if line["purpose"] in {"primary", "replica", "overlap"}:
                doctored = {**line, "usd": str(Decimal(line["usd"]) - Decimal("0.00001"))}
                lines = [*day["lines"][:index], doctored, *day["lines"][index + 1 :]]

                (found,) = RECOMPUTE.differences(played.bill, played.state, {**day, "lines": lines})

                assert found.startswith(f"{line['what']}: from ")


def test_an_instance_that_was_left_out_is_named(played: Played) -> None:
    for day in played.days.values():
        for name in RECOMPUTE.account_usd(day):
            without_one = {**day, "lines": [line for line in day["lines"] if line["what"] != name]}

            (found,) = RECOMPUTE.differences(played.bill, played.state, without_one)

            assert found.startswith(f"{name}: billed ")
            assert found.endswith("not in the account")


def test_the_scripts_answer_is_its_exit_code(played: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    day = played.days["agent-0"]
    paths = {name: tmp_path / name for name in ("bill", "state", "day", "short")}
    for name, document in (("bill", played.bill), ("state", played.state), ("day", day), ("short", {**day, "lines": []})):
        paths[name].write_text(json.dumps(document))

    codes = [
        RECOMPUTE.main(["--bill", str(paths["bill"]), "--state", str(paths["state"]), "--day", str(paths[name])])
        for name in ("day", "short")
    ]
    refused = RECOMPUTE.main(["--bill", str(tmp_path / "none"), "--state", str(paths["state"]), "--day", str(paths["day"])])

    told = capsys.readouterr()
    assert (codes, refused) == ([0, 1], 2)
    assert "each amount is its time at the region's prices" in told.out
    assert "account 0.00000000 USD" in told.out
    assert told.err.count("\n") == 1


def test_both_sides_tell_the_same_down_to_a_tenth_of_a_cent_an_instance(played: Played) -> None:
    """What is left is the time between EC2's word and ours: an instance that is lost without a word is found in a minute or two."""
    for name, day in [*played.days.items(), *played.next_days.items()]:
        assert day["logical_agent_id"] == name
        billed = RECOMPUTE.billed_usd(RECOMPUTE.billed_in_day(played.bill, played.state, day))
        told = RECOMPUTE.account_usd(day)
        assert billed.keys() == told.keys()
        assert max(abs(billed[one] - told[one]) for one in billed) < Decimal("0.003")
