"""The list of all jobs. A feature's jobs are in its own `jobs.py`; they are named here, nowhere else."""

from __future__ import annotations

from spot_server.features.tokens.jobs import sweep_tokens
from spot_server.jobs.registry import Job
from spot_server.settings import Settings


def all_jobs(settings: Settings) -> tuple[Job, ...]:
    """Return every job with its period."""
    return (Job("sweep_tokens", settings.retention_sweep_period_seconds, sweep_tokens),)
