"""Plots of the results, as SVG of our own: what jobs cost, and what service costs against how much of it there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from spot_server.backtest.policies import JOB_SETTINGS, PolicyName, Setting
from spot_server.backtest.results import ALL_POOLS, Row

COLOURS: Mapping[PolicyName, str] = dict(
    zip(PolicyName, ("#777777", "#3a7d34", "#8a6d00", "#c25100", "#b0487a", "#2a8f8f", "#7b4fa3", "#1f6fb4"), strict=True)
)
LEFT, WIDTH, RIGHT = 210, 420, 170
BAR, GAP, TOP = 15, 16, 56
HEIGHT = 300


def plots(rows: Sequence[Row]) -> dict[str, str]:
    """Return the plots by their file names: one for each setting of jobs, one for each set and setting of machines that serve."""
    found = {}
    whole = [row for row in rows if row.pool == ALL_POOLS]
    for setting in JOB_SETTINGS:
        jobs = [row for row in whole if row.setting is setting]
        if jobs:
            found[f"backtest-{setting}.svg"] = jobs_svg(jobs)
    for setting in (Setting.ALWAYS_ON, Setting.REPLICAS):
        for name in dict.fromkeys(row.set_name for row in whole):
            mine = [row for row in whole if row.setting is setting and row.set_name == name]
            if mine:
                found[f"backtest-{setting}-{name}.svg"] = service_svg(mine)
    return found


def jobs_svg(rows: Sequence[Row]) -> str:
    """Draw a bar for each policy of each set; the line across is the clairvoyant optimum."""
    sets = list(dict.fromkeys(row.set_name for row in rows))
    height = TOP + sum(GAP + 14 + BAR * sum(row.set_name == name for row in rows) for name in sets) + 40
    most = max(1.0, *(row.cost for row in rows))
    freedom = "in one zone" if rows[0].setting is Setting.JOB else "among zones"
    parts = [*_head(f"Cost of jobs with a deadline {freedom}, by that on demand (line: clairvoyant optimum)", LEFT + WIDTH + RIGHT, height)]
    y = float(TOP)
    for name in sets:
        mine = [row for row in rows if row.set_name == name]
        parts.append(f'<text x="8" y="{y + 10:.0f}" font-weight="bold">{escape(name)}</text>')
        y += 14
        optimum = LEFT + WIDTH * mine[0].optimum / most
        bottom = y + BAR * len(mine)
        for row in mine:
            parts.append(f'<text x="{LEFT - 6}" y="{y + 11:.0f}" text-anchor="end">{row.policy}</text>')
            length = WIDTH * row.cost / most
            parts.append(f'<rect x="{LEFT}" y="{y:.0f}" width="{length:.1f}" height="{BAR - 3}" fill="{COLOURS[row.policy]}"/>')
            parts.append(f'<text x="{LEFT + length + 5:.1f}" y="{y + 11:.0f}">{row.cost:.4f}</text>')
            y += BAR
        parts.append(
            f'<line x1="{optimum:.1f}" x2="{optimum:.1f}" y1="{bottom - BAR * len(mine) - 2:.0f}" y2="{bottom:.0f}" stroke="#000"/>'
        )
        y += GAP
    return "\n".join([*parts, "</svg>", ""])


def service_svg(rows: Sequence[Row]) -> str:
    """Draw each policy at its cost and availability; the small mark is the clairvoyant optimum of the service that it gave."""
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + 50
    low = min(0.99, *(row.availability for row in rows))
    most = max(1.0, *(row.cost for row in rows))
    left = 70

    def x(cost: float) -> float:
        return left + WIDTH * cost / most

    def y(availability: float) -> float:
        return TOP + HEIGHT * (1.0 - availability) / (1.0 - low)

    parts = [*_head(f"{rows[0].set_name}, {rows[0].setting}: availability and cost", width, height)]
    parts.append(f'<rect x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#555"/>')
    for step in range(6):
        cost, share = most * step / 5, low + (1.0 - low) * step / 5
        parts.append(f'<text x="{x(cost):.0f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{cost:.2f}</text>')
        parts.append(f'<text x="{left - 6}" y="{y(share) + 4:.0f}" text-anchor="end">{share:.3f}</text>')
    parts.append(f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">cost, by that on demand</text>')
    for place, row in enumerate(rows):
        colour = COLOURS[row.policy]
        at = y(row.availability)
        parts += _mark(x(row.cost), x(row.optimum), at, colour)
        label = TOP + 14 + 20 * place
        parts.append(f'<circle cx="{left + WIDTH + 20}" cy="{label - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{left + WIDTH + 30}" y="{label}">{row.policy} {row.cost:.3f}, {row.availability:.4f}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _mark(cost: float, optimum: float, y: float, colour: str) -> Iterator[str]:
    yield f'<line x1="{optimum:.1f}" x2="{cost:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-dasharray="3 3"/>'
    yield f'<circle cx="{optimum:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
    yield f'<circle cx="{cost:.1f}" cy="{y:.1f}" r="6" fill="{colour}" fill-opacity="0.8"/>'


def _head(title: str, width: int, height: float) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" font-family="sans-serif" font-size="12" role="img">'
        f"<title>{escape(title)}</title>"
    )
    yield f'<rect width="{width}" height="{height:.0f}" fill="#fff"/>'
    yield f'<text x="8" y="24" font-size="14">{escape(title)}</text>'
