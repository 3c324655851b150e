"""Judging the machine: metadata, the daemon itself, disk and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spot_agent.model import Identity
from spot_agent.ports import Found, Reading, Unknown
from spot_agent.rules.checks import Line, fail, ok, skip, warn

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""The journal is below 1 MB and is written twice over; a disk that is nearly full is a person's affair before it is full."""

_OPEN_TO_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory as it was met. `problem` is what kept a file from being written there."""

    path: str
    exists: bool
    problem: str | None
    free_bytes: int


def judge_identity(document: Reading, identity: Identity | None, endpoint: str) -> Line:
    """Without an identity the daemon does nothing at all."""
    if identity is not None:
        return ok("metadata", f"{identity.instance_id}, {identity.instance_type}, {identity.az_name} (version 2, with a session token)")
    if isinstance(document, Unknown) and "403" in document.reason:
        advice = "Turn it on: aws ec2 modify-instance-metadata-options --instance-id ID --http-endpoint enabled --http-tokens required"
        return fail("metadata", f"{endpoint} refuses: the metadata service is off for this instance", advice)
    if isinstance(document, Unknown):
        advice = "Is this an EC2 instance? In a container the metadata hop limit must be 2. A firewall on this machine may be in the way."
        return fail("metadata", f"{endpoint} gives no answer ({document.reason})", advice)
    return fail(
        "metadata",
        f"{endpoint} answers, but with no instance identity document",
        "Something else than EC2's metadata service answers there.",
    )


def judge_metadata_options(options: Mapping[str, Any] | None) -> Line:
    """Version 2 only, and how far its answers travel; None when EC2 did not describe this instance."""
    if not options:
        return skip("metadata options", "EC2 did not tell them")
    hops = options.get("HttpPutResponseHopLimit")
    reach = "containers on this instance reach the metadata service too" if isinstance(hops, int) and hops > 1 else "this host only"
    if options.get("HttpTokens") != "required":
        advice = "Any program that can be made to fetch a URL reads this instance's credentials: --http-tokens required ends that."
        return warn("metadata options", f"version 1 is still answered; hop limit {hops}", advice)
    return ok("metadata options", f"version 2 only; hop limit {hops}: {reach}")


def judge_notices(readings: Mapping[str, Reading]) -> Line:
    """Whether the paths that tell of an interruption give definite answers; by their last part."""
    unknown = [f"{name} ({reading.reason})" for name, reading in readings.items() if isinstance(reading, Unknown)]
    if unknown:
        return fail(
            "notices", f"no definite answer: {', '.join(unknown)}", "The daemon would not see a notice. Look at the line `metadata`."
        )
    present = [name for name, reading in readings.items() if isinstance(reading, Found)]
    if present:
        return warn("notices", f"present now: {', '.join(present)}", "EC2 is about to take this instance back, or advises to leave it.")
    return ok("notices", f"can be read; there are none ({', '.join(readings)})")


def judge_daemon(*, running: bool, problem: str | None, heartbeat_age_seconds: float | None) -> Line:
    """From what `spot-agent status` knows."""
    if not running:
        return fail("daemon", "not running", "systemctl start spot-agent; what it says: journalctl -u spot-agent")
    if problem is not None:
        return fail("daemon", f"running, but: {problem}", "What it says: journalctl -u spot-agent")
    return ok("daemon", f"running; the server answered a heartbeat {heartbeat_age_seconds or 0:.0f} s ago")


def judge_folder(name: str, folder: Folder) -> Line:
    """Whether the daemon can keep its files there."""
    if not folder.exists:
        return skip(name, f"{folder.path} is not there yet: the daemon makes it")
    if folder.problem is not None:
        return fail(name, f"{folder.path}: {folder.problem}", "Commands that act are refused while the journal cannot be written.")
    free_mib = folder.free_bytes // (1024 * 1024)
    if folder.free_bytes < LEAST_FREE_BYTES:
        return warn(name, f"{folder.path} can be written; only {free_mib} MiB are free", "Make room before it is full.")
    return ok(name, f"{folder.path} can be written; {free_mib} MiB free")


def judge_secret_file(name: str, path: str, mode: int | None) -> Line:
    """Files that hold a token, or may."""
    if mode is None:
        return skip(name, f"{path} is not there")
    if mode & _OPEN_TO_OTHERS:
        return fail(name, f"{path} has mode {mode:04o}: others can read it", f"chmod 600 {path}")
    return ok(name, f"{path}, mode {mode:04o}")


def judge_enrolment_token(*, is_registered: bool, path: str | None) -> Line | None:
    """An enrolment token that has done its work is one more secret on this disk, and in every image of it."""
    if not is_registered or path is None:
        return None
    advice = "It has done its work, and is copied into every image: setup.sh run again takes it away."
    return warn("enrolment token", f"still in {path}", advice)
