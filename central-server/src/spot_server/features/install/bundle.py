"""What an instance needs to install the daemon, in one archive: the files of this release, and always the same bytes.

Sources and not a wheel, so that there is one way to install, from a clone as from a server: `setup.sh` builds the wheel with pinned tools.
"""

from __future__ import annotations

import functools
import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

BUNDLED = (
    "agent/pyproject.toml",
    "agent/src",
    "requirements/agent-build.txt",
    "requirements/agent.txt",
    "scripts/setup",
    "scripts/setup.sh",
    "scripts/uninstall.sh",
)
"""Files and folders of the repository; the server's wheel carries them as `spot_server/_installation` (central-server/pyproject.toml)."""

FETCHING_SCRIPT = "scripts/setup/fetch.sh"
TOP_FOLDER = "spot-agent"
_LEFT_OUT = "__pycache__"


def files_directory() -> Path:
    """Return where the bundled files are: in the installed package, else in the checkout."""
    packaged = Path(__file__).parents[2] / "_installation"
    return packaged if packaged.is_dir() else Path(__file__).parents[5]


def fetching_script() -> bytes:
    """Return the script that fetches the archive and runs the `setup.sh` in it."""
    return (files_directory() / FETCHING_SCRIPT).read_bytes()


@functools.cache
def archive() -> bytes:
    """Return the archive (tar, gzip), made at the first call: about 100 kB. Who made it, and when, is not in it."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as zipped, tarfile.open(mode="w", fileobj=zipped) as tar:
        for path in _bundled_files(files_directory()):
            content = path.read_bytes()
            member = tarfile.TarInfo(f"{TOP_FOLDER}/{path.relative_to(files_directory())}")
            member.size = len(content)
            member.mode = 0o755 if path.suffix == ".sh" else 0o644
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _bundled_files(directory: Path) -> Iterator[Path]:
    for name in BUNDLED:
        named = directory / name
        found = sorted(named.rglob("*")) if named.is_dir() else [named]
        yield from (path for path in found if not path.is_dir() and _LEFT_OUT not in path.parts)
