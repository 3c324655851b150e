"""``etc/services.json``: the services that are enabled on a disk, in their order of starting."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath

DEFAULT_STOP_SECONDS = 10.0


class Restart(StrEnum):
    """What init does when a service's process ends unasked."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One enabled service.

    ``condition_path_exists`` is relative to INSTANCE_RUN; without that path a start is refused. ``stop_seconds`` (of this
    machine's clock) lie between SIGTERM and SIGKILL when the service is stopped on its own. The directories are systemd's: made
    below /run and /var/lib at the start, and told as RUNTIME_DIRECTORY and STATE_DIRECTORY.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    restart: Restart = Restart.NO
    condition_path_exists: str | None = None
    stop_seconds: float = DEFAULT_STOP_SECONDS
    runtime_directory: str | None = None
    state_directory: str | None = None


def read_services(disk: Path) -> tuple[ServiceSpec, ...]:
    """Read a disk's enabled services. Raise ``ValueError`` that says what is wrong with the file, also if it is missing."""
    try:
        text = (disk / "etc" / "services.json").read_text()
    except OSError as error:
        raise ValueError(f"services.json cannot be read: {error}") from error
    return parse_service_list(text)


def parse_service_list(text: str) -> tuple[ServiceSpec, ...]:
    """Read the enabled services from the text of a ``services.json``. Raise ``ValueError`` that says what is wrong with it."""
    return parse_services(json.loads(text))


def parse_services(document: object) -> tuple[ServiceSpec, ...]:
    """Check a document ``{"services": [...]}``; an entry with ``"enabled": false`` is left out. Raise ``ValueError``."""
    entries = document.get("services") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('services.json must be {"services": [...]}')  # noqa: TRY004 - a malformed document, not a wrong call
    specs = tuple(_service(entry) for entry in entries if not (isinstance(entry, dict) and entry.get("enabled") is False))
    if len({spec.name for spec in specs}) != len(specs):
        raise ValueError("two services have the same name")
    return specs


def _service(entry: object) -> ServiceSpec:
    if not isinstance(entry, dict):
        raise ValueError(f"a service must be an object, not {entry!r}")  # noqa: TRY004
    name, argv, env = entry.get("name"), entry.get("argv"), entry.get("env", {})
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"name must be text without a slash, not {name!r}")
    if not isinstance(argv, list) or not argv or not all(isinstance(part, str) for part in argv):
        raise ValueError(f"argv of {name} must be a list of text with at least one member")
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ValueError(f"env of {name} must be an object of text")
    condition = entry.get("condition_path_exists")
    if condition is not None and not _is_relative(condition):
        raise ValueError(f"condition_path_exists of {name} must be a path below /run, not {condition!r}")
    try:
        restart = Restart(entry.get("restart", Restart.NO))
    except ValueError as error:
        raise ValueError(f"restart of {name} must be one of {', '.join(Restart)}") from error
    stop_seconds = float(entry.get("stop_seconds", DEFAULT_STOP_SECONDS))
    directories = [entry.get(key) for key in ("runtime_directory", "state_directory")]
    if not all(directory is None or _is_relative(directory) for directory in directories):
        raise ValueError(f"the directories of {name} must be relative paths, not {directories!r}")
    return ServiceSpec(name, tuple(argv), env, restart, condition, stop_seconds, *directories)


def _is_relative(path: object) -> bool:
    return isinstance(path, str) and bool(path) and not path.startswith("/") and ".." not in PurePosixPath(path).parts
