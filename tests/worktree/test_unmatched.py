"""New files that the pattern of a dataset does not match: skipped, taken without labels, refused."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from situations import Work

import dsm
from dsm.errors import DamagedData, InvalidInput
from dsm.format import document
from dsm.model.unmatched import SKIP, UNLABELLED, WORDS
from dsm.repo import documents
from dsm.repo.dataset_settings import DatasetSettings, change_settings
from dsm.store.whole_file import read_file

PATTERN = "{label}/{_}.txt"
FILES = {"cat/1.txt": "1", "dog/2.txt": "2", "README.md": "r", "cat/notes.md": "n", "3.txt": "3"}
MATCHED, OTHERS = ["cat/1.txt", "dog/2.txt"], ["3.txt", "README.md", "cat/notes.md"]


@pytest.fixture
def animals(tmp_path: Path) -> Work:
    """A dataset with a pattern, two files that it matches and three that it does not."""
    work = Work(tmp_path / "own", pattern=PATTERN)
    work.write(FILES)
    return work


def staged(work: Work) -> list[str]:
    return sorted(change.path for change in work.ds.status().staged)


def test_a_new_dataset_skips_them(animals: Work) -> None:
    """They are counted, told apart by status, and no reason to call the work tree unclean."""
    report = animals.ds.add(["."])
    assert (report.counts.added, report.left_out, report.unlabelled) == (2, 3, 0)
    assert staged(animals) == MATCHED
    animals.ds.commit("one")
    status = animals.ds.status()
    assert ((), tuple(OTHERS), PATTERN) == (status.untracked, status.left_out, status.pattern)
    assert status.clean


@pytest.mark.parametrize("policy", WORDS)
def test_the_first_dataset_says_what_is_done(tmp_path: Path, policy: str) -> None:
    """Init takes it along with the pattern, keeps it when run again, and refuses another word."""
    for _ in range(2):
        with dsm.init(tmp_path, pattern=PATTERN, unmatched=policy) as repo:
            assert repo.dataset().unmatched == policy
    with pytest.raises(InvalidInput, match="'take' is not one of skip, unlabelled, refuse"):
        dsm.init(tmp_path / "other", unmatched="take")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("policy", WORDS)
@pytest.mark.parametrize("paths", [["."], ["cat", "README.md", "3.txt", "dog/2.txt"]])
def test_a_dry_run_says_what_the_run_does(animals: Work, policy: str, paths: list[str]) -> None:
    """Whichever way the files are named, and whatever the dataset does with them."""
    animals.ds.set_unmatched(policy)
    if policy == "refuse":
        for dry_run in (True, False):
            with pytest.raises(InvalidInput, match="3 files do not match") as caught:
                animals.ds.add(paths, dry_run=dry_run)
            assert sorted(caught.value.items) == OTHERS
            assert staged(animals) == []
        assert set(OTHERS) < set(animals.ds.status().untracked)
        return
    planned = animals.ds.add(paths, dry_run=True)
    done = animals.ds.add(paths)
    assert staged(animals) == sorted(change.path for change in planned.changes)
    assert (planned.counts, planned.left_out) == (done.counts, done.left_out)
    assert (0 if policy == UNLABELLED else 3) == done.left_out
    assert (sorted(FILES) if policy == UNLABELLED else MATCHED) == staged(animals)


def test_a_commit_of_paths_skips_them_too(animals: Work) -> None:
    """The report that a commit tells has the same count, and their examples are not recorded."""
    told: list[int] = []
    animals.ds.commit("one", paths=["."], tell=lambda found: told.append(found.left_out))
    assert told == [3]
    assert [example.path for example in animals.ds.ls()] == MATCHED
    animals.ds.commit("two", all=True, allow_empty=True)
    assert [example.path for example in animals.ds.ls()] == MATCHED


def test_force_and_rows_of_a_table_take_them(animals: Work, tmp_path: Path) -> None:
    """What somebody says something of is data."""
    animals.ds.add(["README.md"], force=True)
    table = tmp_path / "table.csv"
    table.write_text("path,label\ncat/notes.md,note\n")
    report = animals.ds.add(["."], label_file=str(table))
    assert report.left_out == 1
    assert ["README.md", *MATCHED, "cat/notes.md"] == sorted(
        staged(animals), key=["README.md", *MATCHED, "cat/notes.md"].index
    )


def test_tracked_examples_stay_and_are_updated(animals: Work) -> None:
    """A policy is about new files; what was taken once may also come back."""
    animals.ds.set_unmatched("unlabelled")
    animals.ds.add(["."])
    animals.ds.commit("all")
    animals.ds.set_unmatched("skip")
    animals.write({"README.md": "changed"})
    report = animals.ds.add(["."])
    assert (report.counts.modified, report.left_out) == (1, 0)
    animals.path("3.txt").unlink()
    animals.ds.add(["."], deletions=True)
    animals.write({"3.txt": "3"})
    assert animals.ds.status().untracked == ("3.txt",)
    animals.ds.add(["."])
    assert staged(animals) == ["README.md"]


def test_another_pattern_for_one_command(animals: Work) -> None:
    """What neither pattern in force nor table knows is skipped."""
    report = animals.ds.add(["."], pattern="{label}/{_}.md")
    assert staged(animals) == ["cat/notes.md"]
    assert report.left_out == 4


def test_bytes_by_path_are_never_skipped(animals: Work) -> None:
    """Whoever gives the bytes means them; only a refusal refuses them."""
    assert animals.ds.add({"x.bin": b"x"}).left_out == 0
    assert staged(animals) == ["x.bin"]
    animals.ds.set_unmatched("refuse")
    with pytest.raises(InvalidInput, match="1 file does not match"):
        animals.ds.add({"y.bin": b"y", "cat/9.txt": b"9"})
    assert staged(animals) == ["x.bin"]


def test_the_pattern_can_be_changed_and_taken_away(animals: Work) -> None:
    """New files go by the new one; without a pattern nothing is left out."""
    animals.ds.set_pattern("{label}/{_}.md")
    animals.ds.add(["."])
    assert staged(animals) == ["cat/notes.md"]
    animals.ds.set_pattern(None)
    assert animals.reopen().pattern is None
    assert animals.ds.add(["."]).left_out == 0
    assert sorted(FILES) == staged(animals)
    with pytest.raises(InvalidInput, match=r"is not closed \(character 1\)"):
        animals.ds.set_pattern("{label")
    with pytest.raises(InvalidInput, match="one of skip, unlabelled, refuse"):
        animals.ds.set_unmatched("keep")


def test_settings_that_were_not_seen_are_not_replaced(animals: Work) -> None:
    """A change that comes between the reading of settings and their writing stays."""
    ds, rounds = animals.ds, iter(range(9))

    def slow(now: DatasetSettings) -> DatasetSettings:
        if next(rounds) == 0:
            ds.set_pattern("{label}/{_}")
        return replace(now, unmatched="refuse")

    change_settings(animals.repo, "data", slow)
    found = animals.reopen()
    assert (found.pattern, found.unmatched) == ("{label}/{_}", "refuse")


def test_settings_of_one_kind_keep_the_others(animals: Work) -> None:
    """Threads that set different things undo nothing of each other."""
    animals.ds.add(["."])
    animals.ds.commit("one")

    def repeat(number: int) -> None:
        with dsm.open(animals.root) as repo:
            dataset = repo.dataset("data")
            change = [
                lambda: dataset.set_unmatched("refuse"), lambda: dataset.set_pattern("{label}/{_}"),
                lambda: dataset.set_target("labels", ["cat", "dog"]),
            ][number]  # fmt: skip
            change()

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = animals.reopen()
    assert (found.pattern, found.unmatched) == ("{label}/{_}", "refuse")
    assert tuple(found.target.classes or ()) == ("cat", "dog")


def test_a_dataset_of_before_takes_them(animals: Work) -> None:
    """Its document says nothing of such files, and they are taken without labels as ever."""
    place = documents.datasets(animals.repo.layout)
    path = place.path("data")
    fields = json.loads(read_file(path) or b"")
    assert fields.pop("unmatched") == SKIP
    for name in ("seal", "format"):
        fields.pop(name)
    Path(path).write_bytes(document.encode(fields))
    assert animals.reopen().unmatched == UNLABELLED
    report = animals.ds.add(["."])
    assert (report.left_out, report.unlabelled) == (0, 3)
    assert sorted(FILES) == staged(animals)
    Path(path).write_bytes(document.encode({**fields, "unmatched": "keep"}))
    with pytest.raises(DamagedData, match="has a field of a kind that does not belong there"):
        animals.reopen()
