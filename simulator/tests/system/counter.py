"""An application as a customer's might be: it writes a number every 10 ms, and takes the prober's writes beside that.

A line of its file is `NUMBER NANOSECONDS INSTANCE`; it is on the disk (flush, fsync) before the next one is thought of. The
numbers go on from the last whole line that is there. The instance's init runs it, as the service `workload`.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from spot_simulator.workload import STOP_SIGNALS, Settings, Workload, WriteLog

PERIOD_SECONDS = 0.01
FILE = Path("srv/workload/counter.log")
"""On the instance's disk."""


def last_number(path: Path) -> int:
    """Cut off a torn last line, and return the number of the line before; 0 in a new file."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    path.write_bytes(whole) if whole != content else path.touch()
    return int(whole.splitlines()[-1].split()[0]) if whole else 0


def count(path: Path, instance_id: str, stop: threading.Event) -> None:
    """Write until told to stop."""
    number = last_number(path)
    with path.open("a") as file:
        while not stop.wait(PERIOD_SECONDS):
            number += 1
            file.write(f"{number} {time.time_ns()} {instance_id}\n")
            file.flush()
            os.fsync(file.fileno())


def tell(event: str) -> None:
    sys.stdout.write(json.dumps({"event": event}) + "\n")
    sys.stdout.flush()


def main() -> int:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    settings = Settings.from_env(os.environ)
    if signal.sigtimedwait(STOP_SIGNALS, settings.start_seconds) is not None:
        return 0
    log = WriteLog(settings.instance_root / "srv" / "workload" / "writes.log")
    front = Workload(settings, log)
    stop = threading.Event()
    counter = threading.Thread(target=count, args=(settings.instance_root / FILE, settings.instance_id, stop))
    acceptor = threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.1})
    counter.start()
    acceptor.start()
    tell("serving")
    signal.sigwait(STOP_SIGNALS)
    stop.set()
    counter.join()
    front.shutdown()
    front.server_close()
    front.drain(1.0)
    log.close()
    tell("stopped")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
