"""Names for changesets: numbers, head, head~2, tags and id prefixes; and what tags promise."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from situations import Work

from dsm.errors import (
    AlreadyExists,
    AmbiguousName,
    AnswerIsNo,
    DamagedData,
    DsmError,
    InvalidInput,
    NotFound,
)
from dsm.format import document
from dsm.model.timespec import format_time
from dsm.repo.log import ChangesetLog


@pytest.fixture
def five(work: Work) -> Work:
    """Five changesets and a tag on the third."""
    for number in range(1, 6):
        work.commit(f"{number}", **{f"f{number}": "x"})
    work.ds.tag("v1.0", 3, "the release")
    return work


def tag_file(work: Work, name: str) -> Path:
    return Path(work.repo.layout.tags("data")) / f"{name}.json"


def test_all_names_of_a_changeset(five: Work) -> None:
    """Whatever names a changeset leads to its number."""
    ds = five.ds
    ids = {n: ds.changeset(n).id for n in range(1, 6)}
    names = {
        3: [3, "3", " 3 ", "03", "head~2", "HEAD~2", "v1.0", "5~2", ids[3], ids[3][:8],
            ids[3][:12].upper()],
        5: ["head", "Head", "5", "head~0"],
        2: ["v1.0~", "v1.0~1", "head~3", "3~", "v1.0^", "head^^^", "head~2^", "5^~2", "3^"],
    }  # fmt: skip
    for number, spellings in names.items():
        assert [ds.resolve(name) for name in spellings] == [number] * len(spellings)
    assert ds.resolve(None) == 5
    assert ds.changeset("v1.0~1").number == 2


def test_an_id_that_looks_like_a_number(five: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """One id in forty begins with eight decimal digits: where no changeset has that number, the
    id is meant."""
    ids = ["1" * 64, "26487077" + "a" * 56, "4" * 10 + "b" * 54, "4" * 10 + "c" * 54, "0" * 64]
    named = [SimpleNamespace(number=n, id=id_) for n, id_ in enumerate(ids, 1)]
    monkeypatch.setattr(ChangesetLog, "newest_first", lambda _: reversed(named))
    assert five.ds.resolve("26487077") == 2
    assert five.ds.resolve("26487077~") == 1
    assert five.ds.resolve("00000003") == 3
    with pytest.raises(AmbiguousName, match="'44444444' could be 2 changesets") as caught:
        five.ds.resolve("44444444")
    assert caught.value.items == ("3", "4")
    with pytest.raises(NotFound, match="has no changeset 26487078"):
        five.ds.resolve("26487078")


@pytest.mark.parametrize(
    "name",
    ["", " ", "0", "6", "-1", "head~5", "head~99", "v2", "v1.0~3", "~", "~1", "^", "head^2", "head^{}",
     "head^^^^^", "head~1x", "head~-1",
     "head~x", "1.5", "²", "٣", "head~²", "9" * 30, "9" * 5000, "head~" + "9" * 5000, "deadbeef",
     "a" * 7, "../../x", "a/b", "\0", "head\n", "\udcff", "tag\x1b[2J"],
)  # fmt: skip
def test_what_names_no_changeset(five: Work, name: str) -> None:
    """Every other text is refused with an error of ours."""
    if name == "head\n":
        assert five.ds.resolve(name) == 5  # blanks around a name do not count
        return
    with pytest.raises((NotFound, InvalidInput), match=r"has no changeset|is not a changeset"):
        five.ds.resolve(name)


def test_near_matches_are_named(five: Work) -> None:
    """A mistyped tag is answered with the one that was meant."""
    with pytest.raises(NotFound, match="dataset data has no changeset or tag") as caught:
        five.ds.resolve("v1.O")
    assert caught.value.hint == "did you mean v1.0?"


def test_without_changesets(work: Work) -> None:
    """In an empty dataset nothing has a name, and there is nothing to tag."""
    for name in ("head", 1, "1", "x"):
        with pytest.raises(NotFound, match="dataset data has no changeset"):
            work.ds.resolve(name)
    with pytest.raises(AnswerIsNo, match="dataset data has no changeset to tag yet"):
        work.ds.tag("v1")
    assert work.ds.tags() == [] and list(work.ds.log()) == []
    assert work.ds.snapshot().num_rows == 0
    assert work.ds.diff().changes == ()


def test_tags(five: Work) -> None:
    """Tags are listed by name, keep what was said, never move and can be deleted."""
    made = five.ds.tag("a-tag")
    assert (made.number, made.id) == (5, five.ds.changeset(5).id)
    assert [(t.name, t.number, t.message) for t in five.reopen().tags()] == [
        ("a-tag", 5, ""), ("v1.0", 3, "the release")
    ]  # fmt: skip
    with pytest.raises(AlreadyExists, match="there is a tag 'v1.0' already"):
        five.ds.tag("v1.0")
    five.ds.delete_tag("v1.0")
    with pytest.raises(NotFound, match=r"there is no tag 'v1\.0'"):
        five.ds.delete_tag("v1.0")
    assert five.ds.tag("v1.0", 4).number == 4


@pytest.mark.parametrize(
    "name", ["", "head", "HEAD", "7", "a b", "../x", "a/b", ".x", "x.lock", "é"]
)
def test_names_that_are_no_tags(five: Work, name: str) -> None:
    """A tag is a plain name that names nothing else."""
    with pytest.raises(
        InvalidInput,
        match="cannot name a tag|means the newest changeset already|would hide changeset 7",
    ):
        five.ds.tag(name, 1)
    assert [tag.name for tag in five.ds.tags()] == ["v1.0"]


def test_a_damaged_tag_hurts_only_itself(five: Work) -> None:
    """Reading a damaged tag says which file it is; numbers and other tags go on working."""
    five.ds.tag("other", 2)
    path = tag_file(five, "v1.0")
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedData, match=r"v1\.0\.json"):
        five.ds.resolve("v1.0")
    assert five.ds.resolve("other") == 2
    assert five.ds.resolve(4) == 4


def test_tags_of_another_dataset_or_history(five: Work) -> None:
    """A tag document that belongs to another dataset, name or changeset is not followed."""
    repo = five.repo
    other = repo.create_dataset("other")
    other.add({"x": b"x"})
    other.commit("one")
    other.commit("two", allow_empty=True)
    other.tag("theirs", 2)
    data = (Path(repo.layout.tags("other")) / "theirs.json").read_bytes()
    tag_file(five, "theirs").write_bytes(data)
    tag_file(five, "renamed").write_bytes(tag_file(five, "v1.0").read_bytes())
    fields = document.decode(tag_file(five, "v1.0").read_bytes(), "t")
    del fields["format"]
    hostile = {
        "moved": {"number": 1}, "beyond": {"number": 99}, "text": {"number": "3"},
        "nothing": {"number": None}, "elsewhere": {"dataset": "00" * 16}, "zero": {"number": 0},
        "below": {"number": -1}, "odd": {"time": "now"}, "list": {"message": []},
    }  # fmt: skip
    for name, changes in hostile.items():
        document_bytes = document.encode({**fields, "name": name, **changes})
        tag_file(five, name).write_bytes(document_bytes)
    for name in ("theirs", "renamed", *hostile):
        with pytest.raises(
            DsmError,
            match=r"another name or dataset|given to another changeset|has no changeset|is no tag: a field",
        ):
            five.ds.resolve(name)
    assert five.ds.resolve("v1.0") == 3


def test_strange_files_among_the_tags(five: Work) -> None:
    """Files that are no tags are passed over, and a link is not followed."""
    folder = Path(five.repo.layout.tags("data"))
    (folder / "README").write_bytes(b"")
    (folder / "not a tag.json").write_bytes(b"")
    os.symlink(tag_file(five, "v1.0"), folder / "linked.json")
    assert five.ds.resolve("v1.0") == 3
    with pytest.raises(DsmError, match="Too many levels of symbolic links"):
        five.ds.resolve("linked")


def test_an_ambiguous_id_says_so(five: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A prefix that fits several ids is refused rather than guessed."""
    ds = five.ds
    log = ds.log_
    for number in range(1, 6):
        log.get(number)
    import dataclasses

    log._read = {n: dataclasses.replace(c, id="abcdef12" + c.id[8:]) for n, c in log._read.items()}
    with pytest.raises(AmbiguousName, match="'abcdef12' could be 5 changesets"):
        log.resolve("abcdef12")


def test_the_log_of_paths(work: Work) -> None:
    """The log of some paths tells the changesets that touched them or what lies below them."""
    work.commit("one", **{"a": "1", "dir/b": "1", "dirx": "1"})
    work.commit("two", **{"dir/b": "2"})
    work.commit("three", **{"dirx": "3"})
    work.ds.remove(["dir"])
    work.ds.commit("four")
    assert [c.number for c in work.ds.log(paths=["dir"])] == [4, 2, 1]
    assert [c.number for c in work.ds.log(paths=["dir/b", "dirx"])] == [4, 3, 2, 1]
    assert [c.number for c in work.ds.log(paths=["a"], limit=5)] == [1]
    assert [c.number for c in work.ds.log(paths=["dir"], limit=2)] == [4, 2]
    assert [c.number for c in work.ds.log(2)] == [4, 3]
    assert [c.number for c in work.ds.log(paths=["never"])] == []
    assert [work.ds.has_path(path) for path in ("a", "dir", "dir/b", ".", "di", "never")] == [
        True, True, True, True, False, False
    ]  # fmt: skip
    assert [c.path for c in work.ds.changes(1, ["dir"]).changes] == ["dir/b"]


def test_the_log_of_what_is_asked(work: Work) -> None:
    """A log goes from one changeset back to another, and tells those of a time, an author or a
    word; `reverse` turns the same ones round."""
    ds, made = work.ds, []
    for number, author in enumerate(["Ada", "Bob", "ada@x"], 1):
        work.write({f"f{number}": "x"})
        ds.add(["."])
        made.append(ds.commit(f"Night shots {number}\n\nof camera {number % 2}", author=author))
    ds.tag("v1", 1)

    def told(**asked: Any) -> list[int]:
        return [changeset.number for changeset in ds.log(**asked)]

    assert told(reference="head^") == [2, 1]
    assert told(reference=3, after="v1") == [3, 2]
    assert told(reference=1, after=3) == []
    assert told(author="ADA") == [3, 1]
    assert told(author=["bob", "@x"]) == [3, 2]
    assert told(grep="camera 1") == [3, 1]
    assert told(grep="CAMERA 0", author="bob") == [2]
    assert told(grep=".") == []
    assert told(limit=2, reverse=True) == [2, 3]
    second = made[1].time
    assert told(since=second) == [3, 2]
    assert told(until=format_time(second)) == [1]
    assert told(since=datetime.fromtimestamp(second / 1e6, UTC) + timedelta(days=1)) == []
    for wrong in ({"reference": 9}, {"after": "v9"}):
        with pytest.raises(NotFound, match="dataset data has no changeset"):
            ds.log(**wrong)
    for wrong in ({"since": "soon"}, {"grep": [1]}):
        with pytest.raises(InvalidInput, match=r"is not a time|\[1\] is not text to look for"):
            ds.log(**wrong)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sinse'"):
        ds.log(sinse=1)
