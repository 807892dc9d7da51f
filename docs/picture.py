"""Draws docs/terminal.svg, the picture in README.md, from a session that really runs.

Run it when what dsm prints has changed: `python docs/picture.py`. A test runs the same session and
compares its text with that of the picture.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "terminal.svg"
HIDDEN = """\
mkdir -p train/cat train/dog
for i in 1 2 3 4 5 6; do echo "cat $i" > train/cat/$i.jpg; echo "dog $i" > train/dog/$i.jpg; done
"""
COMMANDS = (
    "dsm init --pattern '{split}/{label}/{name}.jpg'",
    'dsm add . && dsm commit -m "twelve pets"',
    "dsm label train/dog/6.jpg --set wolf && rm train/cat/1.jpg",
    "dsm status",
    'dsm commit -a -m "a wolf among the dogs"',
    "dsm log --oneline",
    "dsm prepare --label cat --label wolf --name baseline",
    "dsm get baseline -o ../shards",
)
COLORS = {"31": "#f47067", "32": "#57ab5a", "33": "#daaa3f", "35": "#b083f0", "36": "#39c5cf"}
CELL, LINE, MARGIN, SIZE = 8.43, 20, 16, 14
COLUMNS = 100
_CODE = re.compile(r"\x1b\[([0-9;]*)m")


def session() -> list[str]:
    """Runs the commands in a folder of their own; returns what a terminal shows, with colours."""
    with tempfile.TemporaryDirectory() as folder:
        home, programs = Path(folder, "pets"), Path(folder, "programs")
        home.mkdir()
        programs.mkdir()
        (programs / "dsm").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dsm "$@"\n')
        (programs / "dsm").chmod(0o755)
        kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        environment = {
            **kept, "PATH": f"{programs}:{os.environ['PATH']}", "HOME": folder, "LC_ALL": "C.UTF-8",
            "DSM_AUTHOR": "You <you@example.org>", "FORCE_COLOR": "1", "TZ": "UTC",
        }  # fmt: skip
        lines: list[str] = []
        for command in (HIDDEN, *COMMANDS):
            done = subprocess.run(
                ["bash", "-c", f"exec 2>&1\n{command}"], cwd=home, env=environment, text=True,
                stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
            if command is not HIDDEN:
                lines += [f"\x1b[1m$ {command}\x1b[0m", *done.stdout.splitlines()]
        return [line.replace(folder, "/home/you") for line in lines]


def drawn(lines: list[str]) -> str:
    """Returns the lines as an SVG picture."""
    width, height = COLUMNS * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    rows = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + LINE * number + SIZE}">{_spans(line)}</text>'
        for number, line in enumerate(lines)
    )
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">
<title>dsm in a terminal: a dataset is recorded, corrected, and a view of it written</title>
<rect width="100%" height="100%" rx="8" fill="#22272e"/>
<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{SIZE}" fill="#adbac7" \
xml:space="preserve">
{rows}
</g>
</svg>
"""


def _spans(line: str) -> str:
    parts = _CODE.split(line)
    spans, style = [escape(parts[0])], ""
    for codes, text in zip(parts[1::2], parts[2::2], strict=True):
        style = ""
        for code in codes.split(";"):
            if code == "1":
                style += ' font-weight="bold"'
            elif code in COLORS:
                style += f' fill="{COLORS[code]}"'
        spans.append(f"<tspan{style}>{escape(text)}</tspan>" if style else escape(text))
    return "".join(spans)


def text_of(lines: list[str]) -> list[str]:
    """Returns lines without their colours."""
    return [_CODE.sub("", line) for line in lines]


if __name__ == "__main__":
    PICTURE.write_text(drawn(session()), encoding="utf-8")
