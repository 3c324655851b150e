"""What a person is told when a command cannot go on: one line and an exit code."""

from __future__ import annotations

from typing import Any

from spotctl.exits import ExitCode


class CommandFailed(Exception):
    """A command cannot go on; its text is the one line that a person needs."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        """`message` says what was wrong with which value, and what would be right."""
        super().__init__(message)
        self.exit_code = exit_code


class Refused(CommandFailed):
    """The server answered with a problem document."""

    def __init__(self, message: str, exit_code: ExitCode, problem: dict[str, Any]) -> None:
        """`problem` is the document as it came."""
        super().__init__(message, exit_code)
        self.problem = problem

    @property
    def slug(self) -> str:
        """The kind of problem, such as `switch-in-progress`."""
        return str(self.problem.get("type", "")).rpartition("/")[2]


class Unreachable(CommandFailed):
    """There was no answer, or none that the server can have given."""

    def __init__(self, message: str) -> None:
        """`message` names the server and the reason."""
        super().__init__(message, ExitCode.UNREACHABLE)
