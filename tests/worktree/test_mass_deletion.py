"""Commits that remove most of a dataset, or all of one of its folders."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from situations import Work

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.removal_reports import MassDeletion
from dsm.model.reports import AddReport
from dsm.worktree.mass_deletion import MassDeletionRefused

TEN = {
    f"{folder}/{number}": f"{folder} {number}" for folder in ("cat", "dog") for number in range(4)
}
TEN |= {"fish/1": "alone", "readme": "r"}


class Told(list[str]):
    """Collects what a commit says of mass deletions."""

    def __call__(self, found: AddReport | MassDeletion) -> None:
        if isinstance(found, MassDeletion):
            self.append(found.text)


@pytest.fixture
def ten(work: Work) -> Work:
    """Ten examples: four in each of two folders, one in a third, one beside them."""
    work.commit("one", **TEN)
    return work


def removed(work: Work, *names: str) -> None:
    for name in names:
        work.path(name).unlink()


ALL_OF_CAT = tuple(f"cat/{number}" for number in range(4))
MOST = (*ALL_OF_CAT[:3], "dog/0", "dog/1", "readme")  # six of ten, no folder whole


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (ALL_OF_CAT, "4 of 10 examples, all of cat/"),
        (MOST, "6 of 10 examples"),
        ((*ALL_OF_CAT, "dog/0", "dog/1", "fish/1"), "7 of 10 examples, all of cat/"),
        (TEN, "10 of 10 examples, all of cat/, dog/"),
    ],
    ids=["a folder", "most", "both", "everything"],
)
@pytest.mark.parametrize("how", ["all", "root"])
def test_what_nobody_asked_for_is_refused(
    ten: Work, names: tuple[str, ...], text: str, how: str
) -> None:
    """Neither `all` nor the root as a path removes a folder or most of the examples; nothing is
    staged, and each way to ask for it works."""
    removed(ten, *names)

    def commit(**more: bool) -> None:
        ask = {"all": True} if how == "all" else {"paths": ["."]}
        ten.ds.commit("two", **ask, **more)  # type: ignore[arg-type]

    with pytest.raises(MassDeletionRefused) as caught:
        commit()
    assert caught.value.exit_status == 6
    assert caught.value.message == f"this commit would remove {text}"
    assert caught.value.items == tuple(sorted(names))
    assert ten.state()[0] == []
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        ten.ds.commit("nothing is staged")
    commit(allow_mass_delete=True)
    assert sorted(ten.contents()) == sorted(set(TEN) - set(names))


def test_the_setting_allows_it(ten: Work) -> None:
    """commit.allow-mass-delete speaks for every commit of this copy; it is true or false."""
    removed(ten, *MOST)
    with pytest.raises(InvalidInput, match=r"commit\.allow-mass-delete is true or"):
        ten.repo.config.set("commit.allow-mass-delete", "perhaps")
    ten.repo.config.set("commit.allow-mass-delete", "no")
    with pytest.raises(MassDeletionRefused, match="this commit would remove 6 of 10 examples"):
        ten.ds.commit("two", all=True)
    ten.repo.config.set("commit.allow-mass-delete", "true")
    assert ten.repo.config.items() == [("commit.allow-mass-delete", "true")]
    assert ten.ds.commit("two", all=True).counts.deleted == 6


@pytest.mark.parametrize(
    "names",
    [ALL_OF_CAT[:3], ("fish/1",), (*ALL_OF_CAT[:3], "dog/0", "dog/1"), ()],
    ids=["part of a folder", "a folder of one", "half", "nothing"],
)
def test_what_is_no_mass_deletion(ten: Work, names: tuple[str, ...]) -> None:
    """Half of the examples, part of a folder, or a folder's only example go without a word."""
    removed(ten, *names)
    ten.write({"readme": "changed"})
    told = Told()
    assert ten.ds.commit("two", all=True, tell=told).counts.deleted == len(names)
    assert told == []


def test_one_example_is_no_mass(work: Work) -> None:
    """In a tiny dataset the removal of a single example is nothing special, of two it is."""
    work.commit("one", a="a", b="b", c="c")
    removed(work, "a")
    assert work.ds.commit("two", all=True).examples == 2
    removed(work, "b", "c")
    with pytest.raises(MassDeletionRefused, match="this commit would remove 2 of 2 examples"):
        work.ds.commit("three", all=True)
    work.write({"b": "b"})
    assert work.ds.commit("three", all=True).examples == 1
    removed(work, "b")
    assert work.ds.commit("four", all=True).examples == 0


WAYS: dict[str, Callable[[Work], object]] = {
    "add -A": lambda work: work.ds.add(["."], deletions=True),
    "add -A of the folder": lambda work: work.ds.add(["cat"], deletions=True),
    "rm": lambda work: work.ds.remove(["cat"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_asked_for_is_said(ten: Work, way: str) -> None:
    """Deletions that a path or -A asked for are committed, and said once with their number."""
    removed(ten, *ALL_OF_CAT)
    WAYS[way](ten)
    told = Told()
    ten.ds.commit("two", tell=told)
    assert told == ["4 of 10 examples, all of cat/"]


def test_a_named_folder_is_asked_for(ten: Work) -> None:
    """A commit of a folder that is here takes what is gone of it for deleted, all of it even."""
    removed(ten, *ALL_OF_CAT)
    told = Told()
    assert ten.ds.commit("two", paths=["cat"], tell=told).counts.deleted == 4
    assert told == ["4 of 10 examples, all of cat/"]


def test_what_was_asked_for_before_does_not_count_again(ten: Work) -> None:
    """`all` after `rm` is judged by the deletions that it finds itself."""
    ten.ds.remove(["cat", "readme"])
    removed(ten, "dog/0", "dog/1")
    told = Told()
    assert ten.ds.commit("two", all=True, tell=told).counts.deleted == 7
    assert told == ["7 of 10 examples, all of cat/"]


def test_a_renamed_folder_is_not_removed(ten: Work) -> None:
    """Examples that only get another path do not count; without their new files they do."""
    ten.path("cat").rename(ten.path("kitten"))
    with pytest.raises(
        MassDeletionRefused, match="this commit would remove 4 of 10 examples, all of"
    ):
        ten.ds.commit("two", all=True)
    ten.ds.add(["kitten"])
    told = Told()
    made = ten.ds.commit("two", all=True, tell=told)
    assert (made.counts.added, made.counts.deleted, told) == (4, 4, [])
    ten.ds.move("dog", "hound")
    ten.ds.commit("three", tell=told)
    assert told == []


def test_a_folder_with_other_files_is_not_gone(ten: Work) -> None:
    """Where new examples take the place of all old ones the folder is not gone."""
    shutil.rmtree(ten.path("cat"))
    ten.write({f"cat/new{number}": f"new {number}" for number in range(4)})
    told = Told()
    ten.ds.commit("two", paths=["."], tell=told)
    assert told == []


def test_a_thin_copy_counts_all_examples(ten: Work) -> None:
    """Examples without a file here are examples still: a folder that has some is not gone."""
    ten.ds.add({"cat/bytes": b"never a file", "more": b"nor this"})
    ten.ds.commit("two")
    removed(ten, *ALL_OF_CAT)
    assert ten.ds.commit("three", all=True).counts.deleted == 4


def test_reverting_the_first_import(ten: Work) -> None:
    """A revert names what it undoes, and is no mass deletion that nobody asked for."""
    assert ten.ds.revert(1).examples == 0
