"""``mount`` and ``umount`` of a simulated instance: programs on its disk that ask the region to do it.

``python -m spot_simulator.hosting.mount_programs mount -t ext4 /dev/nvme5n1 /srv/shop`` with INSTANCE_ROOT and INSTANCE_CTL_URL set;
``… umount /srv/shop``. The exit codes are theirs: 0, or 32 with one line that says why.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from spot_simulator.hosting.kernel_files import device_mounted_at, volume_at

FAILED = 32
TIMEOUT_SECONDS = 30.0
_FOLDER = "usr/local/sbin"
_PROGRAM = """#!/bin/sh
INSTANCE_ROOT={root} INSTANCE_CTL_URL={url} exec {python} -m spot_simulator.hosting.mount_programs {verb} "$@"
"""


def install_programs(root: Path, url: str) -> None:
    """Write both onto an instance's disk, for that instance: an image may have brought its parent's."""
    folder = root / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for verb in ("mount", "umount"):
        words = {"root": shlex.quote(str(root)), "url": shlex.quote(url), "python": shlex.quote(sys.executable), "verb": verb}
        (folder / verb).write_text(_PROGRAM.format(**words))
        (folder / verb).chmod(0o755)


def run(env: Mapping[str, str], verb: str, arguments: Sequence[str]) -> str | None:
    """Do it; None, or the line that says why not."""
    root, place = Path(env["INSTANCE_ROOT"]), arguments[-1]
    device = device_mounted_at(root, place) if verb == "umount" else arguments[-2]
    volume_id = None if device is None else volume_at(root, device)
    if volume_id is None:
        return f"{verb}: {place}: {'not mounted' if verb == 'umount' else f'special device {device} does not exist'}."
    body = {"volume_id": volume_id} | ({"mount_point": place} if verb == "mount" else {})
    status, answer = _post(f"{env['INSTANCE_CTL_URL']}/{verb if verb == 'mount' else 'unmount'}", body)
    return None if status == 200 else f"{verb}: {answer.get('title', f'HTTP {status}')}"


def _post(url: str, body: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def main() -> int:
    """Run one of the programs, and return its exit code."""
    problem = run(os.environ, sys.argv[1], sys.argv[2:])
    if problem is None:
        return 0
    sys.stderr.write(problem + "\n")
    return FAILED


if __name__ == "__main__":
    raise SystemExit(main())
