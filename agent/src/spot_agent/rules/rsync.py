"""The rsync carry, decided from values alone: what the receiver lets in, which files are compared by content, what an end means."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from spot_agent.errors import ErrorClass

RECEIVER_NAME = "receiver"
"""What the sender calls the other side, in its configuration and among its known hosts."""

CLOCK_TOLERANCE_SECONDS = 0.5
"""Two clocks that differ by more than this between the passes: the time of day was set, and times of files prove nothing."""

TIMES_MARGIN_SECONDS = 1.0
"""Taken off a moment before files are judged by it: times of files are the kernel's coarse clock, some milliseconds behind."""

_PUBLIC_KEY = re.compile(r"ssh-ed25519 [A-Za-z0-9+/]{20,200}={0,2}")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")
_MOVE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BUNDLE = re.compile(r"-([A-Za-z]+?)(?:e\.[A-Za-z]*)?")
_LONG_OPTION = re.compile(r"--(?:delete(?:-during|-delay|-before|-after)?|numeric-ids|stats|timeout=[0-9]+)")
_LETTERS = frozenset("lHogDtpAXrRScIv")
"""Those of rsync's short options that our sender gives; a list of files brings R. Not `s`: further arguments would come unseen."""


class Pass(str, Enum):
    """FIRST copies while the workload serves; LAST takes over what is missing, once it writes no more."""

    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Receive:
    """Run rsync's receiving half with these options for the path of this index."""

    index: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flush:
    """Bring to the disk what has come."""


@dataclass(frozen=True, slots=True)
class Commit:
    """All of `count` paths have come whole: put them in place."""

    count: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing that our sender would ask for."""

    reason: str


Request = Receive | Flush | Commit | Refused


def read_request(asked: str, path_count: int) -> Request:
    """Return what the other side may have of what it asked for: the command line that SSH brought is not trusted."""
    try:
        words = shlex.split(asked)
    except ValueError as error:
        return Refused(str(error))
    match words:
        case ["flush"]:
            return Flush()
        case ["commit", count] if count == str(path_count):
            return Commit(path_count)
        case ["rsync", "--server", *options, ".", target]:
            return _read_rsync(tuple(options), target, path_count)
        case _:
            return Refused("neither rsync, flush nor commit of as many paths as there are here")


def _read_rsync(options: tuple[str, ...], target: str, path_count: int) -> Request:
    for option in options:
        bundle = _BUNDLE.fullmatch(option)
        is_bundle = bundle is not None and _LETTERS.issuperset(bundle.group(1))
        if not is_bundle and not _LONG_OPTION.fullmatch(option):
            return Refused(f"the option {option!r}")
    known = {f"{index}/": index for index in range(path_count)}
    if target not in known:
        return Refused(f"the target {target!r}: there are {path_count} paths here")
    return Receive(known[target], options)


@dataclass(frozen=True, slots=True)
class Began:
    """When the first pass began, by the time of day and by the time since boot."""

    wall_seconds: float
    since_boot_seconds: float


def compare_since(first: Began | None, now: Began, trusted_before_seconds: float | None) -> float | None:
    """Return from which change time on files are compared by content, though their size and time of writing agree; None: all files.

    A file may be written twice within one tick of the kernel's clock, or through a memory mapping that is flushed later: then both
    copies have one size and one time, and different contents. Before the moment that is returned everything had been flushed.
    `trusted_before_seconds` is the image's: what was last changed before it is whole in the image.
    """
    if first is None:
        return trusted_before_seconds
    drift_seconds = (now.wall_seconds - first.wall_seconds) - (now.since_boot_seconds - first.since_boot_seconds)
    return None if abs(drift_seconds) > CLOCK_TOLERANCE_SECONDS else first.wall_seconds - TIMES_MARGIN_SECONDS


@dataclass(frozen=True, slots=True)
class Fine:
    """It did what it should. `is_whole` is False when some files changed or vanished under it: another pass brings them."""

    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Again:
    """Files vanished during the last pass, when nothing should write any more: look once more."""


@dataclass(frozen=True, slots=True)
class Broke:
    """It failed, in a way that the server understands."""

    error_class: ErrorClass
    code: str


_FILE_IO, _PARTIAL, _VANISHED = 11, 23, 24
_CONNECTION = frozenset({5, 10, 12, 30, 35, 255})


def judge_end(exit_code: int, output: str, which: Pass) -> Fine | Again | Broke:
    """Say what the end of an rsync (or of an ssh) means. Source of the codes: rsync(1), EXIT VALUES."""
    if exit_code == 0:
        return Fine()
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return Broke(ErrorClass.CHECK_FAILED, "disk_full")
    if exit_code == _FILE_IO:  # a full disk as well, when the new side's own words did not arrive before its connection ended
        return Broke(ErrorClass.CHECK_FAILED, "file_io_failed")
    if exit_code in (_VANISHED, _PARTIAL) and which is Pass.FIRST:
        return Fine(is_whole=False)
    if exit_code == _VANISHED:
        return Again()
    if exit_code in _CONNECTION:
        return Broke(ErrorClass.UNREACHABLE, f"rsync_{exit_code}")
    return Broke(ErrorClass.UNEXPECTED, f"rsync_{exit_code}")


@dataclass(frozen=True, slots=True)
class Counted:
    """What rsync says that it did."""

    bytes_sent: int = 0
    files_sent: int = 0

    def plus(self, other: Counted) -> Counted:
        """Add up."""
        return Counted(self.bytes_sent + other.bytes_sent, self.files_sent + other.files_sent)


_BYTES = re.compile(r"^Total bytes sent: ([0-9]+)\s*$", re.MULTILINE)
_FILES = re.compile(r"^Number of regular files transferred: ([0-9]+)\s*$", re.MULTILINE)
_PROGRESS = re.compile(r"([0-9]+)\s+[0-9]{1,3}%")


def count(output: str) -> Counted:
    """Read the figures of `--stats`; while it runs, the bytes that `--info=progress2` showed last."""
    sent, files = _BYTES.search(output), _FILES.search(output)
    if sent is None:
        shown = _PROGRESS.findall(output)
        return Counted(int(shown[-1]) if shown else 0)
    return Counted(int(sent.group(1)), int(files.group(1)) if files else 0)


def is_public_key(text: str) -> bool:
    """Whether this is the line of an Ed25519 key and nothing else: it goes into a configuration file."""
    return _PUBLIC_KEY.fullmatch(text) is not None


def is_move_id(text: str) -> bool:
    """Whether this can be the name of a move, and of nothing outside of a folder."""
    return _MOVE_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Door:
    """Where the receiver listens, as whom, and by which key it is known."""

    host: str
    port: int
    user: str
    host_key: str

    def problem(self) -> str | None:
        """Say which member cannot be what it says; all of them go into configuration files."""
        try:
            ip_address(self.host)
        except ValueError:
            return f"host must be an IP address, not {self.host!r}"
        if not 0 < self.port < 65536:
            return f"port must be between 1 and 65535, not {self.port}"
        if not _USER.fullmatch(self.user):
            return f"user must be a user's name, not {self.user!r}"
        return None if is_public_key(self.host_key) else "host_key must be an Ed25519 key"


def server_config(listens_at: Door, folder: str, receive_command: Sequence[str]) -> str:
    """Return the configuration of the receiver's private SSH server: one key, one command, nothing else."""
    return _lines(
        {
            "ListenAddress": listens_at.host,
            "Port": str(listens_at.port),
            "HostKey": _quoted(f"{folder}/host_key"),
            "AuthorizedKeysFile": _quoted(f"{folder}/authorized_keys"),
            "AllowUsers": listens_at.user,
            "AuthenticationMethods": "publickey",
            "PermitRootLogin": "prohibit-password",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "UsePAM": "no",
            "StrictModes": "no",
            "DisableForwarding": "yes",
            "PermitTTY": "no",
            "PermitUserRC": "no",
            "PrintMotd": "no",
            "UseDNS": "no",
            "LoginGraceTime": "10",
            "MaxAuthTries": "2",
            "PidFile": "none",
            "ForceCommand": shlex.join(receive_command),
        }
    )


def client_config(door: Door, folder: str) -> str:
    """Return the configuration of the sender's SSH client: the pinned host key or nobody."""
    host = {
        "HostName": door.host,
        "Port": str(door.port),
        "User": door.user,
        "HostKeyAlias": RECEIVER_NAME,
        "IdentityFile": _quoted(f"{folder}/key"),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": _quoted(f"{folder}/known_hosts"),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "ConnectTimeout": "5",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "LogLevel": "ERROR",
    }
    return f"Host {RECEIVER_NAME}\n{_lines(host)}"


def known_hosts(door: Door) -> str:
    """Return the one line of the sender's known hosts."""
    return f"{RECEIVER_NAME} {door.host_key}\n"


def _lines(options: Mapping[str, str]) -> str:
    return "".join(f"{name} {value}\n" for name, value in options.items())


def _quoted(path: str) -> str:
    return f'"{path}"'
