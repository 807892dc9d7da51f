"""Changesets: numbered without gaps, chained by hash, conflicts found, and refused when altered."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from situations import Work

from dsm.errors import AnswerIsNo, Conflict, DamagedData, DsmError, InvalidInput, NotFound
from dsm.format import document
from dsm.history.conflicts import ChangedMeanwhile
from dsm.maintenance.fsck import fsck
from dsm.model.changeset import Counts


def header(work: Work, number: int) -> Path:
    return Path(work.repo.layout.changeset("data", number))


def rewrite(work: Work, which: int, **changes: Any) -> None:
    """Replaces a header by another one, with a seal that fits."""
    path = header(work, which)
    fields = document.decode(path.read_bytes(), "h")
    del fields["format"]
    path.unlink()
    path.write_bytes(document.encode({**fields, **changes}))


def test_changesets_are_numbered_and_chained(work: Work) -> None:
    """Numbers follow each other, each header names the one before it by the hash of its file."""
    work.commit("one", **{"a.txt": "a", "b.txt": "b"})
    work.commit("two", **{"a.txt": "A"})
    work.path("b.txt").unlink()
    work.commit("three")
    three, two, one = work.ds.log()
    assert [c.number for c in (one, two, three)] == [1, 2, 3]
    assert [c.parent for c in (one, two, three)] == [None, one.id, two.id]
    assert one.id == blake3(header(work, 1).read_bytes()).hexdigest()
    assert [c.counts for c in (one, two, three)] == [
        Counts(added=2), Counts(modified=1), Counts(deleted=1)
    ]  # fmt: skip
    assert [c.examples for c in (one, two, three)] == [2, 2, 1]
    assert [c.size for c in (one, two, three)] == [2, 1, 0]
    assert len({c.transaction for c in (one, two, three)}) == 3
    assert (one.message, one.author, one.kind) == ("one", "tester", "files")
    assert one.time < two.time < three.time
    assert {c.dataset for c in (one, two, three)} == {work.ds.id}


def test_what_is_said_of_a_changeset_is_kept(work: Work) -> None:
    """Message, author and provenance come back as they were given, in any script."""
    work.write({"a": "a"})
    work.ds.add(["a"])
    said = {
        "author": "测试 <t@example.org>",
        "source": "https://example.org/データ",
        "note": "a\nb",
    }
    made = work.ds.commit("  première ligne\n\nzweite  \n", **said)  # type: ignore[arg-type]
    again = work.reopen().changeset(1)
    assert again == made
    assert (again.message, again.author) == ("première ligne\n\nzweite", said["author"])
    assert (again.source, again.note) == (said["source"], said["note"])


@pytest.mark.parametrize("message", ["", "  \n", "x" * 100_001, "lone \ud800"])
def test_messages_that_are_refused(work: Work, message: str) -> None:
    """A message is some text of reasonable length; a refusal leaves the stage as it was."""
    work.write({"a": "a"})
    work.ds.add(["a"])
    with pytest.raises(
        InvalidInput,
        match="a changeset needs a message|the message is longer than|the message, author or provenance",
    ):
        work.ds.commit(message)
    assert work.state() == ([("a", "a")], [], [])


def test_nothing_to_commit(work: Work) -> None:
    """An empty stage is no changeset, unless one is asked for."""
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("nothing")
    assert work.ds.commit("a marker", allow_empty=True).counts == Counts()
    work.commit("one", a="a")
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("again")
    assert work.ds.head == 2
    assert work.contents(1) == {} and work.contents(2) == {"a": b"a"}


def test_a_changeset_of_labels_alone_says_so(work: Work) -> None:
    """Its kind is relabel; its objects are those that were there."""
    work.commit("one", a="a", b="b")
    work.ds.label(["a"], add=["x"])
    made = work.ds.commit("labels")
    assert (made.kind, made.counts, made.size) == ("relabel", Counts(relabelled=1), 1)


def test_committing_paths_leaves_the_rest_staged(work: Work) -> None:
    """`commit` of some paths adds and commits exactly those, whatever else is staged."""
    work.commit("one", a="a", b="b", c="c")
    work.write({"a": "A", "b": "B", "d": "d", "sub/e": "e", "sub/f": "f"})
    work.ds.add(["b", "sub/f"])
    made = work.ds.commit("two", paths=["a", "sub"])
    assert made.counts == Counts(added=2, modified=1)
    assert work.contents() == {"a": b"A", "b": b"b", "c": b"c", "sub/e": b"e", "sub/f": b"f"}
    assert work.state() == ([("m", "b")], [], ["d"])
    work.path("c").unlink()
    work.ds.commit("three", paths=["c", "d"])
    assert sorted(work.contents()) == ["a", "b", "d", "sub/e", "sub/f"]
    assert work.state() == ([("m", "b")], [], [])
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("four", paths=["a"])
    with pytest.raises(NotFound, match="there is no file or folder 'nowhere'"):
        work.ds.commit("five", paths=["nowhere"])


def test_committing_the_path_of_a_staged_deletion(work: Work) -> None:
    """Paths that are gone by `rm` or `mv` can be committed by name."""
    work.commit("one", a="a", b="b", **{"sub/c": "c", "sub/d": "d"})
    work.ds.remove(["a", "sub"])
    assert work.ds.commit("a", paths=["a"]).counts == Counts(deleted=1)
    assert work.ds.commit("sub", paths=["sub"]).counts == Counts(deleted=2)
    work.ds.move("b", "z")
    assert work.ds.commit("b", paths=["b", "z"]).counts == Counts(added=1, deleted=1)
    assert work.contents() == {"z": b"b"}
    assert work.state() == ([], [], [])


def test_committing_all_leaves_new_files_alone(work: Work) -> None:
    """`all` takes changes and deletions of what is tracked."""
    work.commit("one", a="a", b="b", c="c")
    work.write({"a": "A", "new": "new"})
    work.path("b").unlink()
    made = work.ds.commit("two", all=True)
    assert made.counts == Counts(modified=1, deleted=1)
    assert work.state() == ([], [], ["new"])


def test_staged_versions_are_what_is_committed(work: Work) -> None:
    """What changes after `add` is not part of the commit."""
    work.write({"a": "staged"})
    work.ds.add(["a"])
    work.write({"a": "later"})
    work.ds.commit("one")
    assert work.contents() == {"a": b"staged"}
    assert work.state() == ([], [("m", "a")], [])


# --- two writers --------------------------------------------------------------------------------


def behind(work: Work, files: dict[str, bytes]) -> Callable[[], int]:
    """Stages in one process; the result commits what was staged, as if nothing had happened since.

    Another writer is played by committing in between, with `commit(paths=…)`."""
    work.write(files)
    work.ds.add(list(files))
    return lambda: work.ds.commit("behind").number


def test_paths_that_do_not_touch_go_on_top(work: Work) -> None:
    """A writer that lost the race for a number comes next when others changed other paths."""
    work.commit("one", a="a", b="b")
    commit = behind(work, {"a": b"A"})
    work.ds.add({"b": b"B", "c": b"c"})
    work.write({"d": "d"})
    assert work.ds.commit("meanwhile", paths=["d"]).number == 2
    assert commit() == 3
    assert work.contents() == {"a": b"A", "b": b"B", "c": b"c", "d": b"d"}


def other_process(work: Work, content: dict[str, bytes | None]) -> int:
    """Commits as a process that knows nothing of what is staged here."""
    from dsm.history.commit import Intent, record
    from dsm.model.example import Example
    from dsm.model.rows import Rows

    ds = work.ds
    rows, head = Rows(), ds.head
    known = ds.snapshots.lookup(head, content) if head else {}
    for path, data in sorted(content.items()):
        if data is None:
            rows.delete(path)
        else:
            oid = work.repo.store.put(data)
            rows.put("M" if path in known else "A", Example(path, oid, len(data), 5, ("other",)))
    work.repo.store.flush()
    intent = Intent("meanwhile", "other", work.clock(), os.urandom(16).hex())
    return record(work.repo, ds.log_, ds.snapshots, rows, head, intent).number


@pytest.mark.parametrize("theirs", [b"other", None])
def test_the_same_path_is_a_conflict(work: Work, theirs: bytes | None) -> None:
    """Who comes second is told the paths; nothing is committed and the stage stays."""
    work.commit("one", a="a", b="b", c="c")
    commit = behind(work, {"a": b"A", "b": b"B"})
    assert other_process(work, {"a": theirs, "c": b"C"}) == 2
    with pytest.raises(ChangedMeanwhile) as caught:
        commit()
    assert caught.value.items == ("a",)
    assert work.ds.head == 2
    assert [path for _, path in work.state()[0]] == ["a", "b"]
    # The way out that the hint names.
    work.ds.unstage(["a"])
    assert commit() == 3
    assert work.contents()["b"] == b"B"


def test_the_same_change_twice_is_no_conflict(work: Work) -> None:
    """What the other writer has done already is dropped; the rest is committed."""
    work.commit("one", a="a", b="b")
    work.ds.remove(["a"])
    work.write({"b": "B"})
    work.ds.add(["b"])
    other_process(work, {"a": None})
    made = work.ds.commit("mine")
    assert (made.number, made.counts, made.examples) == (3, Counts(modified=1), 1)
    work.ds.remove(["b"])
    other_process(work, {"b": None})
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("mine")
    assert work.ds.head == 4


def test_adding_again_on_top_of_the_other(work: Work) -> None:
    """After a conflict, adding one's version again commits it over the other's."""
    work.commit("one", a="a")
    commit = behind(work, {"a": b"mine"})
    other_process(work, {"a": b"theirs"})
    with pytest.raises(Conflict, match="1 of the examples to commit changed since they were"):
        commit()
    work.ds.unstage(["a"])
    assert work.state() == ([], [("m", "a")], [])
    work.ds.add(["a"])
    assert commit() == 3
    assert work.contents() == {"a": b"mine"}


@pytest.mark.parametrize(("mine", "theirs"), [("a", "a/b/c"), ("a/b", "a"), ("x/y", "x/y/z")])
def test_a_file_where_the_other_made_a_folder(work: Work, mine: str, theirs: str) -> None:
    """Two writers cannot make a path an example and a folder: the second one is told."""
    work.commit("one", **{"other": "o"})
    work.ds.add({mine: b"mine"})
    other_process(work, {theirs: b"theirs"})
    with pytest.raises(ChangedMeanwhile) as caught:
        work.ds.commit("mine")
    assert caught.value.items == (mine,)
    other_process(work, {theirs: None})
    work.ds.commit("mine")
    assert work.contents() == {"other": b"o", mine: b"mine"}


def test_a_folder_that_replaces_a_file_on_top_of_others(work: Work) -> None:
    """What was known when it was staged is no conflict, whatever came later elsewhere."""
    work.commit("one", keep="k")
    work.write({"kept": "staged early"})
    work.ds.add(["kept"])
    other_process(work, {"a": b"file"})
    work.write({"a/b": "b"})
    work.ds.add(["a"])
    other_process(work, {"more": b"m"})
    work.ds.commit("three")
    assert sorted(work.contents()) == ["a/b", "keep", "kept", "more"]


# --- headers that are not what was written --------------------------------------------------------


def history(work: Work) -> None:
    for number in range(1, 5):
        work.commit(f"message {number}", **{f"file{number}": "x"})


def test_a_missing_header_is_noticed(work: Work) -> None:
    """A gap in the numbers is damage, and the message says which header is missing."""
    history(work)
    header(work, 2).unlink()
    with pytest.raises(DamagedData, match="changeset 2 of dataset data is missing"):
        work.ds.head  # noqa: B018


def test_a_header_of_a_far_number(work: Work) -> None:
    """A gap is one finding, however many numbers it spans, and is found at once."""
    for number in range(1, 4):
        work.commit("change", a=str(number))
    header(work, 3).rename(header(work, 3).with_name("99999998.json"))
    work.reopen()
    found = [finding.what for finding in fsck(work.repo).findings]
    assert "changesets 3 to 99999997 are missing" in found and len(found) < 5
    with pytest.raises(DamagedData, match="changeset 3 of dataset data is missing"):
        work.ds.status()


def test_the_newest_header_is_missed_as_well(work: Work) -> None:
    """No later header names the newest one; the index of this machine knows that it was there."""
    history(work)
    header(work, 4).unlink()
    work.reopen()
    assert [finding.kind for finding in fsck(work.repo).findings] == ["changeset"]
    work.write({"more": "m"})
    for use in (work.ds.status, lambda: work.ds.add(["more"]), lambda: work.ds.revert(3)):
        with pytest.raises(DamagedData, match="changeset 4 of dataset data was here") as caught:
            use()
    assert work.repo.layout.index("data") in (caught.value.hint or "")
    assert len(work.contents(3)) == 3


@pytest.mark.parametrize(
    "stray",
    ["1.json", "00000000.json", "²²²²²²²².json", "+0000001.json", "00000009.json.tmp",
     "٠٠٠٠٠٠٠١.json", "1_000.json", "000000009.json", "00000009.json\n"],
)  # fmt: skip
def test_strange_names_among_the_headers(work: Work, stray: str) -> None:
    """A file that is no header neither counts nor crashes anything."""
    history(work)
    (header(work, 1).parent / stray).write_bytes(header(work, 1).read_bytes())
    assert work.ds.head == 4
    assert [c.number for c in work.ds.log()] == [4, 3, 2, 1]


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("damage", ["cut", "empty", "flip", "swap"])
def test_a_damaged_header_is_refused(work: Work, number: int, damage: str) -> None:
    """Whatever was done to a header, reading it says which file is damaged."""
    history(work)
    path = header(work, number)
    data = path.read_bytes()
    other = header(work, 3).read_bytes()
    path.unlink()
    path.write_bytes({
        "cut": data[:-1], "empty": b"", "flip": data.replace(b"message", b"massage", 1),
        "swap": other,
    }[damage])  # fmt: skip
    with pytest.raises(DamagedData, match=path.name):
        work.ds.changeset(number)
    with pytest.raises(
        DamagedData,
        match="is damaged: it is not a JSON|is damaged: its contents do not|is the header of another changeset",
    ):
        list(work.ds.log())


@pytest.mark.parametrize(
    "changes",
    [
        {"parent": "00" * 32}, {"parent": None}, {"number": 4}, {"dataset": "ff" * 16},
        {"kind": "magic"}, {"manifest": None}, {"manifest": {"id": "../../x", "file": "", "bytes": 0}},
        {"manifest": {"id": 5, "file": None, "bytes": 0}}, {"rows": {}}, {"rows": [1, 2, 3, 4]},
        {"provenance": "x"}, {"number": "3"}, {"number": True}, {"attributes": 5}, {"time": "now"},
        {"attributes": {"a": "blob"}}, {"examples": "many"}, {"message": None}, {"author": []},
        {"rows": {"added": "1", "modified": 0, "relabelled": 0, "deleted": 0}},
        {"rows": {"added": -1, "modified": 0, "relabelled": 0, "deleted": 0}},
        {"transaction": 7}, {"reverts": "x"}, {"bytes": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_hostile_header_is_refused(work: Work, changes: dict[str, Any]) -> None:
    """A header whose seal fits but whose fields make no sense, or no chain, is refused."""
    history(work)
    rewrite(work, 3, **changes)
    with pytest.raises(DamagedData):
        list(work.reopen().log())
    with pytest.raises(DamagedData):
        work.reopen().snapshot(4)


def test_an_unknown_format_is_told_from_damage(work: Work) -> None:
    """A header of a later format says that a newer dsm is needed."""
    history(work)
    path = header(work, 4)
    data = path.read_bytes().replace(b'"format":1', b'"format":9')
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(document.UnknownFormat, match="format 9"):
        work.ds.changeset(4)


def test_manifests_are_missing_or_another(work: Work) -> None:
    """A manifest that is gone, or another's, is named; changesets that do not need it still read."""
    history(work)
    work.write({"file1": "second version"})
    work.commit("five")
    layout = work.repo.layout
    ids = {c.number: c.manifest or "" for c in work.ds.log()}
    path = Path(layout.manifest("data", ids[3]))
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(DamagedData, match="manifest of changeset 3 is missing"):
        work.reopen().snapshot(4)
    path.write_bytes(Path(layout.manifest("data", ids[2])).read_bytes())
    with pytest.raises(DsmError, match="its rows are not those of its changeset"):
        work.reopen().snapshot(3)
    assert work.reopen().snapshot(2).num_rows == 2
    assert len(list(work.ds.log())) == 5
    path.write_bytes(data)
    assert work.reopen().snapshot(5).num_rows == 4


def test_a_manifest_far_longer_than_recorded_is_not_read(work: Work) -> None:
    """It is named as damaged at once, and replaced by a commit that has the same rows."""
    work.commit("one", a="a")
    work.path("a").unlink()
    work.commit("none")
    work.commit("again", a="a")
    path = Path(work.repo.layout.manifest("data", work.ds.changeset(2).manifest or ""))
    data = path.read_bytes()
    path.chmod(0o644)
    os.truncate(path, 60 << 30)  # sparse: it takes no room
    with pytest.raises(DamagedData, match="64424509440 bytes is too long"):
        work.reopen().snapshot(2)
    assert [finding.kind for finding in fsck(work.repo).findings] == ["manifest"]
    work.path("a").unlink()
    assert (work.commit("none again"), path.read_bytes()) == (4, data)
    assert fsck(work.repo).findings == ()
