"""The picture of README.md shows what dsm prints today."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

from console import plain

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
from picture import COLUMNS, PICTURE, drawn, session, text_of  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def shown(svg: str) -> list[str]:
    """The lines of a picture."""
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_picture_is_what_dsm_prints() -> None:
    """The same session gives the same text, but for ids; nothing is wider than the picture."""
    lines = session()
    printed = text_of(lines)
    assert [plain(line) for line in printed] == [plain(line) for line in shown(PICTURE.read_text())]
    assert printed == shown(drawn(lines))
    assert max(map(len, printed)) <= COLUMNS


def test_the_picture_stands_in_the_readme() -> None:
    """With a text for who does not see it."""
    assert "](docs/terminal.svg)" in (ROOT / "README.md").read_text()
