"""Files in the repository that are written from code: the interface's description and the state machines."""

from __future__ import annotations

from pathlib import Path

from spot_server.bootstrap import build_app, build_context
from spot_server.http.openapi import agent_document, full_document, write_json, write_yaml
from spot_server.settings import Settings
from spot_server.state_machines import render_markdown

OPENAPI_PATH = "docs/api/openapi.json"
AGENT_SPEC_PATH = "docs/agent-api-spec.yaml"
STATE_MACHINE_PATH = "docs/STATE_MACHINE.md"


def interface_files(settings: Settings) -> dict[str, str]:
    """Return the interface's description: path in the repository to content."""
    document = full_document(build_app(build_context(settings)))
    return {OPENAPI_PATH: write_json(document), AGENT_SPEC_PATH: write_yaml(agent_document(document))}


def state_machine_files() -> dict[str, str]:
    """Return the state machines as Markdown, from the tables in `state_machines`."""
    return {STATE_MACHINE_PATH: render_markdown()}


def write_files(root: str, files: dict[str, str], *, check_only: bool) -> list[str]:
    """Write the files that are not current below `root` and return their paths; with `check_only` write nothing."""
    stale = []
    for path, content in files.items():
        target = Path(root) / path
        if target.is_file() and target.read_text(encoding="utf-8") == content:
            continue
        stale.append(path)
        if not check_only:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
    return stale
