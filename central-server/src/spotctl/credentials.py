"""The file that `spotctl login` writes: who to speak to and with which token. Nobody but its owner may read it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spotctl.errors import CommandFailed
from spotctl.exits import ExitCode

OWNER_ONLY = 0o600
OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Credentials:
    """A server, and a client's token for it. `server_url` has no slash at its end."""

    server_url: str
    client_id: str
    token: str
    ca_file: str | None = None


def store_credentials(path: Path, credentials: Credentials) -> None:
    """Replace the file as a whole; no other user can read it, not even while it is written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes files that only their owner may read.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(credentials), file, indent=2)
            file.write("\n")
        Path(name).replace(path)
    except OSError as error:
        raise CommandFailed(f"the credentials cannot be written to {path}: {error.strerror}", ExitCode.USAGE) from error


def load_credentials(path: Path) -> Credentials:
    """Read the file back. Raises CommandFailed when there is none, when others may read it, or when it is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            _check_owner(path, os.fstat(file.fileno()))
            return _parse(path, file.read())
    except FileNotFoundError:
        raise CommandFailed(f"not logged in: there is no {path}; run `spotctl login --server URL`", ExitCode.NOT_LOGGED_IN) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} cannot be read: {error}; run `spotctl login` again", ExitCode.NOT_LOGGED_IN) from error


def forget_credentials(path: Path) -> bool:
    """Remove the file; False when there was none."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CommandFailed(f"{path} cannot be removed: {error.strerror}", ExitCode.USAGE) from error
    return True


def _check_owner(path: Path, status: os.stat_result) -> None:
    mode = status.st_mode & 0o777
    if mode & OTHERS:
        raise CommandFailed(f"{path} has mode {mode:04o}; expected 0600, it holds a token: chmod 600 {path}", ExitCode.NOT_LOGGED_IN)
    if status.st_uid != os.geteuid():
        raise CommandFailed(f"{path} belongs to another user; run `spotctl login` as yourself", ExitCode.NOT_LOGGED_IN)


def _parse(path: Path, text: str) -> Credentials:
    try:
        document: Any = json.loads(text)
        members = {name: document.get(name) for name in Credentials.__dataclass_fields__}
    except (ValueError, AttributeError) as error:
        raise _damaged(path) from error
    texts = [members["server_url"], members["client_id"], members["token"]]
    if not all(isinstance(value, str) and value for value in texts) or not isinstance(members["ca_file"], str | None):
        raise _damaged(path)
    return Credentials(**members)


def _damaged(path: Path) -> CommandFailed:
    return CommandFailed(f"{path} is no file of `spotctl login`; run it again", ExitCode.NOT_LOGGED_IN)
