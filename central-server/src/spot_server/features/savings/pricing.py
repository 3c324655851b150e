"""The prices of the account that come from settings."""

from __future__ import annotations

from spot_server.features.savings.rules import Tariff
from spot_server.settings import Settings


def tariff_of(settings: Settings) -> Tariff:
    """Return what an operator set."""
    return Tariff(
        snapshot_usd_per_gb_month=settings.snapshot_usd_per_gb_month,
        snapshot_change_ratio=settings.snapshot_change_ratio,
        address_usd_per_hour=settings.public_address_usd_per_hour,
    )
