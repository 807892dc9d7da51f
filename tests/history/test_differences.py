"""What differs between snapshots, the stage and the work tree: told example by example."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import InvalidInput
from dsm.history.difference import compare, with_renames
from dsm.model.difference_report import Diff
from dsm.model.example import Change, Example

STATES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.sampled_from([b"1", b"2", b""]), st.sampled_from([(), ("x",)])),
)


def examples(state: dict[str, tuple[bytes, tuple[str, ...]]]) -> dict[str, Example]:
    return {
        path: Example(path, data.ljust(32), len(data), 0, labels)
        for path, (data, labels) in state.items()
    }


def letters(diff: Diff) -> list[str]:
    return [
        f"{change.kind[0]} {change.renamed_from + ' > ' if change.renamed_from else ''}{change.path}"
        for change in diff.changes
    ]


@given(STATES, STATES)
def test_applied_to_the_one_it_gives_the_other(
    first: dict[str, tuple[bytes, tuple[str, ...]]],
    second: dict[str, tuple[bytes, tuple[str, ...]]],
) -> None:
    """A difference tells exactly what turns one set of examples into the other."""
    before, after = examples(first), examples(second)
    changes = compare(before, after)
    result = dict(before)
    for change in changes:
        if change.renamed_from is not None:
            assert change.kind == "renamed"
            assert result.pop(change.renamed_from).oid == after[change.path].oid
    for change in changes:
        if change.after is None:
            assert result.pop(change.path) == change.before
        else:
            result[change.path] = change.after
    assert result == after
    assert [change.path for change in changes] == sorted(change.path for change in changes)
    assert compare(before, before) == []


def test_empty_files_are_not_renamed() -> None:
    """Files without content are all alike: one that goes and one that comes are no rename."""
    old, new = Example("a", bytes(32), 0, 0), Example("b", bytes(32), 0, 0)
    changes = [Change("deleted", "a", before=old), Change("added", "b", after=new)]
    assert with_renames(changes) == changes


def test_between_any_two_snapshots(work: Work) -> None:
    """Comparing two snapshots gives what comparing their examples gives, in both directions."""
    source, states = random.Random("diff"), [{}]
    for number in range(12):
        state = dict(states[-1])
        for _ in range(3):
            path = f"f{source.randint(0, 7)}"
            if path in state and source.random() < 0.4:
                work.ds.remove([path])
                del state[path]
            else:
                state[path] = b"%d" % source.randint(0, 3)
                work.ds.add({path: state[path]})
        work.ds.commit(f"{number}", allow_empty=True)
        states.append(state)
    ds = work.ds
    for a in range(1, 13):
        for b in range(1, 13):
            diff = ds.diff(a, b)
            found = {c.path for c in diff.changes} | {c.renamed_from for c in diff.changes} - {None}
            expected = {
                path for path in {*states[a], *states[b]}
                if states[a].get(path) != states[b].get(path)
            }  # fmt: skip
            assert expected <= found
            assert (diff.before, diff.after) == (str(a), str(b))
    assert ds.diff(3, 3).changes == ()


def test_all_forms_of_diff(work: Work) -> None:
    """Work tree, stage, head and older snapshots are compared as asked for."""
    work.commit("one", a="a", b="b", c="c", d="d")
    work.commit("two", a="A")
    work.write({"b": "B", "new": "new", "untracked": "u"})
    work.ds.add(["b", "new"])
    work.ds.label(["c"], add=["x"])
    work.write({"b": "BB", "c": "C"})
    work.path("d").unlink()
    assert letters(work.ds.diff()) == ["m b", "m c", "d d"]
    assert letters(work.ds.diff(staged=True)) == ["m b", "r c", "a new"]
    assert letters(work.ds.diff(1)) == ["m a", "m b", "m c", "d d", "a new"]
    assert letters(work.ds.diff(1, staged=True)) == ["m a", "m b", "r c", "a new"]
    assert letters(work.ds.diff(1, 2)) == ["m a"]
    assert letters(work.ds.diff(2, 1)) == ["m a"]
    assert letters(work.ds.diff(paths=["c", "d"])) == ["m c", "d d"]
    assert letters(work.ds.diff(1, 2, paths=["b"])) == []
    assert letters(work.ds.changes(1)) == ["a a", "a b", "a c", "a d"]
    assert work.ds.changes("head").counts() == {"modified": 1}


def test_renames_are_found_by_content(work: Work) -> None:
    """A file that moved with its bytes is one change, in the stage and between snapshots."""
    work.commit("one", **{"dir/a": "aaa", "dir/b": "bbb", "same1": "same", "same2": "same"})
    work.ds.move("dir", "folder")
    work.ds.move("same1", "same3")
    expected = ["r dir/a > folder/a", "r dir/b > folder/b", "r same1 > same3"]
    assert letters(work.ds.diff(staged=True)) == expected
    work.ds.commit("two")
    assert letters(work.ds.diff(1, 2)) == expected
    assert letters(work.ds.diff(1, 2, paths=["dir/a"])) == ["r dir/a > folder/a"]


def test_a_rename_out_of_a_folder_is_a_difference_of_it(work: Work) -> None:
    """Asked for paths, a rename counts by its old name and by its new one."""
    work.commit("one", **{"a/b/1": "1", "c/2": "2"})
    work.ds.move("a/b/1", "c/1")
    work.ds.commit("two")
    for paths in (["a"], ["a/b/1"], ["c"], ["c/1"]):
        assert [change.kind for change in work.ds.diff(1, 2, paths=paths).changes] == ["renamed"]
    assert work.ds.diff(1, 2, paths=["c/2"]).changes == ()


def test_the_stage_is_compared_with_one_snapshot(work: Work) -> None:
    """Two snapshots and the stage at once are refused, not half answered."""
    work.commit("one", a="a")
    with pytest.raises(InvalidInput, match="at most"):
        work.ds.diff(1, 1, staged=True)


# --- the log of a path --------------------------------------------------------------------------


def numbers(work: Work, *paths: str, follow: bool = True) -> list[int]:
    return [changeset.number for changeset in work.ds.log(paths=paths, follow=follow)]


def test_the_log_of_a_path_follows_renames(work: Work) -> None:
    """File and folder, by `dsm mv` and by hand; without `follow` it ends at the rename."""
    work.commit("one", **{"raw/1": "1", "raw/2": "2", "other": "x"})
    work.commit("two", **{"raw/1": "11"})
    work.ds.move("raw", "images")
    work.ds.commit("three")
    work.path("images/1").rename(work.path("first"))
    work.commit("four")
    work.commit("five", **{"first": "111"})
    work.commit("six", **{"other": "y"})
    assert numbers(work, "first") == [5, 4, 3, 2, 1]
    assert numbers(work, "first", follow=False) == [5, 4]
    assert numbers(work, "images") == [4, 3, 2, 1]
    assert numbers(work, "images", follow=False) == [4, 3]
    assert numbers(work, "images/2") == [3, 1]
    assert numbers(work, "raw") == [3, 2, 1]
    assert numbers(work, "first", "other") == [6, 5, 4, 3, 2, 1]
    assert numbers(work, ".") == [6, 5, 4, 3, 2, 1]


def test_the_log_follows_no_copies(work: Work) -> None:
    """Where the old path stays, or the content is another, the history of the new path begins."""
    work.commit("one", a="1", b="2")
    work.commit("two", c="1")
    work.path("b").unlink()
    work.commit("three", d="3")
    assert (numbers(work, "c"), numbers(work, "d")) == ([2], [3])


def test_renames_are_followed_through_changesets_that_are_not_told(work: Work) -> None:
    """A log of an author, or up to an older changeset, goes on with the path of that time."""
    work.commit("one", **{"raw/1": "1"})
    work.ds.move("raw/1", "first")
    work.ds.commit("two, which is left out")
    work.commit("three", first="11")
    asked = {"paths": ["first"], "grep": ["one", "three"]}
    assert [c.number for c in work.ds.log(**asked)] == [3, 1]
    assert [c.number for c in work.ds.log(**asked, follow=False)] == [3]
    assert [c.number for c in work.ds.log(paths=["first"], reference=2, reverse=True)] == [1, 2]


def test_changes_go_by_the_names_of_the_time(work: Work) -> None:
    """With a trail, each changeset that the log tells shows what it did to the path of then."""
    work.commit("one", **{"raw/1": "1", "other": "x"})
    work.ds.move("raw/1", "first")
    work.ds.commit("two")
    work.commit("three", first="11", other="y")
    trail = work.ds.trail(["first"])
    told = [
        [(change.kind, change.path) for change in work.ds.changes(changeset.number, trail).changes]
        for changeset in work.ds.log(paths=trail)
    ]
    assert told == [[("modified", "first")], [("renamed", "first")], [("added", "raw/1")]]
