"""What was said of an example follows it: through a rename by hand, a restore, and new content."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from situations import Work

from dsm.format import document
from dsm.maintenance.fsck import fsck
from dsm.model.example import Example

TABLE = (
    "path,labels,camera,time,annotation\n"
    'raw/1.jpg,cat;night,north,2019-05-05,"{""x"":1}"\n'
    "raw/2.jpg,dog,south,,\n"
)
TOLD = 1_557_014_400_000_000  # 2019-05-05


def said(work: Work) -> dict[str, tuple[object, ...]]:
    """By path: labels, attributes, annotation, and the time if it was given."""
    examples = [work.ds.snapshots.example(work.ds.head, e.path) for e in work.ds.ls()]
    return {e.path: meaning(e) for e in examples}


def meaning(e: Example) -> tuple[object, ...]:
    return e.labels, dict(e.attributes), e.annotation, e.time if e.time_given else None


ONE = (("cat", "night"), {"camera": "north"}, '{"x":1}', TOLD)
TWO = (("dog",), {"camera": "south"}, None, None)
NOTHING = ((), {}, None, None)


@pytest.fixture
def labelled(work: Work) -> Work:
    work.write({"raw/1.jpg": "one", "raw/2.jpg": "two"})
    label(work, TABLE)
    work.ds.commit("one")
    assert said(work) == {"raw/1.jpg": ONE, "raw/2.jpg": TWO}
    return work


def label(work: Work, table: str, *paths: str) -> None:
    file = work.root.parent / "table.csv"
    file.write_text(table)
    work.ds.add(list(paths) or ["."], label_file=str(file))


def rename(work: Work) -> None:
    work.path("raw").rename(work.path("images"))


def all_at_once(work: Work) -> None:
    work.ds.add(["."], deletions=True)
    work.ds.commit("moved")


def new_ones_first(work: Work) -> None:
    work.ds.add(["images"])
    work.ds.add(["raw"], deletions=True)
    work.ds.commit("moved")


def old_ones_first(work: Work) -> None:
    work.ds.add(["raw"], deletions=True)
    work.ds.add(["images"])
    work.ds.commit("moved")


def with_rm(work: Work) -> None:
    work.ds.remove(["raw"])
    work.ds.add(["images"])
    work.ds.commit("moved")


def with_rm_afterwards(work: Work) -> None:
    work.ds.add(["images"])
    work.ds.remove(["raw"])
    work.ds.commit("moved")


def commit_all(work: Work) -> None:
    work.ds.add(["images"])
    work.ds.commit("moved", all=True, allow_mass_delete=True)


def commit_paths(work: Work) -> None:
    work.ds.commit("moved", paths=["."], allow_mass_delete=True)


WAYS = [
    all_at_once,
    new_ones_first,
    old_ones_first,
    with_rm,
    with_rm_afterwards,
    commit_all,
    commit_paths,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_folder_renamed_by_hand(labelled: Work, way: Callable[[Work], None]) -> None:
    """Labels, attributes, annotation and a given time go along, however both sides are staged."""
    rename(labelled)
    way(labelled)
    assert said(labelled) == {"images/1.jpg": ONE, "images/2.jpg": TWO}
    (first, second) = labelled.ds.diff(1, "head").changes
    assert (first.kind, first.renamed_from) == ("renamed", "raw/1.jpg")
    assert (second.kind, second.renamed_from) == ("renamed", "raw/2.jpg")


def test_before_the_first_commit(work: Work) -> None:
    """What was only staged goes along as well."""
    work.write({"raw/1.jpg": "one", "raw/2.jpg": "two"})
    label(work, TABLE)
    rename(work)
    assert work.ds.add(["."], deletions=True).carried == 2
    work.ds.commit("one")
    assert said(work) == {"images/1.jpg": ONE, "images/2.jpg": TWO}


def test_what_is_said_of_the_new_path_counts(labelled: Work) -> None:
    """A table or --label that names it decides, each for what it says; the rest goes along."""
    rename(labelled)
    label(labelled, "path,label\nimages/1.jpg,lynx\n")
    labelled.ds.add(["images/2.jpg"], labels=["wolf"])
    labelled.ds.add(["raw"], deletions=True)
    labelled.ds.commit("moved")
    assert said(labelled) == {
        # It was said when it was staged, so this is another example than the one that went.
        "images/1.jpg": (("lynx",), {}, None, None),
        "images/2.jpg": (("wolf",), {}, None, None),
    }


def test_what_is_said_in_the_same_breath_is_laid_over(labelled: Work) -> None:
    """Of a table with labels alone, attributes, annotation and time of the old path stay."""
    rename(labelled)
    file = labelled.root.parent / "table.csv"
    file.write_text("path,label\nimages/1.jpg,lynx\n")
    labelled.ds.add(["."], deletions=True, label_file=str(file))
    labelled.ds.commit("moved")
    assert said(labelled) == {
        "images/1.jpg": (("lynx",), {"camera": "north"}, '{"x":1}', TOLD), "images/2.jpg": TWO,
    }  # fmt: skip


def test_a_copy_is_another_example(labelled: Work) -> None:
    """While the old path has its file, nothing is taken over; other content takes nothing either."""
    shutil.copytree(labelled.path("raw"), labelled.path("copy"))
    labelled.write({"other.jpg": "else"})
    assert labelled.ds.add(["."], deletions=True).carried == 0
    labelled.ds.commit("copied")
    assert said(labelled) == {
        "raw/1.jpg": ONE, "raw/2.jpg": TWO, "copy/1.jpg": NOTHING, "copy/2.jpg": NOTHING,
        "other.jpg": NOTHING,
    }  # fmt: skip


def test_one_becomes_several_and_several_one(labelled: Work) -> None:
    """Every new place of the content takes along what was said; of several, the one that ends
    alike."""
    labelled.path("raw/1.jpg").unlink()
    labelled.write({"a/1.jpg": "one", "b/x.jpg": "one"})
    labelled.ds.add(["."], deletions=True)
    labelled.ds.commit("spread")
    assert said(labelled) == {"a/1.jpg": ONE, "b/x.jpg": ONE, "raw/2.jpg": TWO}
    labelled.ds.label(["b"], set=["lynx"])
    labelled.ds.commit("told apart")
    for name in ("a/1.jpg", "b/x.jpg"):
        labelled.path(name).unlink()
    labelled.write({"c/x.jpg": "one"})
    labelled.ds.add(["."], deletions=True)
    labelled.ds.commit("together")
    assert said(labelled)["c/x.jpg"] == (("lynx",), *ONE[1:])


def test_empty_files_go_by_their_names(work: Work) -> None:
    """Their content says nothing: only one of the same name is the same."""
    work.write({"raw/1.txt": "", "raw/2.txt": ""})
    label(work, "path,label\nraw/1.txt,cat\nraw/2.txt,dog\n")
    work.ds.commit("one")
    rename(work)
    work.path("images/2.txt").rename(work.path("images/3.txt"))
    work.ds.add(["."], deletions=True)
    work.ds.commit("two")
    assert said(work) == {"images/1.txt": (("cat",), {}, None, None), "images/3.txt": NOTHING}


def test_the_stored_pattern_speaks_of_the_new_path(work_with_pattern: Work) -> None:
    """Labels that the pattern took from the old folder give way to those of the new one; labels
    by hand, attributes and annotation go along."""
    work = work_with_pattern
    work.write({"cat/1.txt": "1", "cat/2.txt": "2", "cat/3.txt": "3"})
    work.ds.add(["."])
    work.ds.label(["cat/2.txt"], add=["checked"])
    work.ds.label(["cat/3.txt"], set=["dog"])
    work.ds.commit("one")
    work.path("cat").rename(work.path("lynx"))
    work.ds.add(["."], deletions=True)
    work.ds.commit("two")
    labels = {path: meaning[0] for path, meaning in said(work).items()}
    assert labels == {
        "lynx/1.txt": ("lynx",), "lynx/2.txt": ("checked", "lynx"), "lynx/3.txt": ("dog",),
    }  # fmt: skip


@pytest.fixture
def work_with_pattern(tmp_path_factory: pytest.TempPathFactory) -> Work:
    return Work(tmp_path_factory.mktemp("with-pattern"), pattern="{label}/{_}.txt")


# --- restore ------------------------------------------------------------------------------------


def test_restored_from_a_changeset_and_added(labelled: Work) -> None:
    """The documented recipe brings the example back as it was, given time and all."""
    labelled.ds.remove(["raw"])
    labelled.ds.commit("gone")
    labelled.reopen().restore(["raw/1.jpg"], source=1)
    assert labelled.reopen().add(["raw/1.jpg"]).carried == 1
    labelled.ds.commit("back")
    assert said(labelled) == {"raw/1.jpg": ONE}
    assert [c.path for c in labelled.ds.diff(1, "head").changes] == ["raw/2.jpg"]


def test_a_restored_file_that_was_changed_is_a_new_one(labelled: Work) -> None:
    """What was said belongs to the content; what is said now counts more."""
    labelled.ds.remove(["raw"])
    labelled.ds.commit("gone")
    labelled.ds.restore(["raw"], source=1)
    labelled.write({"raw/1.jpg": "other"})
    labelled.ds.add(["raw"], labels=["new"])
    labelled.ds.commit("back")
    assert said(labelled) == {
        "raw/1.jpg": (("new",), {}, None, None), "raw/2.jpg": (("new",), *TWO[1:]),
    }  # fmt: skip


def test_a_damaged_note_costs_labels_and_nothing_else(labelled: Work) -> None:
    """It is told by fsck, and `add` goes on without it."""
    labelled.ds.remove(["raw"])
    labelled.ds.commit("gone")
    labelled.ds.restore(["raw"], source=1)
    note = labelled.root / ".dsm/local/stage/data/.restored"
    note.write_bytes(note.read_bytes()[:-1])
    assert [f.kind for f in fsck(labelled.repo).findings] == ["stage"]
    labelled.ds.add(["raw"])
    labelled.ds.commit("back")
    assert said(labelled) == {"raw/1.jpg": NOTHING, "raw/2.jpg": NOTHING}


def test_the_note_is_of_no_use_for_ever(labelled: Work) -> None:
    """After 64 changesets a file with that content is a file like any other."""
    labelled.ds.remove(["raw"])
    labelled.ds.commit("gone")
    labelled.ds.restore(["raw"], source=1)
    for _ in range(64):
        labelled.ds.commit("nothing", allow_empty=True)
    labelled.ds.add(["raw/1.jpg"])
    labelled.ds.commit("back")
    assert said(labelled) == {"raw/1.jpg": NOTHING}


# --- other content ------------------------------------------------------------------------------


def test_a_given_time_outlives_the_content(labelled: Work) -> None:
    """Replaced content keeps a time that a table gave, and takes that of the file otherwise."""
    before = {e.path: e.time for e in labelled.ds.ls()}
    labelled.write({"raw/1.jpg": "better one", "raw/2.jpg": "better two"})
    labelled.ds.commit("better", all=True)
    now = {e.path: e.time for e in labelled.ds.ls()}
    assert now["raw/1.jpg"] == before["raw/1.jpg"] == TOLD
    assert now["raw/2.jpg"] == labelled.path("raw/2.jpg").stat().st_mtime_ns // 1000
    labelled.ds.add({"raw/1.jpg": b"bytes", "raw/2.jpg": b"more bytes"})
    labelled.ds.commit("bytes")
    assert {e.path: e.time for e in labelled.ds.ls()}["raw/1.jpg"] == TOLD


def test_a_time_of_the_path_is_a_given_one(work: Work) -> None:
    """A pattern gives it too, once and for all."""
    work.write({"2020-01-01/a.txt": "a"})
    work.ds.add(["."], pattern="{time}/{_}.txt")
    work.ds.commit("one")
    work.write({"2020-01-01/a.txt": "b"})
    work.ds.commit("two", all=True)
    (example,) = work.ds.ls()
    assert (example.time, example.time_given) == (1_577_836_800_000_000, True)


def test_a_deletion_that_is_taken_back(labelled: Work) -> None:
    """A file that is added again after its deletion was staged is as it was, with what is said."""
    labelled.ds.remove(["raw"], keep_files=True)
    labelled.ds.add(["raw"], labels=["new"])
    labelled.ds.commit("again")
    assert said(labelled) == {
        "raw/1.jpg": (("new",), *ONE[1:]), "raw/2.jpg": (("new",), *TWO[1:]),
    }  # fmt: skip


@pytest.mark.parametrize(
    "restored",
    [
        1, "x", [1], ["x"], [[]], [{}], [{"number": "1"}],
        [{"number": 1, "id": "0" * 64, "head": 2, "paths": [""]}],
        [{"number": 10**30, "id": "", "head": 2, "paths": [""]}],
        [{"number": 1, "id": "", "head": 2, "paths": 7}],
    ],
)  # fmt: skip
def test_a_note_that_says_something_else_is_passed_over(labelled: Work, restored: object) -> None:
    """Whatever its seal covers, a note that fits no changeset says nothing."""
    labelled.ds.remove(["raw"])
    labelled.ds.commit("gone")
    note = labelled.root / ".dsm/local/stage/data/.restored"
    note.write_bytes(document.encode({"restored": restored}))
    labelled.write({"raw/1.jpg": "one"})
    labelled.ds.add(["raw"])
    labelled.ds.commit("back")
    assert said(labelled) == {"raw/1.jpg": NOTHING}
