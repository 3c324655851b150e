"""Logs of the product are not read in thousands of runs, and cost more than what they tell about."""

import logging

import structlog


def be_silent() -> None:
    """Let server and daemons log nothing, in this process and from now on."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.getLogger("spot_agent").setLevel(logging.CRITICAL)
