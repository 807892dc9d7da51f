"""view list, show, diff, explain and rm, and why."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from dsm.cli.drawing import bars

from .conftest import Runner, write

DAY = 86_400
START = 1_767_225_600  # 2026-01-01


def dated(folder: Path, name: str, text: str, day: int) -> None:
    """Writes a file of a day of 2026, at 8 o'clock."""
    write(folder / f"{name}.txt", text)
    moment = START + (day - 1) * DAY + 8 * 3600
    os.utime(folder / f"{name}.txt", (moment, moment))


@pytest.fixture
def two_views(empty_repo: Path, dsm: Runner) -> Path:
    """View `before` of changeset 1, `after` of 5: the newest 75 % of the cats."""
    for day in (1, 2, 3, 4):
        dated(empty_repo, f"cat/{day}", f"cat {day}\n", day)
        dated(empty_repo, f"dog/{day}", f"dog {day}\n", day)
    dsm("add", ".")
    dsm("commit", "-m", "first eight")
    dsm("prepare", "--label", "cat", "--percent", "75%", "--name", "before")
    dsm("label", "cat/3.txt", "--set", "dog")
    dsm("commit", "-m", "cat 3 is a dog")
    dated(empty_repo, "cat/5", "new\n", 20)
    dsm("add", ".")
    dsm("commit", "-m", "cat 5")
    dsm("rm", "cat/4.txt")
    dsm("commit", "-m", "withdrawn")
    dated(empty_repo, "cat/2", "cat 2, better\n", 2)
    dsm("commit", "-a", "-m", "better")
    dsm("prepare", "--label", "cat", "--percent", "75%", "--name", "after")
    return empty_repo


def version_of(dsm: Runner, name: str) -> str:
    found: str = dsm("view", "show", name, "--json").json["version"]
    return found


def test_views_are_listed(dsm: Runner, two_views: Path) -> None:
    """A line each: version, names, how much, and what it asks, older changesets first."""
    before, after = version_of(dsm, "before"), version_of(dsm, "after")
    expected = [
        f"{before[:12]}  before  3 examples  18 B  label cat, newest 75 %, up to changeset 1",
        f"{after[:12]}  after   3 examples  24 B  label cat, newest 75 %, up to changeset 5",
    ]
    assert expected == dsm("view", "list").lines == dsm("view").lines
    said = dsm("view", "list", "--json").json
    assert said["dataset"] == "photos"
    assert [(row["version"], row["names"], row["changeset"]) for row in said["views"]] == [
        (before, ["before"], 1), (after, ["after"], 5),
    ]  # fmt: skip
    assert said["views"][0]["asks"] == "label cat, newest 75 %, up to changeset 1"
    dsm("prepare", "--at", "2", "-l", "dog")
    dsm("prepare", "--at", "1", "-l", "cat", "--percent", ".75", "--name", "also")
    assert [line.split()[1:3] for line in dsm("view").lines] == [
        ["also,", "before"], ["-", "5"], ["after", "3"],
    ]  # fmt: skip


def test_queries_of_views_are_counted(
    dsm: Runner, two_views: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the stored examples, for the views that read them; JSON has their names."""
    pytest.importorskip("adbc_driver_sqlite", reason="needs dsm-datasets[sources]")
    monkeypatch.setenv("WARDS_URI", ":memory:")
    dsm("source", "add", "wards", "--driver", "sqlite", "--uri-env", "WARDS_URI")
    for name, wanted in (("ages", "one"), ("rooms", "two")):
        dsm("add", "--source", "wards", "-e", "SELECT 1 AS id", "--key-col", "id", "--name", name)
        dsm("commit", "-m", name)
        dsm("prepare", "--name", wanted)
    assert [line[14:53] for line in dsm("view", "list").lines] == [
        "before  3 examples                18 B ",
        "after   3 examples                24 B ",
        "one     8 examples and 1 query    54 B ",
        "two     8 examples and 2 queries  54 B ",
    ]
    said = dsm("view", "list", "--json").json
    assert [row["queries"] for row in said["views"]] == [[], [], ["ages"], ["ages", "rooms"]]


def test_near_names_of_a_short_one(dsm: Runner, two_changesets: Path) -> None:
    """What could begin a version is too short for one, and perhaps a name misspelt."""
    dsm("prepare", "--name", "b1")
    dsm("prepare", "--label", "cat", "--name", "b2")
    said = dsm("view", "show", "b", status=2).err.splitlines()
    assert said[0] == "error: 'b' is too short for a version, and no view has that name"
    assert set(re.findall("b[12]", said[1])) == {"b1", "b2"}
    assert said[1].endswith("? else give 8 digits or more")
    said = dsm("view", "show", "dead", status=2).err.splitlines()
    assert said[1] == "hint: give 8 digits or more"


def test_no_view_at_all(dsm: Runner, two_changesets: Path) -> None:
    """An empty list is an empty answer."""
    said = dsm("view", "list")
    assert (said.out, said.err) == ("", "no view is prepared; `dsm prepare` makes one\n")
    assert dsm("view", "list", "--json").json == {"dataset": "photos", "views": []}


def test_a_view_is_shown(dsm: Runner, two_views: Path) -> None:
    """What it asks and holds, with bars that fit 80 columns and no colours in a pipe."""
    said = dsm("view", "show", "before")
    version = version_of(dsm, "before")
    assert said.lines[0] == f"view:      {version}"
    assert said.lines[1:4] == [
        "names:     before",
        "dataset:   photos",
        "asks for:  label cat, newest 75 %, up to changeset 1",
    ]
    assert said.lines[5:9] == [
        "examples:  3", "size:      18 B", "each:      6 B to 6 B, median 6 B", "",
    ]  # fmt: skip
    assert said.lines[9:] == [
        "labels", "  cat  3  " + "█" * 70, "", "times, by 6 hours (UTC)",
        "  2026-01-02 06:00  1  " + "█" * 57,
        *(f"  2026-01-0{day} {hour}:00  0" for day, hour in (
            (2, 12), (2, 18), (3, "00"),
        )),
        "  2026-01-03 06:00  1  " + "█" * 57,
        *(f"  2026-01-0{day} {hour}:00  0" for day, hour in (
            (3, 12), (3, 18), (4, "00"),
        )),
        "  2026-01-04 06:00  1  " + "█" * 57,
    ]  # fmt: skip
    assert max(map(len, said.lines)) == 80
    assert said.out == dsm("view", "show", version[:8]).out


def test_a_view_is_shown_as_json(dsm: Runner, two_views: Path) -> None:
    """The query as it is hashed, counts, sizes and times."""
    said = dsm("view", "show", "after", "--json").json
    assert said["query"]["percent"] == "0.75"
    assert said["query"]["at"]["number"] == said["changeset"] == 5
    assert (said["examples"], said["size"], said["labels"]) == (3, 24, {"cat": 3})
    assert said["sizes"] == {"min": 4, "median": 6, "max": 14, "total": 24}
    assert (said["times"]["unit"], said["times"]["width"]) == ("week", 1)
    bins = said["times"]["bins"]
    assert [row["from"] for row in (bins[0], bins[-1])] == [
        "2025-12-29T00:00:00Z", "2026-01-19T00:00:00Z",
    ]  # fmt: skip
    assert sum(row["examples"] for row in bins) == 3


def test_many_labels_are_cut_short(dsm: Runner, empty_repo: Path) -> None:
    """Ten labels, most examples first, unless all are asked for."""
    for number in range(12):
        for copy in range(number + 1):
            dated(empty_repo, f"kind {number:02}/{copy}", "x", 1)
    dsm("add", ".")
    dsm("commit", "-m", "kinds")
    dsm("prepare", "--name", "kinds")
    said = dsm("view", "show", "kinds").lines
    top = said.index("labels") + 1
    assert said[top].startswith("  kind 11  12  ███")
    assert said[top + 10 : top + 12] == ["  … and 2 more", ""]
    assert len(said) + 1 == len(dsm("view", "show", "kinds", "--all").lines)


def test_views_are_compared(dsm: Runner, two_views: Path) -> None:
    """Added, dropped and changed, with labels and sizes; --exit-code tells."""
    assert dsm("view", "diff", "before", "after").lines == [
        "2 examples added",
        "  cat/1.txt  (6 B, cat)",
        "  cat/5.txt  (4 B, cat)",
        "2 examples dropped",
        "  cat/3.txt  (6 B, cat)",
        "  cat/4.txt  (6 B, cat)",
        "1 example changed",
        "  cat/2.txt  (content)",
    ]
    assert dsm("view", "diff", "before", "after", "--exit-code", status=1).err == ""
    said = dsm("view", "diff", "before", "before", "--exit-code")
    assert (said.out, said.err) == ("", "both hold the same examples\n")


def test_views_are_compared_as_json(dsm: Runner, two_views: Path) -> None:
    """Every example, as both views hold it."""
    said = dsm("view", "diff", "before", "after", "--json").json
    assert (said["before"], said["after"]) == (version_of(dsm, "before"), version_of(dsm, "after"))
    assert [said[change] for change in ("added", "dropped", "changed")] == [2, 2, 1]
    assert [(row["change"], row["path"]) for row in said["examples"]] == [
        ("added", "cat/1.txt"), ("added", "cat/5.txt"), ("dropped", "cat/3.txt"),
        ("dropped", "cat/4.txt"), ("changed", "cat/2.txt"),
    ]  # fmt: skip
    changed = said["examples"][-1]
    assert (changed["what"], changed["before"]["size"], changed["after"]["size"]) == (
        ["content"], 6, 14,
    )  # fmt: skip
    keys = {"path", "change", "what", "before", "after"}
    assert [row["path"] for row in said["examples"] if set(row) != keys] == []
    assert (said["examples"][0]["before"], said["examples"][2]["after"]) == (None, None)


def test_relabelled_examples_are_compared(dsm: Runner, two_views: Path) -> None:
    """Labels are told as they were and are."""
    dsm("prepare", "--at", "1", "--name", "all-1")
    dsm("prepare", "--at", "2", "--name", "all-2")
    assert dsm("view", "diff", "all-1", "all-2").lines == [
        "1 example changed",
        "  cat/3.txt  (labels: cat -> dog)",
    ]


def test_differences_are_explained(dsm: Runner, two_views: Path) -> None:
    """Which view is A and B, then the reasons, each with its examples."""
    before, after = version_of(dsm, "before"), version_of(dsm, "after")
    assert dsm("view", "explain", "before", "after").lines == [
        f"A = {before[:12]}  3 examples: label cat, newest 75 %, up to changeset 1",
        f"B = {after[:12]}  3 examples: label cat, newest 75 %, up to changeset 5",
        "",
        "1 example added: arrived in changeset 3, A stops at changeset 1",
        "  cat/5.txt",
        "",
        "1 example changed: content changed in changeset 5",
        "  cat/2.txt  (was 6 B, is 14 B)",
        "",
        "1 example dropped: deleted in changeset 4",
        "  cat/4.txt",
        "",
        "1 example added: older than the newest 75 % of A: cut-off moved from"
        " 2026-01-02T08:00:00Z to 2026-01-01T08:00:00Z",
        "  cat/1.txt  (time 2026-01-01T08:00:00Z)",
        "",
        "1 example dropped: relabelled in changeset 2; B asks that label is cat",
        "  cat/3.txt  (was cat, is dog)",
    ]
    dsm("view", "explain", "before", "after", "--exit-code", status=1)
    assert dsm("view", "explain", "after", "after", "--exit-code").err == (
        "both hold the same examples\n"
    )


def test_explanations_as_json(dsm: Runner, two_views: Path) -> None:
    """One row for each example: path, clause, reason, changeset; and the reasons with counts."""
    said = dsm("view", "explain", "before", "after", "--json").json
    rows: list[dict[str, Any]] = said["examples"]
    assert {(row["path"], row["change"], row["clause"], row["changeset"]) for row in rows} == {
        ("cat/5.txt", "added", "changesets", 3),
        ("cat/2.txt", "changed", "changesets", 5),
        ("cat/4.txt", "dropped", "changesets", 4),
        ("cat/1.txt", "added", "percent", None),
        ("cat/3.txt", "dropped", "label", 2),
    }
    assert sum(row["examples"] for row in said["reasons"]) == len(rows) == 5
    assert next(row["detail"] for row in rows if row["path"] == "cat/3.txt") == "was cat, is dog"


def test_long_lists_are_cut_short(dsm: Runner, empty_repo: Path) -> None:
    """Ten examples of each kind and reason, unless all are asked for; the largest comes first."""
    for number in range(12):
        dated(empty_repo, f"cat/{number:02}", "c", 1)
    for number in range(13):
        dated(empty_repo, f"dog/{number:02}", "d", 1)
    dsm("add", ".")
    dsm("commit", "-m", "pets")
    for label in ("cat", "dog"):
        dsm("prepare", "-l", label, "--name", label)
    for words in (["view", "diff"], ["view", "explain"]):
        said = dsm(*words, "cat", "dog")
        assert [line for line in said.lines if "more" in line] == (
            ["  … and 3 more", "  … and 2 more"]
        )
        everything = dsm(*words, "cat", "dog", "--all").lines
        assert len([line for line in everything if line.startswith("  cat/")]) == 12
    heads = [line for line in dsm("view", "explain", "cat", "dog").lines if ": A" in line]
    assert heads == ["13 examples added: A asks that label is cat"]


def test_names_are_quoted(dsm: Runner, empty_repo: Path) -> None:
    """A name that could steer a terminal does not reach it as it is."""
    write(empty_repo / "cat/a\x1b[31m.txt", "x")
    write(empty_repo / "cat/b.txt", "x")
    dsm("add", ".")
    dsm("commit", "-m", "odd")
    dsm("prepare", "--name", "all")
    dsm("prepare", "--path", "cat/b.txt", "--name", "one")
    for words in (
        ["view", "diff", "one", "all"], ["view", "explain", "one", "all"],
        ["why", "cat/a\x1b[31m.txt", "--view", "all"],
    ):  # fmt: skip
        said = dsm(*words)
        assert "\x1b" not in said.out and r"cat/a\033[31m.txt" in said.out


def test_views_are_forgotten(dsm: Runner, two_views: Path) -> None:
    """Records and names go, examples stay, and the same query gives the same version."""
    before = version_of(dsm, "before")
    said = dsm("view", "rm", "before", before[:8], "after")
    assert said.out == ""
    assert said.err.splitlines()[0] == f"forgot view {before[:12]} (before)"
    assert len(said.err.splitlines()) == 3
    assert dsm("view", "list").out == ""
    dsm("get", "before", "-o", "-", status=4)
    again = dsm("prepare", "-l", "cat", "--percent", "0.75", "--at", "1", "--name", "before")
    assert again.out == before + "\n"


def test_all_or_none_is_forgotten(dsm: Runner, two_views: Path) -> None:
    """One name that is unknown stops the command before anything goes."""
    assert dsm("view", "rm", "before", "aftre", status=4).err == (
        "error: there is no view 'aftre' here\nhint: did you mean after?\n"
    )
    assert len(dsm("view").lines) == 2


# --- why ------------------------------------------------------------------------------------------


def test_why_not(dsm: Runner, two_views: Path) -> None:
    """History and filters; exit status 1 when the view does not hold it."""
    after = version_of(dsm, "after")[:12]
    said = dsm("why", "cat/3.txt", "--view", "after", status=1).lines
    assert said[:3] == [
        f"cat/3.txt is not in view {after}", "", "changesets: up to changeset 5",
    ]  # fmt: skip
    assert [re.sub(r"\d{4}-\S+Z", "TIME", line) for line in said[3:5]] == [
        "  1  TIME  added                        first eight",
        "  2  TIME  relabelled: was cat, is dog  cat 3 is a dog",
    ]
    assert said[5:] == [
        "",
        "filters",
        "  FAIL  label is cat  (label dog)",
        "  -     newest 75 %: taken of what the other filters leave",
    ]


def test_why_yes(dsm: Runner, two_views: Path) -> None:
    """Exit status 0 and the rank when the view holds it; paths count from the current folder."""
    os.chdir("cat")
    said = dsm("why", "1.txt", "--view", "after").lines
    assert said[0].startswith("cat/1.txt is in view ")
    assert said[-2:] == [
        "  pass  label is cat  (label cat)",
        "  pass  rank 3 of 3 by time and hash of path; the newest 75 % keeps 3; cut-off"
        " 2026-01-01T08:00:00Z",
    ]
    assert dsm("why", "1.txt", "--view", "before", status=1).lines[-1] == (
        "  FAIL  rank 4 of 4 by time and hash of path; the newest 75 % keeps 3; cut-off"
        " 2026-01-02T08:00:00Z"
    )


def test_why_of_what_the_changesets_do_not_hold(dsm: Runner, two_views: Path) -> None:
    """Deleted before, or arrived after: said with the number."""
    said = dsm("why", "cat/4.txt", "--view", "after", status=1)
    assert said.lines[-1] == "  FAIL  changeset 4 deleted it"
    said = dsm("why", "cat/5.txt", "--view", "before", status=1)
    assert said.lines[-1] == "  FAIL  no changeset of the view holds it"
    assert said.lines[3].endswith("added, not among those of the view  cat 5")


def test_why_as_json(dsm: Runner, two_views: Path) -> None:
    """History, clauses and rank as data."""
    said = dsm("why", "cat/2.txt", "--view", "after", "--json").json
    assert said["selected"] is True
    assert [(row["changeset"], row["what"]) for row in said["history"]] == [
        (1, "added"), (5, "modified"),
    ]  # fmt: skip
    assert said["clauses"] == [
        {"clause": "label", "asks": "label is cat", "value": "label cat", "passed": True}
    ]
    assert (said["newest"]["rank"], said["newest"]["of"], said["newest"]["keeps"]) == (2, 3, 3)
    said = dsm("why", "cat/4.txt", "--view", "after", "--json", status=1).json
    assert (said["selected"], said["example"], said["newest"]) == (False, None, None)
    assert [row["labels"] for row in said["history"]] == [["cat"], None]


def test_why_of_nothing(dsm: Runner, two_views: Path) -> None:
    """A path or a view that there is not: exit 4 with near matches; a path outside: exit 2."""
    assert dsm("why", "cat/22.txt", "--view", "after", status=4).err == (
        "error: no changeset of photos has an example cat/22.txt\nhint: did you mean cat/2.txt?\n"
    )
    assert "did you mean after?" in dsm("why", "cat/2.txt", "--view", "aftr", status=4).err
    dsm("why", "../cat/2.txt", "--view", "after", status=2)
    dsm("why", "cat/2.txt", status=2)


def test_why_takes_the_dataset_of_the_view(dsm: Runner, two_views: Path) -> None:
    """A view knows its dataset, whichever is the current one."""
    dsm("dataset", "create", "other", "--root", "other")
    dsm("switch", "other")
    assert dsm("view", "list").out == ""
    assert dsm("why", "cat/2.txt", "--view", "after").lines[0].startswith("cat/2.txt is in view")
    assert len(dsm("view", "list", "-d", "photos").lines) == 2


# --- bars -----------------------------------------------------------------------------------------


def test_bars_are_to_scale() -> None:
    """The longest bar fills the room, others are in eighths; whatever is there can be seen."""
    assert bars([("a", 8000), ("bb", 4500), ("c", 1), ("d", 0)], 21) == [
        "  a   8,000  ████████",
        "  bb  4,500  ████▌",
        "  c       1  ▏",
        "  d       0",
    ]
    assert bars([], 80) == []


def test_bars_of_wide_labels() -> None:
    """Wide characters take two columns; long labels are cut."""
    assert bars([("猫", 1), ("ab", 1), ("e\u0301", 1)], 17) == [
        "  猫  1  ████████", "  ab  1  ████████", "  e\u0301   1  ████████",
    ]  # fmt: skip
    (line,) = bars([("x" * 40, 1)], 80)
    assert line.startswith("  " + "x" * 29 + "…  1  ")


def test_names_come_and_go_without_the_view(dsm: Runner, two_changesets: Path) -> None:
    """A view gets further names, loses one or has it replaced; a name of another one is kept."""
    version = dsm("prepare", "--name", "first", "--json").json["version"]
    dsm("prepare", "--at", "1", "--name", "other")

    def names() -> list[str]:
        return dsm("view", "show", version, "--json").json["names"]

    dsm("view", "name", "first", "second")
    dsm("view", "name", version[:12], "third")
    assert names() == ["first", "second", "third"]
    dsm("view", "unname", "second")
    dsm("view", "rename", "first", "new")
    dsm("view", "rename", "new", "new")
    assert names() == ["new", "third"]
    dsm("view", "rename", "third", "other", status=2)
    dsm("view", "name", "third", "other", status=2)
    dsm("view", "rename", "third", "not/a name", status=2)
    dsm("view", "unname", "second", status=4)
    dsm("view", "unname", version, status=4)
    dsm("view", "rename", version, "zebra", status=4)
    assert names() == ["new", "third"]
