"""How long a look may wait that found nothing to change. Pure.

What a look finds depends on rows and on the time. Rows are watched: a change is followed by a look at once, as in the product. Time
alone changes what is found at limits that count from the last change, such as "no answer for 60 seconds": whoever looks again when a
tenth more time has passed meets each such limit at most a tenth late.
"""

EXACTLY_SECONDS = 1e-6
"""Below this two moments are one: sums of periods are not exact."""
LATENESS_RATIO = 0.1
LONGEST_SECONDS = 25.0
"""Also limits that count from longer ago, such as the pause of a rescue, are met at most this late.

With a job's period it stays below the 30 s after which the watch over silences takes its own process for one that stood still.
"""


def patience_seconds(period_seconds: float, unchanged_seconds: float) -> float:
    """Return how long the next look may wait when nothing that the last one read was changed for `unchanged_seconds`."""
    return max(period_seconds, min(LONGEST_SECONDS, unchanged_seconds * LATENESS_RATIO))


def until_tick_seconds(period_seconds: float, since_first_seconds: float) -> float:
    """Return how long it is until the next multiple of the period: what looks at a period never looks between two of its ticks."""
    left_seconds = -since_first_seconds % period_seconds
    return 0.0 if period_seconds - left_seconds < EXACTLY_SECONDS else left_seconds
