"""Globs in `add --records`: the files that they fit now, and new ones later."""

from __future__ import annotations

import pytest
from situations import Work

from dsm.errors import NotFound
from dsm.repo.dataset_settings import read_settings

ROWS = b"id,topic\n1,a\n2,b\n"


def paths(work: Work) -> list[str]:
    return [each.path for each in work.ds.ls()]


def test_new_files_that_a_glob_fits_are_read_as_it_said(work: Work) -> None:
    """A plain `add` of a new file applies the settings of the glob; other files are as ever."""
    work.write({"data/a.csv": ROWS, "data/a.jsonl": b'{"id": 1}\n', "b.csv": ROWS})
    work.ds.add(["data/*.csv"], records=True, key_field="id", label_field="topic")
    work.ds.commit("first")
    assert paths(work) == ["data/a.csv#1", "data/a.csv#2"]
    work.write({"data/new.csv": b"id,topic\n7,c\n"})
    work.ds.add(["."])
    work.ds.commit("second")
    assert paths(work) == [
        "b.csv", "data/a.csv#1", "data/a.csv#2", "data/a.jsonl", "data/new.csv#7",
    ]  # fmt: skip
    assert work.ds.example("data/new.csv#7").labels == ("c",)


def test_the_last_glob_counts_and_a_file_itself_before_it(work: Work) -> None:
    """Of globs that fit the one that was said last counts; a file that was named beats them."""
    work.write({"data/a.csv": ROWS, "data/b.csv": ROWS})
    work.ds.add(["data"], records=True)
    work.ds.add(["*.csv"], records=True, key_field="topic")
    work.ds.add(["data/*.csv"], records=True, key_field="id")
    work.ds.add(["data/b.csv"], records=True, key_field=["id", "topic"])
    settings = read_settings(work.repo, work.ds.name)
    assert [glob for glob, _ in settings.record_globs] == ["*.csv", "data/*.csv"]
    found = {path: settings.records_at(path) for path in ("data/b.csv", "data/c.csv", "c.csv")}
    keys = {path: said and said[0].key for path, said in found.items()}
    assert keys == {"data/b.csv": ("id", "topic"), "data/c.csv": ("id",), "c.csv": ("topic",)}
    work.ds.add(["data"], records=True)
    settings = read_settings(work.repo, work.ds.name)
    assert ([glob for glob, _ in settings.record_globs], dict(settings.records).keys()) == (
        ["*.csv"], {"data"},
    )  # fmt: skip


def test_archives_are_named_by_a_glob(work: Work) -> None:
    """A format that folders do not take by themselves is taken where a glob asks for it."""
    work.write({"notes/a.txt": b"one\ntwo\n"})
    work.ds.add(["notes/*.txt"], records=True)
    work.write({"notes/b.txt": b"three\n"})
    work.ds.add(["."])
    work.ds.commit("first")
    assert {path.partition("#")[0] for path in paths(work)} == {"notes/a.txt", "notes/b.txt"}
    assert len(paths(work)) == 3


def test_a_file_with_stars_in_its_name_is_itself(work: Work) -> None:
    """What exists under a name is meant by it, whatever its signs would fit as a glob."""
    work.write({"[a]*.csv": ROWS, "a.csv": ROWS})
    work.ds.add(["[a]*.csv"], records=True, key_field="id")
    work.ds.commit("first")
    assert paths(work) == ["[a]*.csv#1", "[a]*.csv#2"]


def test_a_glob_that_fits_nothing_is_refused(work: Work) -> None:
    """Nothing is staged and nothing is kept of a glob that fits no file."""
    work.write({"a.jsonl": b'{"id": 1}\n'})
    with pytest.raises(NotFound) as caught:
        work.ds.add(["data/*.csv"], records=True)
    assert "no file that it fits" in caught.value.message
    assert read_settings(work.repo, work.ds.name).record_globs == ()
