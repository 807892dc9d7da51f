"""Adding files: what is staged, with which labels, and what an `add` never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from blake3 import blake3
from situations import MOMENT, Work

from dsm.errors import AnswerIsNo, InvalidInput, NotFound, StorageFailed
from dsm.model.changeset import Counts
from dsm.worktree.index import RACY_NS


def labels(work: Work, reference: str | int | None = None) -> dict[str, tuple[str, ...]]:
    return {path: own for path, (_, own) in work.snapshot(reference).items()}


def staged(work: Work) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {
        change.path: (change.kind[0], change.after.labels if change.after else ())
        for change in work.ds.status().staged
    }


def test_new_changed_and_unchanged_files(work: Work) -> None:
    """New files and changed ones are staged, unchanged ones are counted."""
    work.commit("one", a="a", b="b", c="c")
    work.write({"a": "A", "new": "n", "dir/new": "nn"})
    report = work.ds.add(["."])
    assert report.counts == Counts(added=2, modified=1)
    assert (report.files, report.unchanged) == (5, 2)
    assert staged(work) == {"a": ("m", ()), "new": ("a", ()), "dir/new": ("a", ())}
    again = work.ds.add(["."])
    assert (again.counts, again.unchanged) == (Counts(), 5)


def test_a_plain_add_leaves_deletions_alone(work: Work) -> None:
    """What is gone stays tracked until deletions are asked for, also when it is named itself."""
    work.commit("one", a="a", b="b", **{"dir/c": "c", "dir/d": "d"})
    for name in ("a", "dir/c", "dir/d"):
        work.path(name).unlink()
    work.path("dir").rmdir()
    assert work.ds.add(["."]).counts == Counts()
    named = work.ds.add(["a", "dir"])
    assert (named.counts, [w.path for w in named.warnings]) == (Counts(), ["a", "dir"])
    assert work.ds.add(["a"], deletions=True).counts == Counts(deleted=1)
    assert work.ds.add(["dir"], deletions=True).counts == Counts(deleted=2)
    assert work.state() == ([("d", "a"), ("d", "dir/c"), ("d", "dir/d")], [], [])


def test_a_commit_of_paths_deletes_files_and_no_lost_folder(work: Work) -> None:
    """A commit of paths takes named files, and files of named folders, that are gone for deleted,
    but not all of a folder that is not here: a disk may not be mounted."""
    work.commit("one", a="a", **{"disk/a": "1", "disk/b": "2", "dir/c": "c", "dir/d": "d"})
    work.ds.add({"bytes/1": b"staged without a file"})
    for name in ("a", "dir/c"):
        work.path(name).unlink()
    os.rename(work.path("disk"), work.path(".dsm/elsewhere"))
    told: list[str] = []
    work.ds.commit(
        "two", paths=["a", "disk", "dir", "bytes"],
        tell=lambda report: told.extend(warning.path for warning in report.warnings),
    )  # fmt: skip
    assert sorted(work.contents()) == ["bytes/1", "dir/d", "disk/a", "disk/b"]
    assert told == ["disk"]
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("three", paths=["disk"])
    assert work.state() == ([], [("d", "disk/a"), ("d", "disk/b")], [])
    work.ds.add(["disk"], deletions=True)
    work.ds.commit("three", paths=["disk"])
    assert sorted(work.contents()) == ["bytes/1", "dir/d"]


def test_deletions_count_below_the_paths_given(work: Work) -> None:
    """`deletions` stages what is gone at and below the paths, and nothing elsewhere."""
    work.commit("one", **{"x/a": "a", "x/b": "b", "y/c": "c", "xy": "d"})
    for name in ("x/a", "y/c", "xy"):
        work.path(name).unlink()
    work.ds.add(["x"], deletions=True)
    assert work.state()[0] == [("d", "x/a")]


def test_a_file_that_became_a_folder_and_back(work: Work) -> None:
    """An example whose place a folder has taken is deleted by `deletions`, and the other way round."""
    work.commit("one", a="a", **{"b/c": "c"})
    work.path("a").unlink()
    work.path("b/c").unlink()
    work.path("b").rmdir()
    work.write({"a/inner": "inner", "b": "b"})
    assert work.state() == ([], [("d", "a"), ("d", "b/c")], ["a/inner", "b"])
    work.ds.add(["."], deletions=True)
    work.ds.commit("two")
    assert work.contents() == {"a/inner": b"inner", "b": b"b"}
    assert work.state() == ([], [], [])
    work.ds.restore(to="out")
    assert work.files("%s/out" % work.root) == work.contents()


def test_no_example_lies_below_another(work: Work) -> None:
    """A path cannot be a file and a folder: the newer one replaces what it makes impossible."""
    work.commit("one", a="a", **{"b/c": "c"})
    work.path("a").unlink()
    work.path("b/c").unlink()
    work.path("b").rmdir()
    work.write({"a/inner": "inner", "b": "b"})
    work.ds.add(["."])  # deletions were not asked for
    work.ds.commit("two")
    assert work.contents() == {"a/inner": b"inner", "b": b"b"}
    work.ds.restore(to="out")
    assert work.files("%s/out" % work.root) == work.contents()


def test_bytes_given_for_a_path_below_a_file(work: Work) -> None:
    """What is given by path cannot lie below an example either."""
    with pytest.raises(InvalidInput, match="a/b cannot be an example and another one"):
        work.ds.add({"a": b"1", "a/b": b"2"})
    work.commit("one", a="a")
    with pytest.raises(InvalidInput, match="cannot be an example and another one lie"):
        work.ds.add({"a/b": b"2"})
    assert work.state() == ([], [], [])


def wait_for_a_later_time(work: Work) -> None:
    """Waits until the change times of files here are so old that an unchanged file is believed."""
    newest = max(os.stat(work.path(name)).st_ctime_ns for name in work.files()) + RACY_NS
    probe = work.root.parent / "probe"
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns > newest:
            return


def test_unchanged_files_are_not_read_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose stat is the one that was seen, long enough ago, is not opened."""
    old = 1_600_000_000_000_000_000
    work.write({"a": "a", "b": "b"})
    for name in "ab":
        os.utime(work.path(name), ns=(old, old))
    work.ds.add(["."])
    work.ds.commit("one")
    wait_for_a_later_time(work)
    work.ds.status()
    opened: list[str] = []
    real = os.open

    def noting(path: str, *args: object, **options: object) -> int:
        opened.append(os.path.basename(os.fspath(path)))
        return real(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", noting)
    assert work.ds.add(["."]).unchanged == 2
    assert work.ds.status().clean
    assert not {"a", "b"} & set(opened)
    monkeypatch.undo()
    work.write({"a": "A"})
    os.utime(work.path("a"), ns=(old, old))  # same size, same time: the change time tells
    assert work.state()[1] == [("m", "a")]


def test_changes_within_the_same_tick_are_seen(work: Work) -> None:
    """A file that is rewritten right after it was added, to the same size and time, is modified."""
    for number in range(20):
        work.write({"a": b"%02d" % number})
        st = work.path("a").stat()
        work.ds.add(["a"])
        work.write({"a": b"%02d" % (number + 50)})
        os.utime(work.path("a"), ns=(st.st_mtime_ns, st.st_mtime_ns))
        assert work.state()[1] == [("m", "a")], number


# --- labels ---------------------------------------------------------------------------------------


def test_labels_for_everything_added(work: Work) -> None:
    """Labels given with `add` are sorted, without doubles, and go on every file."""
    work.write({"a": "a", "dir/b": "b"})
    work.ds.add(["."], labels=["y", " x", "y"])
    work.ds.commit("one")
    assert labels(work) == {"a": ("x", "y"), "dir/b": ("x", "y")}


def test_labels_given_for_unchanged_files_relabel_them(work: Work) -> None:
    """Adding with labels what is tracked already changes its labels, not its content or time."""
    work.commit("one", a="a", b="b")
    before = work.ds.example("a")
    report = work.ds.add(["a"], labels=["x"])
    assert report.counts == Counts(relabelled=1)
    work.ds.commit("two")
    assert labels(work) == {"a": ("x",), "b": ()}
    assert work.ds.example("a").time == before.time
    assert work.ds.add(["a"], labels=["x"]).counts == Counts()


def test_a_changed_file_keeps_its_labels(work: Work) -> None:
    """New content under an old path keeps what the path was labelled with."""
    work.write({"a": "a"})
    work.ds.add(["a"], labels=["x"])
    work.ds.commit("one")
    work.write({"a": "A"})
    work.ds.add(["."])
    work.ds.commit("two")
    assert work.snapshot() == {"a": (b"A", ("x",))}


PATTERN = "{split}/{label}/{name}.jpg"


def test_a_pattern_labels_what_fits(work: Work) -> None:
    """Paths that fit give labels and attributes; the others are added without and counted."""
    work.write({"train/cat/1.jpg": "1", "test/dog/2.jpg": "2", "notes.txt": "n", "cat/3.jpg": "3"})
    report = work.ds.add(["."], pattern=PATTERN)
    assert (report.unlabelled, report.pattern) == (2, PATTERN)
    work.ds.commit("one")
    assert labels(work) == {
        "train/cat/1.jpg": ("cat",), "test/dog/2.jpg": ("dog",), "notes.txt": (), "cat/3.jpg": ()
    }  # fmt: skip
    assert work.ds.example("train/cat/1.jpg").attributes == {"split": "train", "name": "1"}


def test_strict_refuses_what_does_not_fit(work: Work) -> None:
    """With `strict` one file that does not fit means that nothing is staged, and names it."""
    work.write({"train/cat/1.jpg": "1", "notes.txt": "n"})
    with pytest.raises(InvalidInput, match="match the pattern, so nothing was staged") as caught:
        work.ds.add(["."], pattern=PATTERN, strict=True)
    assert caught.value.items == ("notes.txt",)
    assert work.state() == ([], [], ["notes.txt", "train/cat/1.jpg"])
    assert caught.value.message.startswith("1 file does not match")
    with pytest.raises(InvalidInput, match="do not match") as caught:
        work.ds.add({"train/cat/2.jpg": b"2", "a": b"", "b": b""}, pattern=PATTERN, strict=True)
    assert caught.value.items == ("a", "b")
    assert work.state() == ([], [], ["notes.txt", "train/cat/1.jpg"])
    with pytest.raises(InvalidInput, match="no pattern to be strict about"):
        work.ds.add(["train"], strict=True)
    assert work.ds.add(["train"], pattern=PATTERN, strict=True).counts.added == 1


def test_the_datasets_own_pattern(make_work: object, tmp_path: Path) -> None:
    """A dataset's pattern applies to new files, and never undoes what `label` has done."""
    work = Work(tmp_path / "own", pattern=PATTERN)
    work.commit("one", **{"train/cat/1.jpg": "1", "train/cat/2.jpg": "2"})
    assert set(labels(work).values()) == {("cat",)}
    work.ds.label(["train/cat/1.jpg"], set=["lynx"])
    work.ds.commit("two")
    work.write({"train/cat/1.jpg": "other bytes", "train/cat/3.jpg": "3"})
    work.ds.add(["."])
    work.ds.commit("three")
    assert labels(work) == {
        "train/cat/1.jpg": ("lynx",), "train/cat/2.jpg": ("cat",), "train/cat/3.jpg": ("cat",)
    }  # fmt: skip
    # A pattern given by hand means all of them.
    report = work.ds.add(["."], pattern="train/{label}/{name}.jpg")
    assert report.counts == Counts(relabelled=1)
    work.ds.commit("four")
    assert set(labels(work).values()) == {("cat",)}
    work.repo.close()


def test_labels_and_a_pattern_add_up(work: Work) -> None:
    """Labels from the path and labels given by hand are both there."""
    work.write({"train/cat/1.jpg": "1", "other": "2"})
    work.ds.add(["."], pattern=PATTERN, labels=["new"])
    work.ds.commit("one")
    assert labels(work) == {"train/cat/1.jpg": ("cat", "new"), "other": ("new",)}


def test_times(work: Work) -> None:
    """An example's time is its file's; the pattern's or the label file's when they say one."""
    work.write({"a": "a", "2024-02-29/b.txt": "b", "c": "c",
                "times.csv": "path,time\nc,2001-09-09T01:46:40Z\n"})  # fmt: skip
    os.utime(work.path("a"), ns=(0, 5_000_000_000))
    work.ds.add(["a", "2024-02-29"], pattern="{time}/{_}.txt")
    work.ds.add(["c"], label_file=str(work.path("times.csv")))
    work.ds.commit("one")
    times = {example.path: example.time for example in work.ds.ls()}
    assert times == {
        "a": 5_000_000, "2024-02-29/b.txt": 1_709_164_800_000_000, "c": 1_000_000_000_000_000
    }  # fmt: skip
    # A touched file is no change; other bytes take the new time.
    os.utime(work.path("a"), ns=(0, 9_000_000_000))
    assert work.ds.add(["a"]).counts == Counts()
    work.write({"a": "A"})
    os.utime(work.path("a"), ns=(0, 9_000_000_000))
    work.ds.add(["a"])
    work.ds.commit("two")
    assert work.ds.example("a").time == 9_000_000


def test_a_kept_pattern_tells_the_time_of_other_content_too(tmp_path: Path) -> None:
    """The time that a path tells does not give way to that of the file when its bytes change."""
    work = Work(tmp_path / "own", pattern="{time}/{_}.txt")
    work.ds.set_unmatched("unlabelled")
    day = 1_709_164_800_000_000
    work.commit("one", **{"2024-02-29/a.txt": "a", "2024-02-29/b.txt": "b", "c": "c"})
    work.write({"2024-02-29/a.txt": "A", "2024-02-29/b.txt": "B", "times.jsonl":
                '{"path": "2024-02-29/b.txt", "time": "2001-09-09T01:46:40Z"}'})  # fmt: skip
    work.ds.add(["2024-02-29/a.txt"])
    work.ds.add(["2024-02-29/b.txt"], label_file=str(work.path("times.jsonl")))
    work.ds.add({"2024-02-29/a.txt": b"AA", "2024-02-29/d.txt": b"d"})
    work.ds.commit("two")
    assert work.ds.example("2024-02-29/a.txt").time == day
    assert work.ds.example("2024-02-29/b.txt").time == 1_000_000_000_000_000
    assert work.ds.example("2024-02-29/d.txt").time == day
    # The same bytes keep the time that was given to them, whatever is said of their labels.
    work.ds.add(["2024-02-29/b.txt"], labels=["x"])
    # A pattern that does not match tells no time: the one there is stays.
    os.utime(work.path("c"), ns=(0, 9_000_000_000))
    before = work.ds.example("c").time
    work.ds.add(["c"], pattern="{time}/{label}.jpg", labels=["x"])
    work.ds.commit("three")
    assert work.ds.example("2024-02-29/b.txt").time == 1_000_000_000_000_000
    assert work.ds.example("c").time == before
    work.repo.close()


def test_rows_of_a_label_file_that_name_nothing(work: Work) -> None:
    """A misspelt path in a label file is told, and stops nothing."""
    work.write({"a": "1", "l.jsonl": '{"path": "a", "label": "x"}\n{"path": "aa", "label": "y"}\n'})
    report = work.ds.add(["a"], label_file=str(work.path("l.jsonl")))
    assert report.counts.added == 1
    assert [warning.path for warning in report.warnings] == ["aa"]


def test_label_files(work: Work) -> None:
    """A label file says labels, annotation and attributes by path; what it leaves out stays."""
    work.write({
        "a": "a", "b": "b", "c": "c",
        "l.jsonl": '{"path": "a", "labels": ["x", "y"], "width": 3}\n'
                   '{"path": "b", "annotation": {"box": [1]}}\n{"path": "gone", "label": "z"}\n',
    })  # fmt: skip
    work.ds.add(["a", "b", "c"], labels=["all"])
    work.ds.commit("one")
    report = work.ds.add(["a", "b", "c"], label_file=str(work.path("l.jsonl")))
    assert report.counts == Counts(relabelled=2)
    work.ds.commit("two")
    assert labels(work) == {"a": ("x", "y"), "b": ("all",), "c": ("all",)}
    assert work.ds.example("a").attributes == {"width": 3}
    assert work.ds.example("b").annotation == '{"box":[1]}'
    with pytest.raises(NotFound, match="^there is no label file no such file"):
        work.ds.add(["a"], label_file="no such file")


# --- what add reports, and dry runs -----------------------------------------------------------------


def test_a_dry_run_says_what_would_be_staged(work: Work) -> None:
    """The report of a dry run is that of the run, and nothing is written."""
    work.commit("one", a="a", b="b", c="c")
    work.write({"a": "A", "new": "n"})
    work.path("c").unlink()
    packs = sorted(Path(work.repo.layout.packs).rglob("*.pack"))
    dry = work.ds.add(["."], deletions=True, labels=["x"], dry_run=True)
    assert work.state() == ([], [("m", "a"), ("d", "c")], ["new"])
    assert sorted(Path(work.repo.layout.packs).rglob("*.pack")) == packs
    real = work.ds.add(["."], deletions=True, labels=["x"])
    assert dry.counts == real.counts == Counts(added=1, modified=1, relabelled=1, deleted=1)
    assert [(change.kind[0], change.path) for change in dry.changes] == work.state()[0]
    assert real.changes == ()


def test_bytes_given_by_path(work: Work) -> None:
    """A mapping adds bytes or binary files without any file in the work tree."""
    import io

    large = os.urandom(3 << 20)
    report = work.ds.add({"a": b"a", "dir/b": io.BytesIO(large), "e": b""}, labels=["x"])
    assert (report.counts, report.files, report.size) == (Counts(added=3), 3, 1 + len(large))
    made = work.ds.commit("one")
    assert made.size == 1 + len(large)
    assert work.snapshot() == {"a": (b"a", ("x",)), "dir/b": (large, ("x",)), "e": (b"", ("x",))}
    assert {e.time for e in work.ds.ls()} == {MOMENT + 1_000_000}
    status = work.ds.status()
    assert (status.clean, status.absent) == (True, 3)
    # The same bytes again are no change, others are; labels given again relabel.
    assert work.ds.add({"a": b"a"}).counts == Counts()
    assert work.ds.add({"a": b"A"}).counts == Counts(modified=1)
    assert work.ds.add({"a": b"a"}).counts == Counts()
    assert work.state()[0] == []
    assert work.ds.add({"a": b"a"}, labels=["y"]).counts == Counts(relabelled=1)


@pytest.mark.parametrize("flag", ["dry_run", "deletions"])
def test_what_bytes_cannot_do(work: Work, flag: str) -> None:
    """What is asked of files alone is refused with bytes, and not passed over."""
    with pytest.raises(InvalidInput, match=flag):
        work.ds.add({"a": b"a"}, **{flag: True})  # type: ignore[arg-type]
    assert work.state() == ([], [], [])


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", ".dsm/x", "a//b", "a\0b", "a\udcff"])
def test_bytes_for_impossible_paths(work: Work, path: str) -> None:
    """A path that no example may have is refused before anything is stored."""
    with pytest.raises(InvalidInput, match=r"^(a path is empty|the path|the name)"):
        work.ds.add({"good": b"", path: b"x"})
    assert work.state() == ([], [], [])
    assert not list(Path(work.repo.layout.packs).rglob("*.pack"))


def test_bytes_where_a_file_is(work: Work) -> None:
    """Bytes for a path that has a file are tracked; the file then shows as it differs."""
    work.write({"a": "on disk"})
    work.ds.add({"a": b"given"})
    work.ds.commit("one")
    assert work.state() == ([], [("m", "a")], [])
    work.write({"a": "given"})
    assert work.state() == ([], [], [])


def test_what_is_not_there_cannot_be_added(work: Work) -> None:
    """A path without file or example is an error that names it; nothing is staged."""
    work.write({"a": "a"})
    with pytest.raises(NotFound, match="nowhere"):
        work.ds.add(["a", "nowhere"])
    assert work.state() == ([], [], ["a"])
    with pytest.raises(InvalidInput, match="outside"):
        work.ds.add([".."])
    with pytest.raises(InvalidInput, match=r"path '\.dsm/repo\.json' lies in \.dsm, which"):
        work.ds.add([".dsm/repo.json"])


def test_paths_are_taken_once(work: Work) -> None:
    """Overlapping and doubled paths add each file once."""
    work.write({"dir/a": "a", "dir/sub/b": "b"})
    report = work.ds.add(["dir", "dir/a", "./dir/sub/../a", str(work.path("dir/sub")), "dir"])
    assert (report.counts, report.files) == (Counts(added=2), 2)


def test_objects_are_what_b3sum_says(work: Work) -> None:
    """The id of an example is the BLAKE3 of its bytes."""
    work.commit("one", a="some bytes")
    assert work.ds.example("a").oid == blake3(b"some bytes").digest()


def test_a_failing_add_stages_nothing(work: Work) -> None:
    """A name that is not UTF-8 stops the whole `add` and is named; `keep_going` takes the rest."""
    work.write({"a": "a"})
    bad = os.fsencode(work.root) + b"/bad\xff.txt"
    with open(bad, "wb"):
        pass
    with pytest.raises(StorageFailed) as caught:
        work.ds.add(["."])
    assert r"bad\xff.txt" in caught.value.message and "UTF-8" in caught.value.message
    assert caught.value.exit_status == 8
    assert work.state()[0] == []
    report = work.ds.add(["."], keep_going=True)
    assert report.counts == Counts(added=1)
    assert [os.fsencode(problem.path) for problem in report.failed] == [b"bad\xff.txt"]
    assert work.state()[0] == [("a", "a")]
