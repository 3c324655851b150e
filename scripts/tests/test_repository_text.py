"""What the repository's text may not hold, and that its documents hang together."""

import re
import subprocess
from pathlib import Path

import pytest

from check_sizes import ROOT

THIS_FILE = "scripts/tests/test_repository_text.py"
FORBIDDEN = {
    "the address of a package index": r"pypi\.org/simple|files\.pythonhosted\.org|registry\.npmjs\.org|--(?:extra-)?index-url|_proxy=http",
    "a path of one machine": r"(?<![\w.}/])/(?:work|root|home/[a-z])(?:/|\b)",
    "how the text came about": r"(?i)\b(?:claude|anthropic|chatgpt|openai|copilot|language model|llm|ai[- ](?:generated|assistant))\b",
    "an unfinished merge": r"^(?:<{7}|>{7}) ",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "an AWS access key": r"\bAKIA[0-9A-Z]{16}\b",
}
ADR_FOLDER = ROOT / "docs" / "adr"
ADR_HEADINGS = ("## Context", "## Decision", "## Consequences")


def tracked_texts() -> list[tuple[str, str]]:
    """Give every tracked or trackable text file's name and content."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    contents = ((name, (ROOT / name).read_bytes()) for name in sorted(set(names) - {THIS_FILE}) if (ROOT / name).is_file())
    return [(name, content.decode("utf-8")) for name, content in contents if b"\0" not in content]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_tracked_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [f"{name}: {match[0]!r}" for name, text in tracked_texts() for match in pattern.finditer(text)]

    assert not found, f"{what}:\n" + "\n".join(found[:20])


def adrs() -> list[Path]:
    return sorted(ADR_FOLDER.glob("[0-9]*.md"))


def test_every_decision_record_is_indexed_and_every_index_entry_exists() -> None:
    indexed = set(re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (ADR_FOLDER / "README.md").read_text()))

    assert indexed == {path.name for path in adrs()}


def test_decision_records_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in adrs()]

    assert len(numbers) == len(set(numbers)), numbers


@pytest.mark.parametrize("path", adrs(), ids=lambda path: path.name)
def test_a_decision_record_has_context_decision_and_consequences(path: Path) -> None:
    text = path.read_text()

    assert [heading for heading in ADR_HEADINGS if heading not in text] == []
    assert re.match(rf"# {path.name[:4]}[.:]? ", text), "its title begins with its number"


def test_every_relative_link_of_a_document_leads_somewhere() -> None:
    broken = []
    for name, text in tracked_texts():
        if name.endswith(".md"):
            prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
            links = re.findall(r"\[[^\]]*\]\(([^)#\s]+)", prose)
            broken += [f"{name}: {link}" for link in links if "://" not in link and not (ROOT / name).parent.joinpath(link).exists()]

    assert not broken, "\n".join(broken)


def test_every_script_can_be_run_and_stops_at_its_first_error() -> None:
    scripts = [*ROOT.glob("scripts/*.sh"), ROOT / ".ci" / "run"]
    not_runnable = [path.name for path in scripts if not path.stat().st_mode & 0o100]
    careless = [path.name for path in scripts if not re.search(r"^set -e?uo? ?pipefail|^set -eu", path.read_text(), re.MULTILINE)]

    assert (not_runnable, careless) == ([], [])
