"""What can be seen to be wrong before anything is started: one clear line each."""

from __future__ import annotations

import socket
from pathlib import Path

from spot_simulator.demo.world import HOST, Settings


def problems(settings: Settings) -> list[str]:
    """Return what makes these settings unusable; an empty list is a go."""
    found = []
    if settings.time_scale <= 0:
        found.append(f"--time-scale {settings.time_scale:g}: expected a number above 0")
    if not is_empty(settings.state_dir):
        found.append(f"--state-dir {settings.state_dir}: expected an empty folder, or one that does not exist yet")
    if settings.prices is not None and not settings.prices.is_file():
        found.append(f"--prices {settings.prices}: there is no such file")
    if settings.port and not is_free(settings.port):
        found.append(f"--port {settings.port}: cannot be listened on; expected a free TCP port from 1 to 65535")
    return found


def is_empty(folder: Path) -> bool:
    """Whether the folder is empty, or can be made."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def is_free(port: int) -> bool:
    """Whether this process could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
        return True
