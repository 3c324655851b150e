"""Instances whose tags name no agent of their client: nobody owns them, and nobody may end them. A person is told.

The database may have been restored from a backup that is older than their agent: then they are all that knows of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import notifications
from spot_server.features.audit.service import record
from spot_server.features.notifications.service import notify
from spot_server.features.sweeper import evidence
from spot_server.features.sweeper.acts import BY
from spot_server.features.sweeper.holds import list_holds, note_unknown_agent
from spot_server.features.sweeper.rules import Quarantine, SweepPolicy, Verdict, epoch_ahead, judge_instance
from spot_server.features.sweeper.sightings import Seen
from spot_server.words import Severity

_NO_PATIENCE = SweepPolicy(settle_seconds=0.0)
"""Nobody's launch made it that could still claim it: the agent of a launch is in the books before it."""

AGENT_ID_CHARACTERS = 36
"""As long as the ids are that we give."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """One such instance. `unknown_agent_id`: what its tags name is no agent of anybody; None when they name none, or another client's."""

    client_id: str
    seen: Seen
    unknown_agent_id: str | None


def unnamed(client_id: str, seen: Iterable[Seen], known_ids: Iterable[str]) -> list[Unnamed]:
    """Return these sightings as instances that name no agent of the client. `known_ids`: all agents among those that the tags name."""
    known = set(known_ids)
    found = []
    for one in seen:
        named = one.sighting.agent_id
        is_unknown = named is not None and named not in known and len(named) <= AGENT_ID_CHARACTERS
        found.append(Unnamed(client_id, one, named if is_unknown else None))
    return found


def needs_telling(tx: Transaction, found: Unnamed) -> bool:
    """Tell whether anything about it is not recorded yet. Reads only."""
    verdict = _judge(tx, found)
    if not isinstance(verdict, Quarantine):
        return False
    told = select(notifications.c.notification_id).where(notifications.c.dedupe_key == _key(found, verdict))
    return _new_epoch(tx, found) is not None or tx.execute(told).first() is None


def tell(tx: Transaction, found: Unnamed) -> bool:
    """Tell of it, once for each instance and doubt, and hold the sweeper back where its tags carry an agent's epoch; False: told before."""
    verdict = _judge(tx, found)
    if not isinstance(verdict, Quarantine):
        return False
    sighting = found.seen.sighting
    epoch = _new_epoch(tx, found)
    if epoch is not None and found.unknown_agent_id is not None:
        note_unknown_agent(tx, found.client_id, found.unknown_agent_id, sighting.instance_id, epoch)
    names = "no agent" if sighting.agent_id is None else f"agent {sighting.agent_id}"
    is_new = notify(
        tx,
        client_id=found.client_id,
        agent_id=None,
        severity=Severity.WARNING,
        kind="stray_quarantined",
        text=f"instance {sighting.instance_id} carries our tags ({names}), and is left alone: {verdict.reason}. A person must look.",
        dedupe_key=_key(found, verdict),
    )
    if is_new:
        data = {"kind": "instance", "id": sighting.instance_id, "doubt": verdict.doubt, "reason": verdict.reason}
        record(
            tx,
            client_id=found.client_id,
            agent_id=None,
            instance_id=sighting.instance_id,
            user_id=BY,
            action="sweeper.quarantined",
            reason=verdict.reason,
            pre_state=None,
            post_state={**data, "named_agent_id": sighting.agent_id, "seen_by": found.seen.reporter_id},
        )
        tx.emit("stray_quarantined", client_id=found.client_id, agent_id=None, instance_id=sighting.instance_id, data=data)
    return is_new


def _judge(tx: Transaction, found: Unnamed) -> Verdict:
    sighting = found.seen.sighting
    return judge_instance(sighting, evidence.books_without_agent(tx, found.client_id, sighting), policy=_NO_PATIENCE, now=tx.now)


def _new_epoch(tx: Transaction, found: Unnamed) -> int | None:
    """Return the epoch that the database does not know, if it is not noted yet: an agent that nobody made has none."""
    if found.unknown_agent_id is None:
        return None
    hold = next((one for one in list_holds(tx, found.client_id) if one.agent_id == found.unknown_agent_id), None)
    return epoch_ahead(0, 0 if hold is None else hold.seen_epoch, [found.seen.sighting.epoch])


def _key(found: Unnamed, verdict: Quarantine) -> str:
    return f"stray_quarantined/{found.client_id}/{found.seen.sighting.instance_id}/{verdict.doubt}"
