"""The new side of the rsync carry: a private SSH server with one key, one command and an end, for one move."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spot_agent.carrying import programs
from spot_agent.carrying.incoming import Incoming
from spot_agent.carrying.receiver_session import ReceiverSession, read_session, remove_session, write_session
from spot_agent.clock import Clock, Stop, since_boot_seconds
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.rules.rsync import Door, server_config

DOOR_MODULE = "spot_agent.carrying.door"
LISTEN_BOUND_SECONDS = 10.0
PRIVILEGE_SEPARATION_DIRECTORY = Path("/run/sshd")
"""An SSH server that runs as root does not start without it; the system's own one may never have run."""


class Receiver:
    """One at a time. All that it needs lies in its folder in /run, so that another life of the daemon finds it, and a boot does not."""

    def __init__(self, paths: Sequence[Path], state_directory: Path, folder: Path, clock: Clock, stop: Stop) -> None:
        self._state_directory = state_directory
        self._folder = folder
        self._clock = clock
        self._stop = stop
        self._incoming = Incoming(paths, state_directory)
        self._server: subprocess.Popen[bytes] | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None

    def open(self, move_id: str, public_key: str, listens_at: tuple[str, int], bound_seconds: float) -> Door:
        """Let the holder of this key in, for at most `bound_seconds`. The same move again finds the same door."""
        session = read_session(self._folder)
        if session is None or (session.move_id, session.public_key) != (move_id, public_key):
            self.close()
            session = self._begin(move_id, public_key, listens_at, bound_seconds)
        self._ensure_server(session)
        return self._door(session)

    def close(self) -> None:
        """Nobody comes in any more, nothing that came in still writes, and the keys are gone. What was committed is in place."""
        remove_session(self._folder)
        session_less = self._folder / "doors"
        for note in session_less.iterdir() if session_less.is_dir() else ():
            self._end_visitor(int(note.name))
        self._end_server()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._incoming.finish()

    def finish_commit(self) -> None:
        """Put in place what was committed, should that have been cut short."""
        self._incoming.finish()

    def settle(self) -> None:
        """Make the world fit the session: a server that ended is started again, one whose time is over is ended, leftovers go."""
        session = read_session(self._folder)
        if session is not None and since_boot_seconds(self._clock) < session.ends_seconds:
            self._ensure_server(session)
        elif self._folder.exists():
            self.close()
        else:
            self._sweep()

    def problems(self) -> list[str]:
        """Say of each configured path why nothing could be put in place there."""
        return [problem for problem in (place.problem() for place in self._incoming.places) if problem]

    def _begin(self, move_id: str, public_key: str, listens_at: tuple[str, int], bound_seconds: float) -> ReceiverSession:
        problems = self.problems()
        if problems:
            raise ActFailed(ErrorClass.REFUSED, "bad_path", "; ".join(problems))
        self._incoming.discard()
        (self._folder / "doors").mkdir(parents=True, mode=0o700)
        self._folder.chmod(0o700)
        make_key(self._folder / "host_key", f"spot-optimizer {move_id}")
        (self._folder / "authorized_keys").write_text(f"restrict {public_key}\n")
        session = ReceiverSession(
            move_id=move_id,
            public_key=public_key,
            host=listens_at[0],
            port=listens_at[1],
            ends_seconds=since_boot_seconds(self._clock) + bound_seconds,
            targets=tuple(str(place.target) for place in self._incoming.places),
            state_directory=str(self._state_directory),
            rsync=_program("rsync"),
        )
        command = [sys.executable, "-I", "-m", DOOR_MODULE, str(self._folder)]
        (self._folder / "sshd_config").write_text(server_config(self._door(session), str(self._folder), command))
        write_session(self._folder, session)
        return session

    def _door(self, session: ReceiverSession) -> Door:
        host_key = " ".join((self._folder / "host_key.pub").read_text().split()[:2])
        return Door(session.host, session.port, pwd.getpwuid(os.geteuid()).pw_name, host_key)

    def _ensure_server(self, session: ReceiverSession) -> None:
        if self._server is not None and self._server.poll() is None:
            return
        self._end_server()
        if os.geteuid() == 0:
            PRIVILEGE_SEPARATION_DIRECTORY.mkdir(mode=0o755, exist_ok=True)
        command = [*programs.DIES_WITH_US, _program("sshd"), "-D", "-e", "-f", self._config_path()]
        with (self._folder / "sshd.log").open("wb") as log:
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=programs.ENVIRONMENT,
                start_new_session=True,
            )
        write_session(self._folder, replace(session, pid=self._server.pid))
        (self._folder / "server_pid").write_text(str(self._server.pid))
        self._await_listening(self._server, session)

    def _await_listening(self, server: subprocess.Popen[bytes], session: ReceiverSession) -> None:
        ends_seconds = self._clock.monotonic_seconds() + LISTEN_BOUND_SECONDS
        while not _greets(session.host, session.port):
            if server.poll() is not None or self._clock.monotonic_seconds() >= ends_seconds:
                said = (self._folder / "sshd.log").read_text(errors="replace")[-1000:].strip()
                raise ActFailed(ErrorClass.CHECK_FAILED, "receiver_not_listening", said or "the SSH server did not begin to listen")
            if self._stop.wait(programs.LOOK_SECONDS):
                return

    def _end_server(self) -> None:
        try:
            pid = int((self._folder / "server_pid").read_text())
        except (OSError, ValueError):
            pid = 0
        if self._server is not None and self._server.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._server.pid, 9)
            self._server.wait()
        programs.end_program(pid, self._stop, self._config_path(), with_group=True)
        self._server = None

    def _end_visitor(self, pid: int) -> None:
        for mark in (DOOR_MODULE, "spot-incoming"):
            programs.end_program(pid, self._stop, mark, with_group=False)

    def _config_path(self) -> str:
        return str(self._folder / "sshd_config")

    def _sweep(self) -> None:
        """Large directories take their time: another process removes them."""
        if self._sweeper is not None and self._sweeper.poll() is None:
            return
        leftovers = self._incoming.leftovers()
        self._sweeper = None
        if leftovers:
            self._sweeper = subprocess.Popen(["nice", "rm", "-rf", "--", *map(str, leftovers)], env=programs.ENVIRONMENT)


def make_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key pair without a passphrase, mode 0600; one that is there stays."""
    if path.exists() and path.with_suffix(".pub").exists():
        return
    path.unlink(missing_ok=True)
    command = [_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    made = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=programs.ENVIRONMENT)
    if made.returncode != 0:
        raise ActFailed(ErrorClass.UNEXPECTED, "no_key", made.stderr.strip() or "ssh-keygen failed")


def _program(name: str) -> str:
    found = programs.find_program(name)
    if found is None:
        raise ActFailed(ErrorClass.REFUSED, "not_installed", f"{name} is not installed here")
    return found


def _greets(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
