"""Quoting, units, JSON, colours and the progress bar."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dsm.cli import color, progress_bar
from dsm.cli.changes import change_line, name_status, stat_lines
from dsm.cli.color import Paint
from dsm.cli.output import count_text, listed, print_json, quoted, size_text
from dsm.model.example import Change, Example
from dsm.model.queries import QueryChange

PLAIN = Paint(None)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("cat/1.jpg", "cat/1.jpg"),
        ("with blank", "with blank"),
        ("grün/日本", "grün/日本"),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("a\tb\n", r'"a\tb\n"'),
        ("\x1b[2J", r'"\033[2J"'),
        ("\u202egpj", r'"\342\200\256gpj"'),
        ("\udcff", r'"\377"'),
        ("\x7f", r'"\177"'),
    ],
)
def test_quoted_as_git_does(path: str, shown: str) -> None:
    """Only names that could be misread are quoted."""
    assert shown == quoted(path)


def test_sizes_and_counts() -> None:
    """Decimal units with one digit; a noun in the right number."""
    sizes = [0, 999, 1000, 5_249_999, 999_949_999, 999_950_000, 3 * 10**18]
    assert [size_text(size) for size in sizes] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "5.2 MB",
        "999.9 MB",
        "1.0 GB",
        "3000.0 PB",
    ]
    assert [count_text(n, "file") for n in (1, 0, 60000)] == ["1 file", "0 files", "60,000 files"]
    assert listed(["a", "b", "c", "d"], 2) == ["a", "b", "… and 2 more"]


@pytest.mark.parametrize("rows", [[], [1], [{"a": "\x7f\u202e"}, "b"]])
def test_json_is_one_ascii_document(rows: list[Any], capsys: Any) -> None:
    """Rows that are written as they come make the same document as all at once."""
    print_json({"x": "é\x1b", "y": {}, "rows": iter(rows)})
    out = capsys.readouterr().out
    assert {"x": "é\x1b", "y": {}, "rows": rows} == json.loads(out)
    assert all(" " <= char < "\x7f" or char == "\n" for char in out)


def example(path: str, **more: Any) -> Example:
    return Example(path, b"\1" * 32, 10, 1_000_000, **more)


def test_a_change_is_told_by_what_changed() -> None:
    """Labels, attributes, annotation and time are named with old and new value."""
    old = example("a", labels=("cat",), attributes={"w": 1, "h": 2})
    new = Example(
        "a", old.oid, 10, 3_000_000, ("dog", "pet"), {"w": 3, "by": "\x1b"}, '{"boxes": []}'
    )
    line = change_line(Change("relabelled", "a", old, new), PLAIN)
    assert line == (
        "relabelled  a  (cat -> dog, pet; by: none -> \\x1b; h: 2 -> none; w: 1 -> 3; annotation; "
        "time: 1970-01-01T00:00:01Z -> 1970-01-01T00:00:03Z)"
    )
    renamed = Change("renamed", "b\n", example("a"), example("b\n"), renamed_from="a")
    assert change_line(renamed, PLAIN) == "renamed     a -> b\\n"
    assert name_status(renamed) == 'R\ta\t"b\\n"'
    assert stat_lines([]) == [" nothing changed"]


def test_a_table_of_changes_has_queries() -> None:
    """A query has a line of its own, below those of folders, and counts by itself."""
    visits = QueryChange("modified", "visits", {}, {})
    assert stat_lines([], [visits]) == [" visits/ | query modified", " 1 query changed"]
    added = Change("added", "cat/1", after=example("cat/1"))
    assert stat_lines([added], [visits, QueryChange("deleted", "w", {})]) == [
        " cat     | 1 added",
        " visits/ | query modified",
        " w/      | query deleted",
        " 1 example changed: 1 added; 2 queries changed",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_only_on_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in files or dumb terminals, nor with NO_COLOR; --color decides before FORCE_COLOR."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def painted(where: io.StringIO, when: str = color.AUTO) -> bool:
        color.choose(when)
        try:
            found = Paint(where)("x", "added")
            assert color.headed("error: x", where) == (
                "\x1b[1;31merror:\x1b[0m x" if found != "x" else "error: x"
            )
            assert color.headed("a.jpg: x", where) == "a.jpg: x"
        finally:
            color.choose(color.AUTO)
        assert found in ("x", "\x1b[32mx\x1b[0m")
        return found != "x"

    file, terminal = io.StringIO(), Terminal()
    assert (painted(terminal), painted(file)) == (True, False)
    assert (painted(terminal, "never"), painted(file, "always")) == (False, True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert (painted(file), painted(terminal, "never")) == (True, False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert (painted(terminal), painted(file), painted(file, "always")) == (False, False, True)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "0")
    monkeypatch.setenv("TERM", "dumb")
    assert (painted(terminal), painted(terminal, "always")) == (False, True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock for the bar that stands still until it is told."""

    class Clock:
        now = 100.0

        def __call__(self) -> float:
            return self.now

    found = Clock()
    monkeypatch.setattr(progress_bar, "monotonic", found)
    return found


def test_short_tasks_show_no_bar(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the first second nothing is drawn and rich is not asked for."""
    monkeypatch.setattr(progress_bar.Bar, "_new_bar", lambda self: pytest.fail("drawn"))
    bar = progress_bar.Bar()
    bar.start("adding", 10, 1000)
    clock.now += 0.9
    bar.advance(5, 500)
    bar.finish()
    clock.now += 0.9
    bar.start("next")
    bar.advance(1, 1)
    bar.finish()


def test_long_tasks_show_files_bytes_and_rate(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second the bar is drawn on standard error, and gone when the task is done."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    bar = progress_bar.Bar()
    bar.start("adding", 4000, 10_000_000)
    for _ in range(4):
        clock.now += 1
        bar.advance(500, 1_250_000)
    shown = terminal.getvalue()
    assert "adding" in shown
    assert "5.0 MB of 10.0 MB, 2,000 of 4,000 files, 1.2 MB/s, 0:05 left" in shown
    bar.finish()
    assert terminal.getvalue().removeprefix(shown).endswith("\x1b[2K")


def test_a_task_of_unknown_length_shows_what_is_done(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without totals there is no time left, and the next task begins at nothing."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    bar = progress_bar.Bar(color=False)
    bar.start("adding")
    clock.now += 2
    bar.advance(1, 3_000_000)
    assert "3.0 MB, 1 file, 1.5 MB/s" in terminal.getvalue()
    assert "left" not in terminal.getvalue()
    bar.start("storing")
    clock.now += 2
    bar.advance(0, 2_000)
    assert "2.0 kB, 0 files, 1.0 kB/s" in terminal.getvalue()
    bar.finish()


def test_the_bar_is_drawn_at_most_four_times_a_second(
    clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand steps in a second cost four drawings."""
    drawn = []

    class Counting:
        task_ids = (0,)

        def start(self) -> None:
            pass

        def add_task(self, *_: Any, **__: Any) -> int:
            return 0

        def update(self, *_: Any, **__: Any) -> None:
            pass

        def refresh(self) -> None:
            drawn.append(clock.now)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(progress_bar.Bar, "_new_bar", lambda self: Counting())
    bar = progress_bar.Bar()
    bar.start("adding")
    clock.now += 1
    for _ in range(1000):
        clock.now += 1 / 1024
        bar.advance(1, 1)
    assert len(drawn) == 4


def test_both_streams_in_one_file_are_in_order(two_changesets: Path, tmp_path: Path) -> None:
    """What was printed stands before the message, or the error, that came after it."""
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    for line, first, last in (
        ("rm -n cat", "rm cat/1.txt", "would remove 3 examples"),
        ("cat dog/1.txt owl", "first dog/1", "hint: "),
    ):
        with open(tmp_path / "log", "w") as log:
            command = [sys.executable, "-m", "dsm", *line.split()]
            subprocess.run(command, stdout=log, stderr=log, cwd=two_changesets, env=env)
        text = (tmp_path / "log").read_text()
        assert text.startswith(first), line
        assert text.splitlines()[-1].startswith(last), line


def test_json_holds_no_half_character(capsys: pytest.CaptureFixture[str]) -> None:
    """Names that are not UTF-8 are told apart, and any program can read the document."""
    names = [
        "caf\udce9",
        "caf\udce8",
        "caf\\xe9",
        'a\udcff"b',
        "\U0001f480",
        "\U0010fcff",
        "\\udce9",
    ]
    print_json({"paths": names, "of": {name: [(name,)] for name in names}, "rows": iter(names)})
    document = capsys.readouterr().out
    found = json.loads(document)
    shown = [
        quoted(name) if any("\udc80" <= c <= "\udcff" for c in name) else name for name in names
    ]
    assert shown == found["paths"] == found["rows"] == list(found["of"])
    assert [[[name]] for name in shown] == list(found["of"].values())
    assert len({name.encode() for name in shown}) == len(names)
