"""Curves: few points that show what many say, scales that bear any numbers, pictures of one file."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import pytest

from dsm.cli.run_curves import drawn
from dsm.runs.curves import Curve, Scale, curve, scales
from dsm.runs.picture import CURVES_MAX, svg
from dsm.runs.points import Point


def test_of_many_points_the_extremes_stay() -> None:
    """A peak of one step among 100,000 is in the curve, and so are the first and the last point."""
    values = [math.sin(step / 1000) for step in range(100_000)]
    values[54_321] = 9.0
    found = curve("m", (Point("m", step, 0, value) for step, value in enumerate(values)), 100)
    assert len(found.points) <= 202
    assert (54_321, 9.0) in found.points
    assert (found.points[0][0], found.points[-1][0]) == (0, 99_999)
    assert found.points == sorted(found.points)


def test_the_last_value_of_a_step_counts() -> None:
    """Points come in any order; NaN and infinity are counted, not drawn."""
    given = [(3, 1.0), (1, 2.0), (3, 5.0), (2, math.nan), (4, math.inf)]
    found = curve("m", [Point("m", step, 0, value) for step, value in given], 100)
    assert (found.points, found.left_out) == ([(1, 2.0), (3, 5.0)], 2)


EXTREMES = [
    [(0, 1.0)], [(0, 1.0), (5, 1.0)], [(0, -1.7e308), (1, 1.7e308)], [(0, 5e-324), (1, 1e-323)],
    [(-(2**63), 1.0), (2**63 - 1, 2.0)], [(0, 0.1), (1, 0.3)], [(0, 1e-300), (9, 1e300)],
    [(0, 1e16), (1, 1e16 + 2)], [],
]  # fmt: skip


@pytest.mark.parametrize("points", EXTREMES)
@pytest.mark.parametrize("log", [False, True])
def test_any_numbers_can_be_drawn(points: list[tuple[int, float]], log: bool) -> None:
    """The greatest, the smallest, one or none: shares are within, ticks few, pictures whole."""
    found = scales([Curve("m", points, 0)], log=log)
    assert (found is None) == (not points)
    for scale, values in zip(found or (), zip(*points, strict=True), strict=False):
        assert all(-1e-9 <= scale.share(value) <= 1 + 1e-9 for value in values)
        ticks = scale.ticks()
        assert 1 <= len(ticks) <= 12
        assert all(scale.low <= tick <= scale.high for tick in ticks)
    picture = svg("m", [Curve("m", points, 0)], log=log)
    assert "nan" not in picture.lower().replace("nan or", "") and "inf" not in picture
    ElementTree.fromstring(picture)
    assert drawn("m", [Curve("m", points, 0)], 80, log=log)[0] == "m"


def test_round_ticks() -> None:
    """Ticks are numbers that people like."""
    assert Scale(0, 10).ticks() == [0, 2, 4, 6, 8, 10]
    assert Scale(1, 10_000, log=True).ticks() == [1, 10, 100, 1000, 10_000]


def test_a_picture_is_one_file_and_holds_no_foreign_markup() -> None:
    """Nothing is loaded from elsewhere, no script runs, and each curve has a line of its own kind."""
    hostile = '</text><script>alert(1)</script>&"\x1b[31m\u202e'
    curves = [Curve(hostile, [(0, 1.0), (1, at)], 0) for at in range(CURVES_MAX)]
    picture = svg(hostile, curves)
    root = ElementTree.fromstring(picture)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {"svg", "title", "style", "rect", "text", "line", "polyline", "path"}
    assert "\x1b" not in picture and "\u202e" not in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in picture
    assert "prefers-color-scheme:dark" in picture
    styles = {
        (style, mark) for style, mark in zip(
            [e.get("class") for e in root.iter() if e.tag.endswith("polyline")],
            [e.get("d") for e in root.iter() if e.tag.endswith("path")], strict=False,
        )
    }  # fmt: skip
    assert len(styles) == CURVES_MAX
