"""The reliability plot: for each tenth of the scale what was said against what happened, as an SVG of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from risk_fitting.measures import Bin

SIDE, MARGIN = 360, 56
COLOURS = ("#1f6fb4", "#c25100", "#3a7d34", "#7b4fa3", "#8a6d00")


def reliability_svg(title: str, sets: Mapping[str, Sequence[Bin]]) -> str:
    """Draw the bins of each set; the size of a mark goes with the root of its samples."""
    width, height = SIDE + 2 * MARGIN + 190, SIDE + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="24" font-size="14">{title}</text>',
        *_frame(),
    ]
    for index, (name, bins) in enumerate(sets.items()):
        colour = COLOURS[index % len(COLOURS)]
        largest = max(one.count for one in bins)
        points = [(_x(one.said), _y(one.happened), 2.5 + 6.0 * (one.count / largest) ** 0.5) for one in bins]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.75"/>' for x, y, radius in points]
        top = MARGIN + 16 + 20 * index
        parts.append(f'<circle cx="{SIDE + MARGIN + 16}" cy="{top - 4}" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{SIDE + MARGIN + 26}" y="{top}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _frame() -> list[str]:
    lines = [f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#555"/>']
    for step in range(6):
        share = step / 5
        lines.append(f'<text x="{_x(share):.0f}" y="{MARGIN + SIDE + 16}" text-anchor="middle">{share:.1f}</text>')
        lines.append(f'<text x="{MARGIN - 6}" y="{_y(share) + 4:.0f}" text-anchor="end">{share:.1f}</text>')
    lines.append(f'<line x1="{_x(0):.0f}" y1="{_y(0):.0f}" x2="{_x(1):.0f}" y2="{_y(1):.0f}" stroke="#999" stroke-dasharray="4 4"/>')
    lines.append(f'<text x="{MARGIN + SIDE / 2}" y="{MARGIN + SIDE + 36}" text-anchor="middle">chance of loss that was said</text>')
    middle = MARGIN + SIDE / 2
    lines.append(f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">share that was lost</text>')
    return lines


def _x(share: float) -> float:
    return MARGIN + SIDE * share


def _y(share: float) -> float:
    return MARGIN + SIDE * (1.0 - share)
