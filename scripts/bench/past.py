"""What befell a fleet in the last weeks: instances that ended, and losses. Risks are learned from it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances, spot_interruption_events
from spot_server.words import InterruptionKind, Mode, Role

ENDED_PER_AGENT = 2
"""One of them was lost, so that there are as many losses as agents."""

LOOK_BACK_HOURS = 600.0
ROWS_AT_ONCE = 5_000


def store_past(tx: Transaction, places: Sequence[tuple[str, str]]) -> None:
    """Let every instance be some weeks old, and have had two before it somewhere in `places` (type, AZ id), of which EC2 took one."""
    drawn = random.Random(1)  # noqa: S311 - the same past each time
    living = [dict(row._mapping) for row in tx.execute(select(instances))]  # noqa: SLF001 - SQLAlchemy's public name
    for part in range(100):
        ids = [row["instance_id"] for row in living[part::100]]
        began_at = tx.now - timedelta(hours=drawn.uniform(0, LOOK_BACK_HOURS))
        tx.execute(update(instances).where(instances.c.instance_id.in_(ids)).values(registered_at=began_at))
    ended = [_ended(tx, row, turn, drawn.choice(places), drawn) for row in living for turn in range(ENDED_PER_AGENT)]
    for start in range(0, len(ended), ROWS_AT_ONCE):
        tx.execute(insert(instances), ended[start : start + ROWS_AT_ONCE])
    losses = [_loss(row) for row in ended[::ENDED_PER_AGENT]]
    for start in range(0, len(losses), ROWS_AT_ONCE):
        tx.execute(insert(spot_interruption_events), losses[start : start + ROWS_AT_ONCE])


def _ended(tx: Transaction, living: dict[str, Any], turn: int, place: tuple[str, str], drawn: random.Random) -> dict[str, Any]:
    instance_type, az_id = place
    began_at = tx.now - timedelta(hours=drawn.uniform(0, LOOK_BACK_HOURS))
    ended_at = began_at + (tx.now - began_at) * drawn.random()
    placed = {"instance_type": instance_type, "az_id": az_id, "mode": Mode.SPOT}
    over = {"role": Role.TERMINATED, "primary_of": None, "role_changed_at": ended_at, "terminated_at": ended_at}
    seen = {"registered_at": began_at, "last_heartbeat_at": ended_at, "launched_by_server": True}
    return {**living, "instance_id": f"i-{turn + 1}{living['instance_id'][3:]}", **placed, **over, **seen}


def _loss(lived: dict[str, Any]) -> dict[str, Any]:
    shared = {name: lived[name] for name in ("agent_id", "instance_id", "client_id", "region", "az_id", "instance_type")}
    event_id = f"loss-{lived['instance_id']}"
    told = {"detected_at": lived["terminated_at"], "received_at": lived["terminated_at"], "response": "handover"}
    return {"event_id": event_id, "notice_id": event_id, "kind": InterruptionKind.TERMINATE, "instance_role": "PRIMARY", **shared, **told}
