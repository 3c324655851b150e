"""Words for fields that cannot be used: a caller reads none of the libraries that found it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

WHOLE_BODY = "(body)"

MISSING = "is missing"

_PLAIN = {
    "Missing data for required field.": MISSING,
    "Field may not be null.": "must not be null",
    "Unknown field.": "is not known",
    "Invalid input type.": "is not a JSON object",
    "Not a valid integer.": "is not an integer",
    "Not a valid number.": "is not a number",
    "Not a valid string.": "is not text",
    "Not a valid boolean.": "is not true or false",
    "Not a valid list.": "is not a list",
    "Not a valid mapping type.": "is not a JSON object",
    "expected a JSON object": "is not a JSON object",
}
"""marshmallow's own words, where a field of ours does not say what would be right."""

_WITHOUT_VALUE = frozenset({MISSING, "is not known", "must not be null"})
"""After these the value says nothing."""

_VERBS = ("is ", "must ", "names ")


def plain_reason(reason: str) -> str:
    """Return a reason without a library's words."""
    if reason.startswith("Must be one of: "):
        return f"expected one of {reason.removeprefix('Must be one of: ').rstrip('.')}"
    return _PLAIN.get(reason, reason)


def invalid_sentence(field: str, value: object, reason: str) -> str:
    """Say one field, what was sent, and what would be right: `after: 'x' is not an integer`."""
    if field == WHOLE_BODY and reason.startswith(_VERBS):
        return f"the body {reason}"
    if reason in _WITHOUT_VALUE:
        return f"{field} {reason}"
    # As JSON has it, but for text: it reads better in single quotes beside a JSON document's own.
    written = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return f"{field}: {written} {reason}" if reason.startswith(_VERBS) else f"{field}: {written} cannot be used; {reason}"


def invalid_detail(errors: Sequence[Mapping[str, Any]]) -> str:
    """Say the first of `errors` (members field, value, reason), and how many more there are."""
    if not errors:
        return "the request cannot be used"
    first = invalid_sentence(errors[0]["field"], errors[0]["value"], errors[0]["reason"])
    return first if len(errors) == 1 else f"{first}; and {len(errors) - 1} more"
