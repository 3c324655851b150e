"""Every page of the application, found in its URL map: guard tests walk them, those that are added later included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Flask

from server_support.samples import sample
from spot_server.http.auth import protection_of
from spot_server.http.openapi import full_document
from spot_server.words import TokenKind

UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
UNINTERESTING_METHODS = frozenset({"HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Page:
    """One method of one address. `kinds` are those let in; a page that is left open has a reason instead."""

    method: str
    rule: str
    kinds: frozenset[TokenKind]
    open_reason: str | None
    body: Any
    """A plausible request body, made from the interface's description; None when the page takes no body."""

    query_names: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.rule}"

    def path(self, **ids: str) -> str:
        """The address with these ids in it; an id that is not given is one that does not exist."""
        path = self.rule
        while "<" in path:
            before, _, rest = path.partition("<")
            converter, _, after = rest.partition(">")
            name = converter.rpartition(":")[2]
            path = before + ids.get(name, UNKNOWN_ID) + after
        return path


def all_pages(app: Flask) -> list[Page]:
    """Return every page, in the order of their addresses."""
    return sorted(_find_pages(app), key=lambda page: page.name)


def _find_pages(app: Flask) -> Iterator[Page]:
    document = full_document(app)
    for rule in app.url_map.iter_rules():
        blueprint = app.blueprints.get(rule.endpoint.rpartition(".")[0])
        protection = None if blueprint is None else protection_of(blueprint)
        for method in sorted((rule.methods or set()) - UNINTERESTING_METHODS):
            operation = _operation(document, rule.rule, method)
            yield Page(
                method=method,
                rule=rule.rule,
                kinds=protection if isinstance(protection, frozenset) else frozenset(),
                open_reason=protection if isinstance(protection, str) else None,
                body=_body(document, operation),
                query_names=frozenset(item["name"] for item in operation.get("parameters", []) if item.get("in") == "query"),
            )


def _operation(document: dict[str, Any], rule: str, method: str) -> dict[str, Any]:
    path = rule
    for converter in ("<int:", "<string:", "<path:"):
        path = path.replace(converter, "<")
    item: dict[str, Any] = document["paths"].get(path.replace("<", "{").replace(">", "}"), {})
    operation: dict[str, Any] = item.get(method.lower(), {})
    return operation


def _body(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return None if schema is None else sample(document, schema)
