"""The first thing that the daemon does: find out who it is, whose journal this is, and whether it may serve."""

from __future__ import annotations

from dataclasses import replace

from spot_agent.discovery import read_identity
from spot_agent.errors import ActFailed, JournalUnwritable
from spot_agent.journal import Journal
from spot_agent.logs import Log
from spot_agent.model import Identity
from spot_agent.outcomes import Did, Failed, Outcome
from spot_agent.ports import Imds
from spot_agent.rules.clones import Origin, origin_of, own_journal
from spot_agent.stillness import Stillness
from spot_agent.workload import Workload


class Startup:
    """`step` until `identity` is known. Nothing but a thaw is acted on before that, whatever the journal says."""

    def __init__(self, imds: Imds, journal: Journal, workload: Workload, stillness: Stillness, log: Log, hook_bound_seconds: float) -> None:
        self._imds = imds
        self._journal = journal
        self._workload = workload
        self._stillness = stillness
        self._log = log
        self._hook_bound_seconds = hook_bound_seconds
        self.identity: Identity | None = None

    def step(self) -> Outcome:
        """Did once; Failed while the metadata service gives no definite answer."""
        # Whoever this is: a workload that a dead daemon left frozen is down, and so is a clone that was made in that moment.
        self._stillness.settle()
        identity = read_identity(self._imds)
        if identity is None:
            return Failed("identity_unknown")
        origin = origin_of(self._journal.read(), identity.instance_id)
        if origin is Origin.OURS:
            self._go_on()
        else:
            self._begin_anew(identity, origin)
        self.identity = identity
        return Did("started", {"instance_id": identity.instance_id, "journal": origin.value})

    def _go_on(self) -> None:
        contents = self._journal.read()
        if contents.released:
            if contents.may_serve:
                self._workload.grant()
            return
        if contents.may_serve and contents.end_announced and not self._workload.is_granted():
            self._wait_to_be_told()
        elif contents.may_serve and not self._workload.is_granted():
            # A boot, and no mere restart of the daemon: the instance may have been stopped, and another be the primary by now.
            self._workload.hold_start()
        elif contents.may_serve:
            self._workload.start_alone(self._hook_bound_seconds)
        elif contents.role is not None and self._workload.is_granted():
            self._stop_workload()

    def _wait_to_be_told(self) -> None:
        """A boot after the end that EC2 announced: the instance counted as stopped, and another may be the primary by now."""
        self._log.warning("booted_after_announced_end")
        try:
            self._journal.change(lambda now: replace(now, quiesced=True, end_announced=False))
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))
        if self._workload.serving() is True:
            self._stop_workload()

    def _begin_anew(self, identity: Identity, origin: Origin) -> None:
        if origin is Origin.FOREIGN:
            parent_id = self._journal.read().instance_id
            self._log.warning("clone_detected", parent_instance_id=parent_id, instance_id=identity.instance_id)
        try:
            self._journal.change(lambda now: own_journal(now, identity.instance_id))
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))
        if origin is Origin.FOREIGN:
            self._workload.revoke()
            if self._workload.serving() is True:
                self._stop_workload()

    def _stop_workload(self) -> None:
        try:
            self._workload.stop_if_forbidden(self._hook_bound_seconds)
        except ActFailed as error:
            self._log.failure("workload_not_stopped", code=error.code, reason=error.message)
