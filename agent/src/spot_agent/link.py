"""The daemon's dealings with the server, as the workers need them: one meaning for each failure, nothing lost."""

from __future__ import annotations

from dataclasses import replace

from spot_agent import metrics
from spot_agent.clock import Bell
from spot_agent.errors import JournalUnwritable, NotRegistered, ServerFailed, ServerRefused, ServerUnreachable, TokenRefused
from spot_agent.journal import Change, Journal
from spot_agent.journal_contents import CommandRecord, UnsentReport, with_acknowledged, with_unsent, without_unsent
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import JsonObject
from spot_agent.outcomes import Failed
from spot_agent.ports import CentralApi

ANSWERS_AT_ONCE = 20


class Link:
    """Safe to share between threads."""

    def __init__(self, journal: Journal, live: Live, heartbeat_bell: Bell, log: Log) -> None:
        self._journal = journal
        self._live = live
        self._heartbeat_bell = heartbeat_bell
        self._log = log

    def why_not(self) -> str | None:
        """Why the server cannot be called now; None when it can."""
        facts, contents = self._live.read(), self._journal.read()
        if facts.halted:
            return f"halted: {facts.halted}"
        if contents.token is None:
            return "not registered yet"
        return "the token was refused" if facts.token_refused else None

    def failed(self, call: str, error: ServerFailed) -> Failed:
        """The outcome of a failed call. A refused token makes the heartbeat thread register again, at once."""
        if isinstance(error, TokenRefused):
            self._live.change(lambda facts: replace(facts, token_refused=True))
            self._heartbeat_bell.ring()
            return Failed("token_refused", {"call": call, "detail": str(error)})
        self._live.change(lambda facts: replace(facts, is_server_missed=isinstance(error, ServerUnreachable)))
        if isinstance(error, ServerRefused):
            return Failed("server_refused", {"call": call, "error": str(error)})
        return Failed("server_unreachable", {"call": call, "error": str(error) or type(error).__name__})

    def note(self, change: Change) -> None:
        """Change the journal; a disk that refuses is said, and the change holds in memory."""
        try:
            self._journal.change(change)
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))
        metrics.UNSENT_REPORTS.set(len(self._journal.read().unsent))


class Answers:
    """Outcomes of commands: kept in the journal until the server has acknowledged them."""

    def __init__(self, api: CentralApi, journal: Journal, link: Link, log: Log) -> None:
        self._api = api
        self._journal = journal
        self._link = link
        self._log = log

    def flush(self) -> Failed | None:
        """Post what is not acknowledged yet, oldest first; Failed at the first that does not get through."""
        open_records = [record for record in self._journal.read().commands if record.answer is not None and not record.is_acknowledged]
        for record in open_records[:ANSWERS_AT_ONCE]:
            failed = self.post(record)
            if failed is not None:
                return failed
        return None

    def post(self, record: CommandRecord) -> Failed | None:
        """None when the server has it, or will never take it."""
        try:
            self._api.executed(record.command_id, record.answer or {})
        except (TokenRefused, NotRegistered) as error:
            return self._link.failed("executed", error)
        except ServerRefused as error:
            self._log.failure("answer_refused", command_id=record.command_id, kind=record.kind, error=str(error))
        except ServerFailed as error:
            return self._link.failed("executed", error)
        self._link.note(lambda now: with_acknowledged(now, record.request_id))
        return None


class Reports:
    """Reports that must arrive: kept in the journal from before the first try."""

    def __init__(self, link: Link, log: Log) -> None:
        self._link = link
        self._log = log

    def keep(self, report: UnsentReport) -> None:
        """Until it is acknowledged."""
        self._link.note(lambda now: with_unsent(now, report))

    def drop(self, report: UnsentReport) -> None:
        """It is done with."""
        self._link.note(lambda now: without_unsent(now, report.key))

    def send(self, api: CentralApi, report: UnsentReport) -> JsonObject | Failed:
        """The server's answer, {} when it will never take this report; Failed while it may yet get through."""
        try:
            answer = api.report(report.kind, report.body)
        except (TokenRefused, NotRegistered) as error:
            return self._link.failed(report.kind, error)
        except ServerRefused as error:
            self._log.failure("report_refused", kind=report.kind, error=str(error))
            answer = {}
        except ServerFailed as error:
            return self._link.failed(report.kind, error)
        self.drop(report)
        return answer
