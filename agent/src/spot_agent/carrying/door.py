"""What SSH starts on the new side for everything that is asked of it: look at what is asked, and do that or nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from spot_agent.carrying.incoming import Incoming
from spot_agent.carrying.receiver_session import ReceiverSession, read_session
from spot_agent.rules.rsync import Commit, Flush, Receive, Refused, read_request

EXIT_REFUSED = 77
EXIT_FAILED = 11
"""As rsync's own for an error of the file system."""


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """`arguments`: the receiver's folder. Does not return when it becomes rsync."""
    folder = Path(arguments[0])
    # First the note that we are here, then the look whether we may: whoever closes the receiver does it the other way round.
    (folder / "doors" / str(os.getpid())).touch()
    session = read_session(folder)
    if session is None:
        return _refuse("the receiver is closed")
    try:
        return _serve(session, environment.get("SSH_ORIGINAL_COMMAND", ""))
    except OSError as error:
        sys.stderr.write(f"spot-agent: {error}\n")
        return EXIT_FAILED


def _serve(session: ReceiverSession, asked: str) -> int:
    incoming = Incoming([Path(target) for target in session.targets], Path(session.state_directory))
    match read_request(asked, len(session.targets)):
        case Refused(reason):
            return _refuse(reason)
        case Flush():
            os.sync()
            return 0
        case Commit():
            incoming.accept()
            return 0
        case Receive(index, options):
            place = incoming.prepare(index)
            shared = [f"--link-dest={place.target}"] if place.target.is_dir() else []
            command = ["rsync", "--server", *options, *shared, ".", f"{place.staging}/"]
            return os.execv(session.rsync, command)  # noqa: S606 - no shell is wanted: the options were looked at one by one


def _refuse(reason: str) -> int:
    sys.stderr.write(f"spot-agent: refused: {reason}\n")
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
