"""The disk of the first image: the daemon and the workload enabled, the daemon's settings in place, nothing else."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

START_GUARD = "spot-optimizer/serve"
"""The start guard of the workload, below /run; only the daemon writes it, on promotion."""


def default_services() -> list[dict[str, Any]]:
    """The enabled services of an image as the installer leaves it."""
    daemon = 'exec "$0" -m spot_agent.cli run --env-file "$INSTANCE_ROOT/etc/spot-agent.env"'
    return [
        {
            "name": "spot-agent",
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


def write_base_disk(disk: Path, env_file: str, services: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> None:
    """Fill a disk. ``files`` are further ones by their path on the disk. Raise ``ValueError`` for a path outside of it."""
    for folder in ("etc", "var/lib/spot-agent", "srv/workload"):
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "etc/services.json").write_text(json.dumps({"services": list(services)}, indent=2) + "\n")
    (disk / "etc/spot-agent.env").write_text(env_file)
    for name, content in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"not a path on the disk: {name}")
        (disk / path).parent.mkdir(parents=True, exist_ok=True)
        (disk / path).write_text(content)
