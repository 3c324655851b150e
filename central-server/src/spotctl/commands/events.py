"""`spotctl events`: what happened, from a place on, for as long as somebody listens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from spotctl.api import Api, Json
from spotctl.errors import CommandFailed, Unreachable
from spotctl.exits import ExitCode
from spotctl.lookups import find_agent
from spotctl.options import agent_option, shared
from spotctl.positions import read_position, write_position
from spotctl.session import Session
from spotctl.texts import clean

WAIT_SECONDS = 50
"""What a following reader asks the server to wait for the next event; the server's own bound is 60."""

FROM_NOW = -1
PAGE_EVENTS = 500
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


@click.command()
@agent_option(is_required=False)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only these; may be repeated.")
@click.option("--after", type=click.IntRange(min=0), metavar="NUMBER", help="Begin after this one; default: with the oldest that is kept.")
@click.option("--from-now", is_flag=True, help="Only what happens from now on.")
@click.option("--follow", "-f", is_flag=True, help="Go on waiting for more, over lost connections too, until interrupted.")
@click.option(
    "--resume",
    "position_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Begin after the number in FILE, and keep the number of the last event shown there.",
)
@shared
def events(
    session: Session,
    *,
    agent_name: str | None,
    kinds: tuple[str, ...],
    after: int | None,
    from_now: bool,
    follow: bool,
    position_file: Path | None,
) -> None:
    """Show events in order, one a line: number, time, agent, kind, what is known. With --json: one document a line."""
    if after is not None and from_now:
        raise CommandFailed("--after and --from-now exclude each other; expected one of them", ExitCode.USAGE)
    api = session.api()
    reader = _Reader(session, api, kinds, None if agent_name is None else str(find_agent(api, agent_name)["agent_id"]), position_file)
    begin = after if after is not None else FROM_NOW if from_now else None
    kept = None if position_file is None else read_position(position_file)
    reader.read(kept if kept is not None else begin, is_following=follow)


class _Reader:
    """Reads pages and shows what is asked for of them."""

    def __init__(self, session: Session, api: Api, kinds: tuple[str, ...], agent_id: str | None, position_file: Path | None) -> None:
        self._session, self._api = session, api
        self._kinds, self._agent_id, self._position_file = kinds, agent_id, position_file
        self._names: dict[str, str] = {}

    def read(self, after: int | None, *, is_following: bool) -> None:
        """Show everything after a number (None: from the oldest); return at the present end, or never if following."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while True:
            wait_seconds = WAIT_SECONDS if is_following and after is not None else 0
            try:
                page = self._api.get("events", after=after, limit=PAGE_EVENTS, wait=wait_seconds, wait_seconds=wait_seconds)
                self._show_all(page["items"])
            except Unreachable as lost:
                if not is_following:
                    raise
                self._session.say(f"spotctl: {lost}; trying again")
                self._session.clock.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
                continue
            pause_seconds, after = FIRST_PAUSE_SECONDS, int(page["next_after"])
            # Kept only after it was shown: what a death loses in between is shown once more, never left out.
            if self._position_file is not None:
                write_position(self._position_file, after)
            if not is_following and len(page["items"]) < PAGE_EVENTS:
                return

    def _show_all(self, items: list[Json]) -> None:
        wanted = [event for event in items if self._is_wanted(event)]
        if not self._session.is_json:
            self._learn_names({str(event["agent_id"]) for event in wanted if event["agent_id"] is not None})
        for event in wanted:
            click.echo(json.dumps(event, separators=(",", ":")) if self._session.is_json else self._line(event))

    def _is_wanted(self, event: Json) -> bool:
        return (not self._kinds or event["kind"] in self._kinds) and (self._agent_id is None or event["agent_id"] == self._agent_id)

    def _learn_names(self, agent_ids: set[str]) -> None:
        if agent_ids - self._names.keys():
            self._names |= {agent["agent_id"]: agent["logical_agent_id"] for agent in self._api.items("agents", "history")}
            self._names |= {agent_id: agent_id for agent_id in agent_ids - self._names.keys()}

    def _line(self, event: Json) -> str:
        facts = " ".join(f"{name}={_short(value)}" for name, value in event["data"].items() if value not in (None, "", [], {}))
        who = self._names.get(event["agent_id"] or "", "-")
        return clean(f"{event['sequence']:>6}  {event['at']}  {who:<12} {event['kind']:<22} {event['instance_id'] or '-'}  {facts}")


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text if len(text) <= 100 else f"{text[:97]}..."
