"""When two requests are the same one, decided from values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def request_digest(page: str, body: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of what is asked for on a page, as it was parsed: neither the order of fields nor their spelling matters."""
    text = json.dumps({"page": page, "body": dict(body)}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
