"""The scripts say what they take before they set anything up, and say all of it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from check_sizes import ROOT
from spot_simulator.demo.__main__ import main


def help_of(script: str, folder: Path) -> str:
    """Return what a script says to --help in a checkout in which nothing was set up; nothing must be set up by it."""
    (folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / script, folder / "scripts" / script)
    done = subprocess.run([folder / "scripts" / script, "--help"], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert [path.name for path in folder.iterdir()] == ["scripts"]
    return done.stdout


@pytest.mark.parametrize("script", ["demo.sh", "test.sh"])
def test_help_sets_nothing_up(tmp_path: Path, script: str) -> None:
    assert f"scripts/{script}" in help_of(script, tmp_path)


def test_the_help_of_the_demo_names_every_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    taken = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert set(re.findall(r"^ +(--[a-z-]+)", help_of("demo.sh", tmp_path), re.MULTILINE)) == taken
