"""Finding near objects in a repository: what is kept, what is read again, what is left out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from copies import encoded, picture, story
from situations import Work

from dsm.errors import DsmError
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.near import find as finding
from dsm.near import kept
from dsm.near.find import Near, find
from dsm.near.kept import KeptFingerprints
from dsm.store.objects import ObjectStore


def objects_of(work: Work) -> tuple[pa.Array, list[str]]:
    table = work.ds.snapshot()
    return table.column("object").combine_chunks(), table.column("path").to_pylist()


def found_in(work: Work) -> tuple[set[tuple[str, str]], Near]:
    objects, paths = objects_of(work)
    near = find(work.ds.repo, objects)
    pairs = {(paths[one], paths[other]) for one, other, _ in near.pairs}
    equal = {(paths[at], paths[n]) for n, at in enumerate(near.leaders) if 0 <= at != n}
    return pairs | equal, near


@pytest.fixture
def mixed(work: Work) -> Work:
    """Pictures, texts and bytes; of some a copy that is not the same."""
    work.commit(
        "mixed",
        **{
            "a.png": encoded(picture(1)), "b.jpg": encoded(picture(1), "JPEG"),
            "c.png": encoded(picture(2)), "d.txt": story(1), "e.txt": story(1).upper(),
            "f.txt": story(2), "g.bin": b"\0\1\2", "h.jpg": b"\xff\xd8\xff\0 damaged",
            "i.txt": story(2) + " and more",
        },
    )  # fmt: skip
    return work


EXPECTED = {("a.png", "b.jpg"), ("d.txt", "e.txt"), ("f.txt", "i.txt")}


def names_kept(work: Work) -> list[str]:
    return sorted(os.listdir(work.repo.layout.near))


def test_copies_are_found_and_fingerprints_kept(
    mixed: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of pictures and texts are found; a second time no picture is read."""
    found, near = found_in(mixed)
    assert (found, near.without) == (EXPECTED, 2)
    assert len(names_kept(mixed)) == 1

    def refuse(*_: Any) -> Any:
        raise AssertionError("it was read again")

    monkeypatch.setattr(ObjectStore, "read_many", refuse)
    monkeypatch.setattr(finding, "fingerprint", refuse)
    assert found_in(mixed) == (found, near)


def test_kept_files_are_few_and_bounded(mixed: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are put together, and old rows go when there are too many."""
    monkeypatch.setattr(kept, "FILES_MAX", 3)
    monkeypatch.setattr(kept, "ROWS_MAX", 6)
    monkeypatch.setattr(finding, "_KEPT_ROWS", 1)
    assert found_in(mixed)[0] == EXPECTED
    assert len(names_kept(mixed)) <= 3
    assert KeptFingerprints(mixed.repo.layout).table().num_rows <= 6
    assert found_in(mixed)[0] == EXPECTED


@pytest.mark.parametrize("damage", [b"", b"DSMSNAP", b"nonsense" * 50])
def test_damaged_files_are_not_there(mixed: Work, damage: bytes) -> None:
    """What is damaged is made again, and fsck tells of it and of nothing else."""
    found_in(mixed)
    (name,) = names_kept(mixed)
    assert fsck(mixed.ds.repo).findings == ()
    path = Path(mixed.repo.layout.near, name)
    path.write_bytes(damage)
    assert found_in(mixed)[0] == EXPECTED
    told = [each.kind for each in fsck(mixed.ds.repo).findings]
    assert told == (["cache"] if damage.startswith(b"non") else [])


def test_another_copy_is_not_believed(mixed: Work) -> None:
    """Fingerprints with the tag of another key are not used."""
    found_in(mixed)
    os.remove(mixed.repo.layout.cache_key)
    assert KeptFingerprints(mixed.repo.layout).table().num_rows == 0
    assert found_in(mixed)[0] == EXPECTED


def test_files_that_cannot_be_used_go(mixed: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged files, and those of another copy, do not pile up."""
    monkeypatch.setattr(kept, "FILES_MAX", 3)
    found_in(mixed)
    os.remove(mixed.repo.layout.cache_key)
    for number in range(2, 5):
        Path(mixed.repo.layout.near, f"{number:08d}-00000000.fingerprints").write_bytes(b"damaged")
    assert found_in(mixed)[0] == EXPECTED
    assert len(names_kept(mixed)) == 1
    assert fsck(mixed.ds.repo).findings == ()


def test_nothing_can_be_kept(mixed: Work) -> None:
    """Where nothing can be written the answer is the same."""
    Path(mixed.repo.layout.near).write_text("in the way")
    assert found_in(mixed)[0] == EXPECTED


def test_gc_removes_fingerprints_with_content(mixed: Work) -> None:
    """What gc removes can no longer be seen in fingerprints; a gc without work leaves them."""
    found_in(mixed)
    before = names_kept(mixed)
    apply_gc(mixed.repo, plan_gc(mixed.repo))
    assert names_kept(mixed) == before
    mixed.write({"x": story(9)})
    mixed.ds.add(["x"])
    mixed.ds.unstage(["x"])
    apply_gc(mixed.repo, plan_gc(mixed.repo))
    assert names_kept(mixed) == []


def test_a_missing_object_is_told(mixed: Work) -> None:
    """An object that is not there ends the search with its error."""
    with pytest.raises(DsmError, match=r"is not in the store"):
        find(mixed.ds.repo, pa.array([b"\7" * 32], pa.binary(32)))


def test_nothing_to_look_at(work: Work) -> None:
    """Of no objects none is near."""
    assert find(work.repo, pa.array([], pa.binary(32))) == Near([], [])
