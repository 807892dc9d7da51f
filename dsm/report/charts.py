"""Charts as SVG that needs no script and no style of its own: bars by class, two sides by shape.

A is a filled bar and B an outline, so that they differ without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dsm.model.names import printable

WIDTH, HEIGHT = 320, 90


def text(value: str) -> str:
    """Returns a text that is no markup, whatever it holds."""
    return escape("\n".join(map(printable, value.split("\n"))))


def percent(share: float) -> str:
    """Returns a share from 0 to 1 as text; what is there is never told as nothing."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def bar(share: float, other: float | None = None) -> str:
    """Returns a bar of a share from 0 to 1; with another one an outline behind it."""
    second = ""
    if other is not None:
        second = f'<rect class="o" x="1" y="1" width="{max(1.0, other * 238):.1f}" height="12"/>'
    return (
        '<svg width="240" height="14" aria-hidden="true">'
        f'<rect class="a" y="3" width="{share * 240:.1f}" height="8"/>{second}</svg>'
    )


def histogram(
    name: str, counts: Sequence[int], low: str, high: str, other: Sequence[int] | None = None
) -> str:
    """Returns columns of counts, each side as shares of its own; `low` and `high` are the ends."""
    sides = [side for side in (counts, other) if side is not None]
    shares = [[count / (sum(side) or 1) for count in side] for side in sides]
    top = max((share for side in shares for share in side), default=0) or 1
    step = WIDTH / max(1, len(counts))
    parts = []
    for at, side in enumerate(shares):
        kind = "o" if at else "a"
        for i, share in enumerate(side):
            if share:
                high_px = max(1.0, share / top * (HEIGHT - 20))
                parts.append(
                    f'<rect class="{kind}" x="{i * step + 1:.1f}" y="{HEIGHT - 16 - high_px:.1f}"'
                    f' width="{max(1.0, step - 2):.1f}" height="{high_px:.1f}">'
                    f"<title>{share:.1%}</title></rect>"
                )
    return (
        f'<figure><figcaption>{text(name)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}"'
        f' role="img" aria-label="histogram of {text(name)}">{"".join(parts)}'
        f'<text x="0" y="{HEIGHT - 2}">{text(low)}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT - 2}" text-anchor="end">{text(high)}</text></svg></figure>'
    )
