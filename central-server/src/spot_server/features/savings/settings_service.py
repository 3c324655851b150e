"""How a client's days are counted and compared: shown, and changed by a person."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from spot_server.db.runner import Transaction
from spot_server.features.audit.service import record
from spot_server.features.clients.queries import update_client
from spot_server.features.savings.reckoning import MILLION
from spot_server.features.savings.service import terms_of


@dataclass(frozen=True, slots=True)
class SavingsSettings:
    """The client's time zone (an IANA name), and by how much less than the list price it pays on demand (0 to 1)."""

    time_zone: str
    on_demand_discount_ratio: Decimal


def read_settings(tx: Transaction, client_id: str) -> SavingsSettings:
    """Return them; NotFound for a client that there is not."""
    terms = terms_of(tx, client_id)
    return SavingsSettings(terms.time_zone, terms.discount_ratio)


def change_settings(
    tx: Transaction, client_id: str, *, user_id: str, time_zone: str | None = None, on_demand_discount_ratio: Decimal | None = None
) -> SavingsSettings:
    """Change what is not None, with an audit row; nothing happens if all is as it was. Days in the books stay until reckoned again."""
    old = read_settings(tx, client_id)
    new = SavingsSettings(
        time_zone or old.time_zone, old.on_demand_discount_ratio if on_demand_discount_ratio is None else on_demand_discount_ratio
    )
    if new == old:
        return old
    update_client(tx, client_id, time_zone=new.time_zone, on_demand_discount_ppm=int(new.on_demand_discount_ratio * MILLION))
    record(
        tx,
        client_id=client_id,
        agent_id=None,
        instance_id=None,
        user_id=user_id,
        action="savings.settings_changed",
        reason="",
        pre_state=_state(old),
        post_state=_state(new),
    )
    return new


def _state(settings: SavingsSettings) -> dict[str, str]:
    return {"time_zone": settings.time_zone, "on_demand_discount_ratio": str(settings.on_demand_discount_ratio)}
