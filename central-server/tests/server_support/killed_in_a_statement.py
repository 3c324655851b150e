"""Run as a process of its own, since gevent changes the whole of it: kill a greenlet that waits for the database, then go on."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402 - after the patches, like everything below

import gevent  # noqa: E402
from sqlalchemy import insert, text  # noqa: E402

from spot_server.clock import SystemClock  # noqa: E402
from spot_server.db.engine import create_database_engine  # noqa: E402
from spot_server.db.runner import Database, Transaction  # noqa: E402
from spot_server.db.tables import clients  # noqa: E402

FAR_TOO_LONG_SECONDS = 5


def main(url: str) -> None:
    """Write what became of the greenlet, and what the pool's only connection answers afterwards."""
    database = Database(create_database_engine(url, pool_size=1), clock=SystemClock(), sleeper=SystemClock())
    is_waiting = gevent.event.Event()

    def wait_in_a_statement(tx: Transaction) -> None:
        tx.execute(insert(clients).values(client_id="c", name="never", created_at=tx.now))
        is_waiting.set()
        tx.execute(text(f"SELECT SLEEP({FAR_TOO_LONG_SECONDS})"))

    greenlet = gevent.spawn(database.write, wait_in_a_statement)
    is_waiting.wait()
    gevent.idle()
    greenlet.kill()
    answer = database.read(lambda tx: tx.execute(text("SELECT 1")).scalar_one())
    sys.stdout.write(f"ended with {type(greenlet.value).__name__}, then answered {answer}\n")


if __name__ == "__main__":
    main(sys.argv[1])
