"""Which tests are for one form of the region alone."""

import pytest


def processes_only(reason: str) -> pytest.MarkDecorator:
    """Run a test on the region of processes only; ``reason`` says what of it has no meaning in memory."""
    assert reason
    return pytest.mark.parametrize("region", [pytest.param("processes", marks=pytest.mark.server)], indirect=True)
