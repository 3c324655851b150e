"""Where the recorded data is, which is not in the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA_VARIABLE = "SPOT_DATA_DIR"
BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[4] / "shared" / "data"


def recorded_data(folder: str) -> Path:
    """Return a folder of the recorded data. Missing: the test is skipped here, and fails in CI."""
    directory = Path(os.environ.get(DATA_VARIABLE) or BESIDE_THE_REPOSITORY) / folder
    if directory.is_dir():
        return directory
    missing = f"no recorded data at {directory}; {DATA_VARIABLE} says where it is"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; CI runs every test")
    pytest.skip(missing)
