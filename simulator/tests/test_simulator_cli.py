"""The command line."""

import csv
import io

import pytest

from spot_simulator.cli import main


def test_the_catalogue_is_csv_with_a_price_for_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "--region", "eu-west-1"]) == 0

    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert set(rows[0]) == {"instance_type", "region", "usd_per_hour"}
    assert {"m5.large", "m5a.large", "m6i.large", "c5.large", "r5.large", "t3.large"} <= {row["instance_type"] for row in rows}
    assert {row["region"] for row in rows} == {"eu-west-1"}
    assert all(float(row["usd_per_hour"]) > 0 for row in rows)


@pytest.mark.parametrize("time_scale", ["0", "-1", "fast"])
def test_a_time_scale_must_be_above_nothing(time_scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["region", "--state-dir", "unused", "--time-scale", time_scale])

    assert "--time-scale" in capsys.readouterr().err


@pytest.mark.parametrize("bridge", ["spot0", "spot0=198.18.0.1", "spot0=198.18.0.1/24", "=198.18.0.1/20", "spot0=here/20"])
def test_a_bridge_is_a_name_and_an_address_in_a_network_of_the_right_size(bridge: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["region", "--state-dir", "unused", "--bridge", bridge])

    assert f"must be NAME=ADDRESS/20, such as spot0=198.18.0.1/20, not {bridge}" in capsys.readouterr().err
