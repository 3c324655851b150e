"""One line out of a problem document (RFC 9457): which field, which value, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spotctl.errors import Refused
from spotctl.exits import ExitCode

MOST_REASONS = 5
"""Refused places that the line names; `--json` shows all."""

_EXIT_CODES = {400: ExitCode.USAGE, 401: ExitCode.NOT_LOGGED_IN, 403: ExitCode.NOT_LOGGED_IN, 404: ExitCode.NOT_FOUND, 422: ExitCode.USAGE}


def refusal_of(status: int, problem: Mapping[str, Any]) -> Refused:
    """Return the error that this problem document is; `status` is that of the answer (>= 400)."""
    text = " ".join(part for part in (_said(problem), _further(problem), _hint(status)) if part)
    return Refused(text.strip() or "the server refused without a reason", exit_code_of(status), dict(problem))


def exit_code_of(status: int) -> ExitCode:
    """Return how a command ends whose request was answered so."""
    return _EXIT_CODES.get(status, ExitCode.REFUSED if status < 500 else ExitCode.UNREACHABLE)


def _said(problem: Mapping[str, Any]) -> str:
    wrong = problem.get("errors")
    if isinstance(wrong, list) and wrong:
        return "; ".join(_wrong_field(entry) for entry in wrong if isinstance(entry, Mapping))
    title, detail = str(problem.get("title") or "").rstrip("."), str(problem.get("detail") or "")
    if not detail or detail.rstrip(".") == title:
        return title
    # A field's own text says all; elsewhere the title says what kind of refusal it is.
    return detail if "field" in problem else f"{title}: {detail}"


def _wrong_field(entry: Mapping[str, Any]) -> str:
    field, reason = entry.get("field"), str(entry.get("reason"))
    if reason in {"is missing", "is not known"}:
        return f"{field} {reason}"
    said = reason if reason.startswith(("is ", "must ", "names ")) else f"cannot be used; {reason}"
    return f"{field}: {entry.get('value')!r} {said}"


def _further(problem: Mapping[str, Any]) -> str:
    refused = problem.get("refused")
    if not isinstance(refused, list) or not refused:
        return ""
    reasons = [f"{_place(entry)}: {entry.get('reason')}" for entry in refused if isinstance(entry, Mapping)]
    more = len(reasons) - MOST_REASONS
    return f"({'; '.join(reasons[:MOST_REASONS])}{f'; and {more} more' if more > 0 else ''})"


def _place(refused: Mapping[str, Any]) -> str:
    return "/".join(str(refused.get(part)) for part in ("mode", "instance_type", "az_id"))


def _hint(status: int) -> str:
    return "(run `spotctl login` with a token that is valid)" if status == 401 else ""
