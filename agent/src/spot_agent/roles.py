"""Carries out what rules/roles.py decides: every change of role, epoch and permission to serve goes through here."""

from __future__ import annotations

from dataclasses import replace

from spot_agent import metrics
from spot_agent.errors import ActFailed, ErrorClass, JournalUnwritable
from spot_agent.journal import Change, Journal
from spot_agent.journal_contents import JournalContents
from spot_agent.logs import Log
from spot_agent.model import Role, ServerView
from spot_agent.rules.roles import RoleChange, Turn, follow_server, known_from
from spot_agent.workload import Workload


class Roles:
    """Permission is journalled before the workload is touched: a crash in between leaves it stopped, never twice started.

    A journal that cannot be saved never keeps a workload from being stopped.
    """

    def __init__(self, journal: Journal, workload: Workload, log: Log, hook_bound_seconds: float) -> None:
        self._journal = journal
        self._workload = workload
        self._log = log
        self._hook_bound_seconds = hook_bound_seconds

    def follow(self, view: ServerView) -> Turn:
        """Do what the server's view asks for. A demotion whose hook fails stands; `settle` tries the hook again."""
        decided: list[RoleChange] = []

        def apply(now: JournalContents) -> JournalContents:
            change = follow_server(now.role, now.epoch, view)
            decided[:] = [change]
            keeps_serving = now.may_serve and change.turn is not Turn.DEMOTE and change.role is Role.PRIMARY
            known = now.served_known_from
            if known is None:
                known = known_from(change.role, change.epoch)
            return replace(now, role=change.role, epoch=change.epoch, quiesced=not keeps_serving, served_known_from=known)

        before = self._journal.read()
        self._note(apply)
        change = decided[0]
        if change.turn is Turn.DEMOTE:
            self._log.warning("demoted_by_newer_epoch", epoch=change.epoch, was_epoch=before.epoch)
            self._stop_or_say()
        elif change.turn is Turn.ADOPT:
            self._log.info("role_adopted", role=change.role, epoch=change.epoch, was=before.role)
        return change.turn

    def learn_epoch(self, epoch: int) -> None:
        """A command carried a newer one."""
        self._note(lambda now: replace(now, epoch=max(now.epoch, epoch)))

    def promote(self, epoch: int, bound_seconds: float) -> None:
        """Become the PRIMARY that serves; a quiesced PRIMARY serves again.

        On ActFailed it stays the PRIMARY, quiesced and stopped; but for one that was allowed to serve before: a workload
        that takes its time to come back is not stopped for having been told once more.
        That it may have served under this epoch is noted before the start, and taken back only if its serving check said no throughout.
        """
        before = self._journal.read()
        contents = self._note(lambda now: _promoted(now, epoch))
        if contents.epoch > epoch:
            raise _overtaken(contents)
        try:
            self._workload.start(bound_seconds)
        except ActFailed:
            if not before.may_serve:
                self._note(lambda now: replace(now, quiesced=True))
                is_stopped = self._stop_or_say()
                if is_stopped and before.served_epoch != epoch and self._workload.has_stayed_silent():
                    self._note(lambda now: replace(now, served_epoch=before.served_epoch))
            raise

    def quiesce(self, bound_seconds: float) -> None:
        """Stop writes and confirm.

        On ActFailed the workload is allowed and started again: a failed step leaves the old primary serving.
        """
        before = self._journal.read()
        # A handover that began without the server, and is not committed, is the server's from here on.
        self._note(lambda now: replace(now, quiesced=True, handover=None if now.role is Role.PRIMARY else now.handover))
        try:
            self._workload.stop(bound_seconds)
        except ActFailed:
            if before.may_serve:
                self._note(lambda now: replace(now, quiesced=now.role is not Role.PRIMARY or now.epoch != before.epoch))
                self._workload.start_alone(self._hook_bound_seconds)
            raise

    def demote(self, epoch: int, bound_seconds: float) -> bool | None:
        """Be the primary no more, and return whether the workload may have served under `epoch`; None: that is not known.

        On ActFailed the role is given up all the same, but silence is not confirmed.
        """
        contents = self._note(lambda now: _demoted(now, epoch))
        if contents.epoch > epoch:
            raise _overtaken(contents)
        self._workload.stop(bound_seconds)
        return contents.has_served_under(epoch)

    def withdraw(self) -> bool:
        """Take the permission to serve back until the server gives it again. Whether there was one; the workload is left to `silence`."""
        was_allowed = self._journal.read().may_serve
        if was_allowed:
            self._note(lambda now: replace(now, quiesced=True))
            self._workload.revoke()
        return was_allowed

    def silence(self) -> None:
        """Stop a workload that may not serve. One that cannot be stopped is said, and tried again by `settle`."""
        self._stop_or_say()

    def settle(self) -> str | None:
        """Make the workload fit the journal: a failed start or stop is tried again. What was done, or None."""
        contents, serving = self._journal.read(), self._workload.last_serving()
        if contents.role is None or contents.released:
            return None
        if contents.may_serve and self._workload.is_start_held():
            return None
        if contents.may_serve:
            if self._workload.is_start_pending() or not self._workload.is_granted():
                self._workload.start_alone(self._hook_bound_seconds)
                return "start"
            return None
        if self._workload.is_granted() or serving is True or self._workload.is_stop_pending():
            self._stop_or_say()
            return "stop"
        return None

    def _stop_or_say(self) -> bool:
        """Whether it was stopped, and that is confirmed."""
        try:
            return self._workload.stop_if_forbidden(self._hook_bound_seconds)
        except ActFailed as error:
            self._log.failure("workload_not_stopped", code=error.code, reason=error.message)
            return False

    def _note(self, change: Change) -> JournalContents:
        try:
            contents = self._journal.change(change)
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))
            contents = self._journal.read()
        metrics.EPOCH.set(contents.epoch)
        return contents


def _promoted(contents: JournalContents, epoch: int) -> JournalContents:
    if contents.epoch > epoch:
        return contents
    # Who is told to serve by the server does not hand over by itself any more.
    return replace(contents, role=Role.PRIMARY, epoch=epoch, quiesced=False, handover=None, served_epoch=epoch)


def _demoted(contents: JournalContents, epoch: int) -> JournalContents:
    if contents.epoch > epoch:
        return contents
    return replace(contents, role=Role.ZOMBIE, epoch=epoch, quiesced=True)


def _overtaken(contents: JournalContents) -> ActFailed:
    return ActFailed(ErrorClass.STALE_EPOCH, "stale_epoch", f"epoch {contents.epoch} was learnt in the meantime")
