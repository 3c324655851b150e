"""The old side of the rsync carry: a key for one move, and the passes, each as a row of processes that is looked at in slices."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from spot_agent.carrying import programs
from spot_agent.carrying.passes import Order, Sending, Sent
from spot_agent.carrying.receiver import make_key
from spot_agent.clock import Clock, Stop, since_boot_seconds
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.hooks import kill_group
from spot_agent.model import JsonObject
from spot_agent.rules.rsync import (
    RECEIVER_NAME,
    Again,
    Began,
    Broke,
    Counted,
    Fine,
    Pass,
    client_config,
    compare_since,
    count,
    judge_end,
    known_hosts,
)

LOOKS_AT_VANISHED_FILES = 3
SLICE_SECONDS = 0.5
"""How long one look at a running pass waits for its end: the end of the last one is downtime."""

OUTPUT_KEPT_BYTES = 4_096
_SLICE_STEP_SECONDS = 0.01
_RSYNC = ("rsync", "-aHAXS", "--numeric-ids", "--timeout=30", "--stats", "--info=progress2", "--no-h")


@dataclass(frozen=True, slots=True)
class _Ended:
    exit_code: int
    output: str


_Run = Generator[Sequence[str], _Ended, bool]
"""Yields command lines, is sent how each ended, and returns whether everything was whole."""


@dataclass(slots=True)
class _Running:
    order: Order
    run: _Run
    began: Began
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    counted: Counted = field(default=Counted())


class Sender:
    """One move at a time. Its key lies in its folder in /run, and is gone with the last pass, the close, the end of its time, or a boot."""

    def __init__(self, paths: Sequence[Path], folder: Path, clock: Clock, stop: Stop) -> None:
        self._paths = tuple(paths)
        self._folder = folder
        self._clock = clock
        self._stop = stop
        self._running: _Running | None = None

    def make_key(self, move_id: str, bound_seconds: float) -> str:
        """Return the public key of this move, made now unless it is there."""
        if self.move_id() != move_id:
            self.close()
            self._folder.mkdir(parents=True, mode=0o700)
            self._save(move_id=move_id, ends_seconds=since_boot_seconds(self._clock) + bound_seconds)
        if "sent" in self._note():
            raise ActFailed(ErrorClass.REFUSED, "no_key", "the last pass of this move is over, and its key is gone")
        make_key(self._folder / "key", f"spot-optimizer {move_id}")
        return " ".join((self._folder / "key.pub").read_text().split()[:2])

    def send(self, order: Order) -> Sent | Sending:
        """Begin a pass, or look at it for up to SLICE_SECONDS. ActFailed when it broke, or was killed at its bound."""
        done = self._already_sent(order)
        if done is not None:
            return done
        running = self._running
        if running is None or (running.order.move_id, running.order.which) != (order.move_id, order.which):
            self._kill()
            running = self._begin(order)
        running.order = order  # another attempt at the same pass may have another bound
        try:
            return self._look(running)
        except ActFailed:
            self._kill()
            raise

    def move_id(self) -> str | None:
        """Return for which move there is a key here."""
        move_id = self._note().get("move_id")
        return move_id if isinstance(move_id, str) else None

    def close(self) -> None:
        """End a pass that is under way, and forget the key."""
        self._kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def settle(self) -> None:
        """Forget a key whose time is over, or that this daemon cannot tell whose it is."""
        if self._folder.exists() and since_boot_seconds(self._clock) >= float(self._note().get("ends_seconds", 0)):
            self.close()

    def problems(self) -> list[str]:
        """Say of each configured path why it could not be sent."""
        return [f"{path} is not a directory" for path in self._paths if not path.is_dir()]

    def _already_sent(self, order: Order) -> Sent | None:
        note = self._note()
        if note.get("move_id") != order.move_id:
            raise ActFailed(ErrorClass.REFUSED, "no_key", "there is no key of this move here")
        sent = note.get("sent")
        if order.which is not Pass.LAST or sent is None:
            return None
        return Sent(Counted(sent["bytes_sent"], sent["files_sent"]), sent["took_seconds"], is_whole=True)

    def _begin(self, order: Order) -> _Running:
        problems = self.problems()
        if problems:
            raise ActFailed(ErrorClass.REFUSED, "bad_path", "; ".join(problems))
        (self._folder / "known_hosts").write_text(known_hosts(order.door))
        (self._folder / "ssh_config").write_text(client_config(order.door, str(self._folder)))
        began = Began(self._clock.now().timestamp(), since_boot_seconds(self._clock))
        run = self._pass(order, began)
        self._running = _Running(order, run, began, *self._start(next(run)))
        return self._running

    def _look(self, running: _Running) -> Sent | Sending:
        ends_seconds = self._clock.monotonic_seconds() + SLICE_SECONDS
        while True:
            took_seconds = since_boot_seconds(self._clock) - running.began.since_boot_seconds
            exit_code = running.process.poll()
            if exit_code is None:
                if took_seconds >= running.order.bound_seconds:
                    raise _killed_at(running.order.bound_seconds, _read(running.output))
                if self._clock.monotonic_seconds() >= ends_seconds:
                    return Sending(running.counted.plus(count(_read(running.output))))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.process.wait(_SLICE_STEP_SECONDS)
                continue
            output = _read(running.output)
            running.counted = running.counted.plus(count(output))
            try:
                command = running.run.send(_Ended(exit_code, output))
            except StopIteration as finished:
                return self._finish(running, took_seconds, is_whole=finished.value)
            running.output.close()
            running.process, running.output = self._start(command)

    def _finish(self, running: _Running, took_seconds: float, *, is_whole: bool) -> Sent:
        running.output.close()
        self._running = None
        sent = Sent(running.counted, round(took_seconds, 3), is_whole)
        if running.order.which is Pass.FIRST:
            self._save(first={"wall_seconds": running.began.wall_seconds, "since_boot_seconds": running.began.since_boot_seconds})
            return sent
        self._save(sent={"bytes_sent": sent.counted.bytes_sent, "files_sent": sent.counted.files_sent, "took_seconds": sent.took_seconds})
        for name in ("key", "key.pub"):
            (self._folder / name).unlink(missing_ok=True)
        return sent

    def _pass(self, order: Order, began: Began) -> _Run:
        """The processes of one pass, one after the other."""
        since_seconds = self._compare_since(order, began)
        # Whatever is still only in memory now would later come to the disk without a new time of change (memory mappings).
        yield ["sync", "-f", *map(str, self._paths)]
        judged: list[Fine | Again] = []
        for _ in range(LOOKS_AT_VANISHED_FILES):
            judged = yield from self._all_paths(order.which, since_seconds)
            if Again() not in judged:
                break
        else:
            raise ActFailed(ErrorClass.RACE, "source_changes", "files vanish while nothing should write: is the workload stopped?")
        last = ["commit", str(len(self._paths))] if order.which is Pass.LAST else ["flush"]
        judged.append(_judge((yield ["ssh", "-F", str(self._folder / "ssh_config"), RECEIVER_NAME, *last]), Pass.LAST))
        return all(isinstance(end, Fine) and end.is_whole for end in judged)

    def _all_paths(self, which: Pass, since_seconds: float | None) -> Generator[Sequence[str], _Ended, list[Fine | Again]]:
        judged: list[Fine | Again] = []
        for index, path in enumerate(self._paths):
            if since_seconds is not None:
                names = self._folder / "names"
                listed = yield ["find", str(path), "-type", "f", "-newerct", f"@{since_seconds:.6f}", "-fprintf", str(names), "%P\\0"]
                if listed.exit_code != 0:  # something vanished under it
                    judged.append(Again() if which is Pass.LAST else Fine(is_whole=False))
                if names.exists() and names.stat().st_size > 0:
                    judged.append(_judge((yield self._rsync(path, index, "--ignore-times", "--from0", f"--files-from={names}")), which))
            by_content = ["--checksum"] if since_seconds is None else []
            judged.append(_judge((yield self._rsync(path, index, "--delete", *by_content)), which))
        return judged

    def _rsync(self, path: Path, index: int, *options: str) -> Sequence[str]:
        return [*_RSYNC, *options, "-e", f'ssh -F "{self._folder}/ssh_config"', f"{path}/", f"{RECEIVER_NAME}:{index}/"]

    def _compare_since(self, order: Order, began: Began) -> float | None:
        first = self._note().get("first") if order.which is Pass.LAST else None
        return compare_since(None if first is None else Began(**first), began, order.trusted_before_seconds)

    def _start(self, command: Sequence[str]) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
        output = (self._folder / "output").open("w+b")
        try:
            process = subprocess.Popen(
                [*programs.DIES_WITH_US, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=programs.ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            raise ActFailed(ErrorClass.REFUSED, "not_installed", f"cannot run {command[0]}: {error.strerror or error}") from error
        self._save(pid=process.pid)
        return process, output

    def _kill(self) -> None:
        """What this daemon runs, and what an earlier life of it left running."""
        if self._running is not None:
            kill_group(self._running.process)
            self._running.output.close()
            self._running = None
        pid = self._note().get("pid")
        if isinstance(pid, int):
            programs.end_program(pid, self._stop, str(self._folder), with_group=True)

    def _note(self) -> JsonObject:
        try:
            body = json.loads((self._folder / "note.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return body if isinstance(body, dict) else {}

    def _save(self, **values: object) -> None:
        note = self._folder / "note.json"
        temporary = note.with_suffix(".new")
        temporary.write_text(json.dumps({**self._note(), **values}))
        temporary.replace(note)


def _judge(ended: _Ended, which: Pass) -> Fine | Again:
    judged = judge_end(ended.exit_code, ended.output, which)
    if isinstance(judged, Broke):
        raise ActFailed(judged.error_class, judged.code, ended.output[-OUTPUT_KEPT_BYTES:].strip() or f"ended with {ended.exit_code}")
    return judged


def _read(output: IO[bytes]) -> str:
    return os.pread(output.fileno(), 1 << 20, max(0, os.fstat(output.fileno()).st_size - (1 << 20))).decode("utf-8", errors="replace")


def _killed_at(bound_seconds: float, output: str) -> ActFailed:
    message = (
        f"killed at its bound of {bound_seconds:g} s, {count(output).bytes_sent} bytes into this run. {output[-OUTPUT_KEPT_BYTES:].strip()}"
    )
    return ActFailed(ErrorClass.HOOK_TIMED_OUT, "pass_bound", message)
