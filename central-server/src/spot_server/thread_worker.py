"""gunicorn's threaded worker, made to let go of the port as soon as it is told to stop: a successor may be waiting for it."""

from __future__ import annotations

import os

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]


class PromptWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own keeps its listening socket until its last request has ended: the port of a killed master stays taken that long."""

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Accept connections or do not; close the socket when that is for good."""
        super().set_accept_enabled(enabled)
        if not enabled and (not self.alive or self._is_orphan()):
            for listener in self.sockets:
                listener.close()

    def run(self) -> None:
        """Serve until told to stop, or until the master is gone."""
        super().run()
        if self._is_orphan():
            # Leaving the normal way waits for every request, and no master is left that would end one that hangs.
            os._exit(0)

    def _is_orphan(self) -> bool:
        is_orphan: bool = self.ppid != os.getppid()
        return is_orphan
