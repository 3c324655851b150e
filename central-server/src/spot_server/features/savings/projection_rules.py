"""What the month will come to: so far, and for the days to come the mean of the last ones, with an interval from their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

CENT = Decimal("0.01")
BASIS_DAYS = 30
"""How many complete days, the newest, the mean and the spread are taken from: a month, in which each weekday comes four times."""

LEAST_DAYS = 2
"""One day has no spread."""

_T_975 = (
    *("12.706", "4.303", "3.182", "2.776", "2.571", "2.447", "2.365", "2.306", "2.262", "2.228"),
    *("2.201", "2.179", "2.160", "2.145", "2.131", "2.120", "2.110", "2.101", "2.093", "2.086"),
    *("2.080", "2.074", "2.069", "2.064", "2.060", "2.056", "2.052", "2.048", "2.045"),
)
"""Student's t at 97.5 % for 1 to 29 degrees of freedom, as in any statistical table."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What a month will have saved, to the cent.

    Of a hundred such months about 95 lie from `low_usd` to `high_usd`, if the days to come are like those of the basis and do not depend on
    each other. The bounds are None with fewer than two days to go by.
    """

    expected_usd: Decimal
    low_usd: Decimal | None
    high_usd: Decimal | None
    basis_days: int
    days_left: Decimal


def project(so_far_usd: Decimal, days_left: Decimal, daily_usd: Sequence[Decimal]) -> Projection | None:
    """Return the month's projection: from what it saved so far, the days left (today's rest is a part of one), complete days, newest last.

    The interval is that of a sum of `days_left` days to come: t x s x sqrt(days_left + days_left^2 / n), with s the spread of the n days.
    None where no complete day is known and days are left.
    """
    basis = list(daily_usd)[-BASIS_DAYS:]
    if not basis:
        return Projection(so_far_usd.quantize(CENT), None, None, 0, days_left) if days_left == 0 else None
    count = Decimal(len(basis))
    mean = sum(basis, start=Decimal(0)) / count
    expected = so_far_usd + mean * days_left
    if len(basis) < LEAST_DAYS:
        return Projection(expected.quantize(CENT), None, None, len(basis), days_left)
    spread = (sum(((one - mean) ** 2 for one in basis), start=Decimal(0)) / (count - 1)).sqrt()
    reach = Decimal(_T_975[len(basis) - 2]) * spread * (days_left + days_left**2 / count).sqrt()
    return Projection(expected.quantize(CENT), (expected - reach).quantize(CENT), (expected + reach).quantize(CENT), len(basis), days_left)
