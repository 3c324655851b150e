"""The disk of the first image: the daemon and the workload enabled, the daemon's settings in place, nothing else."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

DAEMON = "spot-agent"
"""The daemon's service."""

START_GUARD = "spot-optimizer/serve"
"""The start guard of the workload, below /run; only the daemon writes it, on promotion."""

SERVICES_FILE = "etc/services.json"
"""The list of enabled services."""
DATA_FOLDER = "srv/workload"
"""Where the workload keeps its writes."""


def default_services() -> list[dict[str, Any]]:
    """The enabled services of an image as the installer leaves it."""
    daemon = 'exec "$0" -m spot_agent.cli run --env-file "$INSTANCE_ROOT/etc/spot-agent.env"'
    return [
        {
            "name": DAEMON,
            "argv": ["/bin/sh", "-c", daemon, sys.executable],
            "restart": "on-failure",
            "runtime_directory": "spot-optimizer",
            "state_directory": "spot-agent",
        },
        {
            "name": "workload",
            "argv": [sys.executable, "-m", "spot_simulator.workload"],
            "restart": "no",
            "condition_path_exists": START_GUARD,
        },
    ]


def base_files(env_file: str, services: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> dict[str, str]:
    """Return the first disk's files by their path on it; ``files`` are further ones. Raise ``ValueError`` for a path outside of it."""
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"not a path on the disk: {name}")
    return {
        SERVICES_FILE: json.dumps({"services": list(services)}, indent=2) + "\n",
        "etc/spot-agent.env": env_file,
        f"{DATA_FOLDER}/.keep": "",
        **files,
    }
