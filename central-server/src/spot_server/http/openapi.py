"""The interface's description, from one generator: all of it for `docs/api/openapi.json`, the agent side for `docs/agent-api-spec.yaml`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml
from flask import Flask, current_app

from spot_server.http.api import api_of
from spot_server.http.auth import protection_of

AGENT_PREFIX = "/api/agents"
WRITING_METHODS = frozenset({"put", "post", "delete", "patch"})
METHODS = frozenset({"get", "put", "post", "delete", "patch"})


def _refusal(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}


_REFUSALS = {
    "Unauthorized": _refusal("No bearer token, or one that is unknown, expired, used up or revoked."),
    "TokenKindWrong": _refusal("The token is of a kind that may not do that."),
    "NotFound": _refusal("There is no such thing, or it is not yours."),
    "Conflict": _refusal("The state of things does not allow it, or the request_id was used with another body; `type` says which."),
    "FieldInvalid": _refusal("Fields or parameters cannot be used; `errors` names each one."),
}


def current_document() -> dict[str, Any]:
    """Return the description of the application that serves the present request."""
    return full_document(current_app)


def full_document(app: Flask) -> dict[str, Any]:
    """Describe every page, the same way every time: nothing of this machine or moment is in it."""
    document: dict[str, Any] = json.loads(json.dumps(api_of(app).spec.to_dict()))
    document["info"]["description"] = (
        "Times are RFC 3339 UTC with a Z, money is a decimal string in USD, errors are application/problem+json (RFC 9457). "
        "Client and admin writes refuse unknown fields; agent-side requests ignore them. This interface only grows."
    )
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for response in document["components"].get("responses", {}).values():
        _use_problem_media_type(response)
    guarded = _guarded_paths(app)
    for path, method, operation in _operations(document):
        for response in operation.get("responses", {}).values():
            _use_problem_media_type(response)
        kinds = guarded.get((_plain(path), method.upper()))
        operation["security"] = [{"bearer": []}] if kinds else []
        if kinds:
            operation["description"] = _with_kinds(operation, kinds)
        _name_refusals(operation, path, method, is_guarded=bool(kinds))
    document["components"].setdefault("responses", {}).update(_REFUSALS)
    return document


def agent_document(full: dict[str, Any]) -> dict[str, Any]:
    """Return the agent side of a full document, with the schemas that it uses."""
    paths = {path: item for path, item in full["paths"].items() if path.startswith(AGENT_PREFIX)}
    components = {kind: dict(members) for kind, members in full["components"].items()}
    used = _schemas_used(paths, components)
    components["schemas"] = {name: schema for name, schema in components.get("schemas", {}).items() if name in used}
    tags = {tag for item in paths.values() for method in METHODS & item.keys() for tag in item[method].get("tags", [])}
    return {
        **full,
        "info": {**full["info"], "title": full["info"]["title"] + ": agent side"},
        "paths": paths,
        "components": components,
        "tags": [tag for tag in full.get("tags", []) if tag["name"] in tags],
    }


def write_json(document: dict[str, Any]) -> str:
    """Write a document as it is committed."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_yaml(document: dict[str, Any]) -> str:
    """Write a document as it is committed."""
    text: str = yaml.safe_dump(document, sort_keys=True, allow_unicode=True, width=120)
    return text


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in sorted(METHODS & item.keys()):
            yield path, method, item[method]


def _guarded_paths(app: Flask) -> dict[tuple[str, str], frozenset[str]]:
    guarded = {}
    for rule in app.url_map.iter_rules():
        blueprint = app.blueprints.get(rule.endpoint.rpartition(".")[0])
        kinds = None if blueprint is None else protection_of(blueprint)
        if isinstance(kinds, frozenset):
            for method in rule.methods or ():
                guarded[(_plain(rule.rule), method)] = frozenset(str(kind) for kind in kinds)
    return guarded


def _plain(path: str) -> str:
    return path.replace("<", "{").replace(">", "}").replace("{int:", "{").rstrip("/")


def _use_problem_media_type(response: dict[str, Any]) -> None:
    content = response.get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if str(schema.get("$ref", "")).endswith("/Problem"):
        content["application/problem+json"] = content.pop("application/json")


def _name_refusals(operation: dict[str, Any], path: str, method: str, *, is_guarded: bool) -> None:
    """Name the refusals that a page can answer with, by where they come from: the token, the URL, the request, the state."""
    responses = operation.setdefault("responses", {})
    named = {"Unauthorized": "401", "TokenKindWrong": "403"} if is_guarded else {}
    if "{" in path:
        named["NotFound"] = "404"
    if is_guarded and method in WRITING_METHODS:
        named["Conflict"] = "409"
    if "422" in responses:
        named["FieldInvalid"] = "422"
    for name, status in named.items():
        responses[status] = {"$ref": f"#/components/responses/{name}"}


def _with_kinds(operation: dict[str, Any], kinds: frozenset[str]) -> str:
    line = f"Token: {' or '.join(sorted(kinds))}."
    return f"{operation['description']}\n\n{line}" if operation.get("description") else line


def _schemas_used(paths: dict[str, Any], components: dict[str, Any]) -> set[str]:
    used: set[str] = set()
    waiting = [*_references(paths), *_references(components.get("responses", {}))]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting.extend(_references(components.get("schemas", {}).get(name, {})))
    return used


def _references(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of the document
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/components/schemas/"):
            yield reference.rpartition("/")[2]
        for below in node.values():
            yield from _references(below)
    elif isinstance(node, list):
        for below in node:
            yield from _references(below)
