"""Curves as SVG: one file that needs no other, for light and dark, and told apart without colours.

Colours are those of Okabe and Ito, dashes and marks differ as well. Text is escaped: names of runs
and metrics are whatever people wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from dsm.model.names import printable
from dsm.runs.curves import Curve, Scale, scales

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 44, 48
LINE = 20
NAME_MAX = 60
MARKS_MAX = 12
# (light, dark, dashes, mark); a ninth curve begins again.
STYLES = (
    ("#0072b2", "#56b4e9", "", "circle"), ("#d55e00", "#e69f00", "7 4", "square"),
    ("#007a5a", "#2fc99c", "2 3", "up"), ("#a0527f", "#dd9ac0", "10 3 2 3", "diamond"),
    ("#8a6d00", "#f0e442", "4 2", "down"), ("#3a7ca5", "#9bd3f5", "12 4", "circle"),
    ("#944000", "#ff9b5e", "1 4", "square"), ("#333333", "#dddddd", "6 2 1 2", "up"),
)  # fmt: skip
CURVES_MAX = len(STYLES)
_SHAPES = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", "square": "M-4 -4h8v8h-8z",
    "up": "M0 -5L5 4H-5z", "down": "M0 5L5 -4H-5z", "diamond": "M0 -5L5 0L0 5L-5 0z",
}  # fmt: skip


def svg(title: str, curves: Sequence[Curve], *, log: bool = False, style: bool = True) -> str:
    """Returns the picture of some curves, at most `CURVES_MAX`, with their names below.

    Without `style` it stands in a page that has `plot_style()`.
    """
    found = scales(curves, log=log)
    height = HEIGHT + LINE * len(curves)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' class="dsm-plot" width="{WIDTH}" height="{height}">',
        f"<title>{_text(title)}</title>", f"<style>{plot_style()}</style>" if style else "",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="26">{_text(title)}</text>',
    ]  # fmt: skip
    if found is None:
        lines.append(f'<text x="{LEFT}" y="{HEIGHT // 2}">no finite value</text>')
    else:
        lines += _axes(*found)
        for number, each in enumerate(curves):
            lines += _curve(number % CURVES_MAX, each, *found)
    for number, each in enumerate(curves):
        lines += _legend(number % CURVES_MAX, each, HEIGHT + LINE * number)
    return "\n".join([*lines, "</svg>\n"])


def plot_style() -> str:
    """Returns the rules of style of pictures."""
    light = {f"c{at}": style[0] for at, style in enumerate(STYLES)}
    dark = {f"c{at}": style[1] for at, style in enumerate(STYLES)}
    light |= {"ink": "#1a1a1a", "paper": "#ffffff", "grid": "#d9d9d9"}
    dark |= {"ink": "#e8e8e8", "paper": "#16181c", "grid": "#3a3d42"}

    def variables(colours: dict[str, str]) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in colours.items())

    rules = [
        f".dsm-plot{{{variables(light)}font:13px system-ui,sans-serif;max-width:100%;height:auto}}",
        f"@media (prefers-color-scheme:dark){{.dsm-plot{{{variables(dark)}}}}}",
        ".dsm-plot text{fill:var(--ink)}.dsm-plot .title{font-weight:600;font-size:15px}",
        ".dsm-plot .paper{fill:var(--paper)}.dsm-plot .grid{stroke:var(--grid)}",
        ".dsm-plot .line{fill:none;stroke-width:2;stroke-linejoin:round}",
    ]
    for at, style in enumerate(STYLES):
        dashes = f"stroke-dasharray:{style[2]};" if style[2] else ""
        rules.append(f".dsm-plot .s{at}{{stroke:var(--c{at});{dashes}}}")
        rules.append(f".dsm-plot .m{at}{{fill:var(--c{at})}}")
    return "".join(rules)


def _axes(across: Scale, up: Scale) -> Iterator[str]:
    for tick in across.ticks():
        x = _x(across, tick)
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{tick:.10g}</text>'
    for tick in up.ticks():
        y = _y(up, tick)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:.4g}</text>'
    middle = (LEFT + WIDTH - RIGHT) // 2
    yield f'<text x="{middle}" y="{HEIGHT - BOTTOM + 36}" text-anchor="middle">step</text>'


def _curve(style: int, found: Curve, across: Scale, up: Scale) -> Iterator[str]:
    places = [(_x(across, step), _y(up, value)) for step, value in found.points]
    path = " ".join(f"{x},{y}" for x, y in places)
    shape = _SHAPES[STYLES[style][3]]
    if len(places) > 1:
        yield f'<polyline class="line s{style}" points="{path}"/>'
    for x, y in places[:: max(1, len(places) // MARKS_MAX)]:
        yield f'<path class="m{style}" d="{shape}" transform="translate({x} {y})"/>'


def _legend(style: int, found: Curve, y: int) -> Iterator[str]:
    name = found.name if len(found.name) <= NAME_MAX else found.name[: NAME_MAX - 1] + "…"
    more = f" ({found.left_out:,} NaN or infinite)" if found.left_out else ""
    shape = _SHAPES[STYLES[style][3]]
    yield f'<line class="line s{style}" x1="{LEFT}" x2="{LEFT + 40}" y1="{y}" y2="{y}"/>'
    yield f'<path class="m{style}" d="{shape}" transform="translate({LEFT + 20} {y})"/>'
    yield f'<text x="{LEFT + 50}" y="{y + 4}">{_text(name)}{more}</text>'


def _x(scale: Scale, value: float) -> float:
    return round(LEFT + scale.share(value) * (WIDTH - LEFT - RIGHT), 1)


def _y(scale: Scale, value: float) -> float:
    return round(HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM), 1)


def _text(text: str) -> str:
    return escape(printable(text))
