"""dsm report: where it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner, write


def test_a_page_is_written_and_replaced(dsm: Runner, two_changesets: Path) -> None:
    """A report replaces a report; any other file only when it is forced; never a link in .dsm."""
    assert "wrote report.html" in dsm("report", "-o", "report.html").err
    first = (two_changesets / "report.html").read_bytes()
    assert first.startswith(b"<!doctype html>\n<!-- a report of dsm -->\n")
    dsm("report", "1..", "-o", "report.html")
    assert (two_changesets / "report.html").read_bytes() != first
    write(two_changesets / "mine.html", "<p>mine")
    assert "is no report" in dsm("report", "--output", "mine.html", status=2).err
    assert (two_changesets / "mine.html").read_text() == "<p>mine"
    dsm("report", "--out", "mine.html", "-f")
    assert (two_changesets / "mine.html").read_text() != "<p>mine"
    assert dsm("report", "-o", "-").out.startswith("<!doctype html>")
    assert [path.name for path in two_changesets.iterdir() if ".part" in path.name] == []


def test_markdown_says_what_changed(dsm: Runner, two_changesets: Path) -> None:
    """Of a changeset what changed since the one before, of a range its drift, too."""
    assert "Since changeset 1 of photos" in dsm("report", "2", "--markdown").out
    assert "### Against changeset 1 of photos" in dsm("report", "1..2", "--markdown").out


def test_what_cannot_be_meant_is_refused(dsm: Runner, two_changesets: Path) -> None:
    """Neither a page nor Markdown, both, a folder, a place in .dsm."""
    dsm("report", status=2)
    dsm("report", "-o", "r.html", "--markdown", status=2)
    dsm("report", "-o", ".", status=2)
    dsm("report", "-o", ".dsm/r.html", status=2)
    dsm("report", "-o", "r.html", "--gallery", "-1", status=2)
    dsm("report", "nothing", "-o", "r.html", status=4)
    assert not (two_changesets / "r.html").exists()
