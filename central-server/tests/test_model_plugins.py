"""A user's own model: the worked example of docs/decisions.md, installed as a package is, and asked by the server."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server_support.builders import create_admin_token
from server_support.clock import START, FakeClock
from server_support.deciding import Deciding
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.decision_models.loading import GROUP, ModelUnusable, known_plugins, make_model
from spot_server.words import Action, AnswerKind

DOCUMENT = Path(__file__).parents[2] / "docs" / "decisions.md"
NIGHT_SECONDS = 22 * 3600


def block(language: str) -> str:
    """The one code block of this language in the document."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return str(found)


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """The example as an installed distribution, found by way of its entry point."""
    (tmp_path / "night_owl.py").write_text(block("python"))
    information = tmp_path / "night_owl-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: night-owl\nVersion: 1.0\n")
    declared = block("toml").split("\n")[1].replace('"', "")
    (information / "entry_points.txt").write_text(f"[{GROUP}]\n{declared}\nbroken = night_owl:NoSuchClass\n")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.modules.pop("night_owl", None)


def test_the_example_of_the_document_is_registered_activated_and_moves_an_agent_at_night(
    installed: Path, database: Database, clock: FakeClock, http: Http
) -> None:
    deciding = Deciding.on(database, clock)
    deciding.story.set_agent(auto_switch_enabled=False)
    admin = http.as_(create_admin_token(database))
    model = admin.post("/api/admin/models", {"plugin": "night_owl", "model_version": "1", "parameters": {"from_hour": 22}})
    admin.post(f"/api/admin/models/{model.json['model_id']}/activate", {})

    deciding.decide()
    by_day = deciding.last
    clock.advance(NIGHT_SECONDS)
    deciding.story.see_prices()
    deciding.decide()

    assert (clock.now() - START).total_seconds() == NIGHT_SECONDS
    assert (by_day.action, by_day.reasoning) == (Action.STAY, "it is on spot already, or it is day")
    assert (deciding.last.action, deciding.last.target) == (Action.SWITCH, "spot/m5.large/use1-az1")
    assert deciding.last.rejected["spot/m5.large/use1-az2"] == "not chosen by the model"


def test_a_model_whose_package_is_gone_counts_as_stay_and_says_so(
    installed: Path, database: Database, clock: FakeClock, http: Http
) -> None:
    deciding = Deciding.on(database, clock)
    admin = http.as_(create_admin_token(database))
    model = admin.post("/api/admin/models", {"plugin": "night_owl", "model_version": "1"})
    admin.post(f"/api/admin/models/{model.json['model_id']}/activate", {})
    sys.path.remove(str(installed))
    importlib.invalidate_caches()

    deciding.decide()
    sys.path.insert(0, str(installed))

    assert (deciding.last.action, deciding.last.answer) == (Action.STAY, AnswerKind.FAILED)
    assert "there is no decision model 'night_owl'" in (deciding.last.failure or "")


def test_what_is_installed_is_listed_beside_the_built_in_one(installed: Path) -> None:
    assert {"expected_cost", "night_owl", "broken"} <= set(known_plugins())


@pytest.mark.parametrize(
    ("plugin", "parameters", "why"),
    [
        ("nobody", {}, "there is no decision model 'nobody'; there are"),
        ("broken", {}, "broken cannot be loaded: AttributeError"),
        ("night_owl", {"speed": 1}, "night_owl cannot be made with"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(installed: Path, plugin: str, parameters: dict[str, int], why: str) -> None:
    with pytest.raises(ModelUnusable, match=re.escape(why)):
        make_model(plugin, parameters)
