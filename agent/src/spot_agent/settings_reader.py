"""Reads single values from the environment over an env file, and collects what is wrong with them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
SECRETS = ("ENROLMENT_TOKEN", "ENROLMENT_TOKEN_FILE")
"""Names that no other program, such as a hook, is told."""

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}


def parse_env_file(text: str) -> tuple[dict[str, str], list[str]]:
    """KEY=VALUE lines; blank lines and # comments are skipped; one pair of quotes around a value is removed."""
    values: dict[str, str] = {}
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            problems.append(f"env file line {number}: not KEY=VALUE")
            continue
        values[found.group(1)] = _unquote(found.group(2).strip())
    return values, problems


def foreign_values(env_file_text: str | None) -> dict[str, str]:
    """What an env file says besides secrets: proxies and AWS's own variables are meant for the libraries that look for them."""
    return {name: value for name, value in parse_env_file(env_file_text or "")[0].items() if name not in SECRETS}


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


class Reader:
    """Each method returns a usable value in any case; `problems` tells whether it was what the person wrote."""

    def __init__(self, environment: Mapping[str, str], env_file_text: str | None) -> None:
        file_values, self.problems = parse_env_file(env_file_text or "")
        self._values = {**file_values, **environment}

    def text(self, name: str, default: str | None = None) -> str:
        """An empty value counts as not set. No default: required."""
        value = self._values.get(name, "").strip()
        if value:
            return value
        if default is None:
            self.problems.append(f"{name} is required")
        return default or ""

    def url(self, name: str, default: str | None = None) -> str:
        """Read an http or https URL, without a slash at its end."""
        value = self.text(name, default)
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.netloc):
            self.problems.append(f"{name} must be an http or https URL, not {value!r}")
        return value.rstrip("/")

    def identifier(self, name: str) -> str:
        """Read a name that fits a tag and a path."""
        value = self.text(name)
        if value and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", value):
            self.problems.append(f"{name} must be 1 to 128 letters, digits, dots, dashes or underscores, not {value!r}")
        return value

    def token(self, name: str, file_name: str) -> str | None:
        """The secret itself, or the first line of the file that holds it. The value is never in a message."""
        value = self.text(name, "")
        file_path = self.optional_path(file_name)
        if not value and file_path:
            try:
                value = file_path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.problems.append(f"{file_name} cannot be read: {getattr(error, 'strerror', None) or error}")
        if value and (not value.isascii() or any(letter.isspace() for letter in value)):
            self.problems.append(f"{name} must be one word of ASCII")
            return None
        return value or None

    def optional_path(self, name: str) -> Path | None:
        """Read a path; variables in it are expanded. None when it is not set."""
        value = self.expand(name, self.text(name, ""))
        return Path(value) if value else None

    def unit(self, name: str) -> str | None:
        """Read the name of a systemd service."""
        value = self.text(name, "")
        if value and not re.fullmatch(r"[A-Za-z0-9:_.\\@-]{1,248}\.service", value):
            self.problems.append(f"{name} must be a systemd service such as web.service, not {value!r}")
        return value or None

    def seconds(self, name: str, default: float, least: float, most: float) -> float:
        """Read a number of seconds between `least` and `most`."""
        return self._number(name, float(default), least, most)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Read a whole number between `least` and `most`."""
        value = self._number(name, float(default), least, most)
        if value != int(value):
            self.problems.append(f"{name} must be a whole number")
        return int(value)

    def _number(self, name: str, default: float, least: float, most: float) -> float:
        written = self.text(name, "")
        if not written:
            return default
        try:
            value = float(written)
        except ValueError:
            self.problems.append(f"{name} must be a number, not {written!r}")
            return default
        if not least <= value <= most:
            self.problems.append(f"{name} must be between {least:g} and {most:g}, not {written}")
            return default
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Read true or false, in any of the usual words."""
        written = self.text(name, "").lower()
        if written and written not in _TRUE | _FALSE:
            self.problems.append(f"{name} must be true or false, not {written!r}")
        return written in _TRUE if written else default

    def one_of(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        """Read one of the `allowed` words."""
        value = self.text(name, default)
        if value not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Read a comma-separated list."""
        return tuple(word.strip() for word in self.text(name, "").split(",") if word.strip())

    def objects(self, name: str, required: str) -> tuple[dict[str, Any], ...]:
        """Read a JSON list of objects, each with the member `required`."""
        try:
            value = json.loads(self.text(name, "") or "[]")
        except ValueError as error:
            self.problems.append(f"{name} is not JSON: {error}")
            return ()
        if not isinstance(value, list) or not all(isinstance(one, dict) and isinstance(one.get(required), str) for one in value):
            self.problems.append(f'{name} must be a JSON list of objects that say their "{required}", not {json.dumps(value)[:200]}')
            return ()
        return tuple(value)

    def path(self, name: str, default: str) -> Path:
        """Read an absolute path; variables in it are expanded."""
        value = self.expand(name, self.text(name, default))
        if not value.startswith("/"):
            self.problems.append(f"{name} must be an absolute path, not {value!r}")
        return Path(value)

    def paths(self, name: str) -> tuple[Path, ...]:
        """Read a list of absolute paths with colons between them; variables are expanded. None may lie in another, or be the root."""
        paths = tuple(Path(self.expand(name, part)) for part in self.text(name, "").split(":") if part)
        for path in paths:
            if not path.is_absolute() or ".." in path.parts or path == Path("/") or any(letter in str(path) for letter in '"\n'):
                self.problems.append(f"{name} must hold absolute paths other than /, without .. or quotes, not {str(path)!r}")
            elif any(path == other or path in other.parents for other in paths if other is not path):
                self.problems.append(f"{name} must name no directory twice, nor one within another: {path}")
        return paths

    def command(self, name: str) -> tuple[str, ...]:
        """Split as a shell would, then variables are expanded word by word: a blank in a variable splits nothing."""
        try:
            words = shlex.split(self.text(name, ""))
        except ValueError as error:
            self.problems.append(f"{name} is not a command line: {error}")
            return ()
        return tuple(self.expand(name, word) for word in words)

    def expand(self, name: str, value: str) -> str:
        """$NAME and ${NAME} from the environment and the env file; one that is not set is a problem."""

        def replace(found: re.Match[str]) -> str:
            variable = found.group(1) or found.group(2)
            if variable not in self._values:
                self.problems.append(f"{name} uses ${variable}, which is not set")
            return self._values.get(variable, "")

        return _VARIABLE.sub(replace, value)
