"""The prices of every pool of the region: recorded where there is a recording, generated elsewhere."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from spot_simulator.model.catalogue import on_demand_usd_per_hour
from spot_simulator.model.prices import HISTORY_DAYS, GeneratedSeries, PriceAxis, PriceChange, PriceSeries, RecordedSeries, price_at


class PriceBook:
    """Spot price series by (instance type, az id); safe for several threads."""

    def __init__(
        self,
        seed: int,
        axis: PriceAxis,
        recorded: Mapping[tuple[str, str], Sequence[PriceChange]],
        history_days: int = HISTORY_DAYS,
    ) -> None:
        """``recorded`` holds at least one change per pool that it names; of others, ``history_days`` before the start are made up."""
        self._seed, self._axis, self._history_days = seed, axis, history_days
        self._series: dict[tuple[str, str], PriceSeries] = {pool: RecordedSeries(changes) for pool, changes in recorded.items()}
        self._lock = threading.Lock()

    def changes(self, instance_type: str, az_id: str, until: datetime) -> Sequence[PriceChange]:
        """Return the changes up to ``until``; raise ``KeyError`` for a type that the region does not offer."""
        with self._lock:
            series = self._series.get((instance_type, az_id))
            if series is None:
                on_demand = on_demand_usd_per_hour(instance_type)
                if on_demand is None:
                    raise KeyError(instance_type)
                series = GeneratedSeries(self._seed, f"{instance_type}/{az_id}", on_demand, self._axis, self._history_days)
                self._series[instance_type, az_id] = series
            return series.changes_until(until)

    def fix(self, instance_type: str, az_id: str, since: datetime, usd_per_hour: Decimal) -> None:
        """Let a pool cost ``usd_per_hour`` from ``since`` on, which is not in the past; raise ``KeyError`` as ``changes`` does."""
        before = self.changes(instance_type, az_id, since)
        with self._lock:
            self._series[instance_type, az_id] = RecordedSeries([*before, PriceChange(since, usd_per_hour)])

    def spot_usd_per_hour(self, instance_type: str, az_id: str, moment: datetime) -> Decimal:
        """Return the spot price at ``moment``."""
        return price_at(self.changes(instance_type, az_id, moment), moment)
