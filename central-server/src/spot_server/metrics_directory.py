"""Where the metrics of several web processes meet. Imports nothing that imports the metrics library."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it when it is imported."""


@contextmanager
def metrics_directory() -> Iterator[None]:
    """Name an empty directory for the length of the block; one that the environment names is emptied and kept.

    Processes that were forked in between leave the block too when they end: the directory goes with the process that made it.
    """
    maker_pid = os.getpid()
    given = os.environ.get(VARIABLE)
    directory = given or tempfile.mkdtemp(prefix="spot-metrics-")
    if given is not None:
        Path(given).mkdir(parents=True, exist_ok=True)
        for stale in Path(given).glob("*.db"):
            stale.unlink()
    os.environ[VARIABLE] = directory
    try:
        yield
    finally:
        if given is None and os.getpid() == maker_pid:
            os.environ.pop(VARIABLE, None)
            shutil.rmtree(directory, ignore_errors=True)
