"""Health checks over HTTP, each in a thread of a small pool: a workload that hangs holds up nobody else's."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException

from spot_simulator.ports import Checked, Lead

_LEAST_SECONDS = 1.0
"""Of real time that a workload gets, however fast the region runs: it answers in this machine's time."""
_THREADS = 8


class HttpHealthChecker:
    """Asks with GET, and takes no redirect."""

    def __init__(self) -> None:
        """Start no thread yet."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="health")

    def check(self, lead: Lead, path: str, timeout_seconds: float, told: Callable[[Checked], None]) -> None:
        """Ask, and say later what came of it."""
        self._pool.submit(lambda: told(_asked(lead, path, max(_LEAST_SECONDS, timeout_seconds))))

    def stop(self) -> None:
        """Begin no more checks; those that are under way end with their time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _asked(lead: Lead, path: str, timeout_seconds: float) -> Checked:
    connection = HTTPConnection(lead.address, lead.port, timeout=timeout_seconds)
    try:
        connection.request("GET", path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        return Checked(connection.getresponse().status)
    except TimeoutError:
        return Checked(None, is_timed_out=True)
    except (OSError, HTTPException):
        return Checked(None)
    finally:
        connection.close()
