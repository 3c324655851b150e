"""The shipped coefficients: whole, as they were fitted, and refused when somebody changed them by hand."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from spot_server.features.risk import model
from spot_server.features.risk.model import BAND_COUNT, FILE_NAME, ModelInvalid, load_model, parse_model

TEXT = resources.files(model.__package__).joinpath(FILE_NAME).read_text(encoding="utf-8")


def test_the_shipped_coefficients_say_what_they_were_made_of_and_fit_their_hash() -> None:
    document = json.loads(TEXT)

    assert load_model().version == document["sha256"][:12]
    assert document["command"] == "scripts/fit_risk.py fit"
    assert document["trained_part"] == "the first two thirds of each series"
    assert document["data_sha256"].keys() == {*(f"{name}.train_dev.csv.gz" for name in document["trained_on"]), "spot_advisor_linux.csv.gz"}


def test_the_shipped_model_keeps_what_the_rules_rely_on() -> None:
    found = load_model()

    assert len(found.band_multiples) == BAND_COUNT
    assert list(found.band_multiples) == sorted(found.band_multiples)
    assert len(found.base_losses_per_hour) == len(found.age_edges_hours)
    for curve in (found.hour, found.rest):
        assert len(curve.age) == len(found.age_knots_log2) - 1
        # A loss raises its pool's level, and with it what is expected of the last hours: with more than 1 it could lower the chance.
        assert all(0.0 <= weight <= 1.0 for weight in (curve.own, curve.type_siblings, curve.zone_siblings))
    assert found.ratio_losses >= found.prior_losses > 0


def test_coefficients_that_were_changed_by_hand_are_refused() -> None:
    document = json.loads(TEXT)
    document["parameters"]["drift_log_sd"] += 0.1

    with pytest.raises(ModelInvalid, match="do not fit their hash"):
        parse_model(json.dumps(document))


@pytest.mark.parametrize("text", ["", "[]", "{}", "1"])
def test_what_is_no_model_is_refused(text: str) -> None:
    with pytest.raises(ModelInvalid, match="cannot be read"):
        parse_model(text)
