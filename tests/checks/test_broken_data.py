"""A sound dataset passes its contract; broken in any of these ways, it fails by that rule alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsm.checks.learn import learnt

from .conftest import JPEG, PNG, Sound

FIRST = "train/cat/0.jpg"


def put(
    path: str = "train/cat/new.jpg", content: bytes | None = None, *labels: str, **said: object
) -> Callable[[Sound], None]:
    return lambda sound: sound.put(path, content, *(labels or ("cat",)), **said)


def unlabelled(sound: Sound) -> None:
    sound.put("train/cat/new.jpg", None)


def label(*paths: str, **said: object) -> Callable[[Sound], None]:
    return lambda sound: sound.work.ds.label(list(paths), **said) and None  # type: ignore[arg-type]


def remove(*paths: str) -> Callable[[Sound], None]:
    return lambda sound: sound.work.ds.remove(list(paths), keep_files=True) and None


def duplicate(path: str, *labels: str) -> Callable[[Sound], None]:
    return put(path, JPEG + FIRST.encode(), *labels)


def many(count: int, *labels: str) -> Callable[[Sound], None]:
    def add(sound: Sound) -> None:
        for number in range(count):
            sound.put(f"train/cat/more{number}.jpg", None, labels[number % len(labels)])

    return add


CATS = [f"{'train' if n < 8 else 'test'}/cat/{n}.jpg" for n in range(0, 12, 2)]
BROKEN: dict[str, tuple[Callable[[Sound], None], set[str]]] = {
    "another extension": (put("train/cat/new.jpeg"), {"extensions"}),
    "no extension": (put("train/cat/new"), {"extensions"}),
    "a PNG that is called JPEG": (put(content=PNG), {"media-types"}),
    "text that is called JPEG": (put(content=b"hello"), {"media-types"}),
    "a page of a login": (put(content=b"<!DOCTYPE html><html>"), {"media-types"}),
    "JSON of an error": (put(content=b'{"error": 404}'), {"media-types"}),
    "an archive": (put(content=b"PK\x03\x04..."), {"media-types"}),
    "a pointer of Git LFS": (put(content=b"version https://git-lfs"), {"media-types"}),
    "no bytes": (put(content=b""), {"size"}),
    "too many bytes": (put(content=JPEG + bytes(1000)), {"size"}),
    "a file in no folder": (put("new.jpg"), {"path"}),
    "a capital in a folder": (put("train/Cat/new.jpg"), {"path"}),
    "a newline in a name": (put("train/cat\n/new.jpg"), {"path"}),
    "no label": (unlabelled, {"labels"}),
    "a typo in a label": (put("train/cat/n.jpg", None, "cta"), {"labels"}),
    "a label in capitals": (put("train/cat/n.jpg", None, "Cat"), {"labels"}),
    "two labels": (put("train/cat/n.jpg", None, "cat", "dog"), {"labels"}),
    "a duplicate": (duplicate("train/cat/new.jpg", "cat"), {"duplicates"}),
    "a duplicate with another label": (
        duplicate("train/dog/new.jpg", "dog"),
        {"duplicates", "conflicting-labels"},
    ),
    "a test picture in train": (duplicate("test/cat/new.jpg", "cat"), {"duplicates", "leakage"}),
    "a missing attribute": (label(FIRST, attributes={"width": None}), {"attribute"}),
    "zero": (label(FIRST, attributes={"width": 0}), {"attribute"}),
    "a large number": (label(FIRST, attributes={"width": 101}), {"attribute"}),
    "a value that nobody knows": (label(FIRST, attributes={"camera": "Left"}), {"attribute"}),
    "half of the values gone": (
        label(*CATS, "train/dog/1.jpg", attributes={"camera": None}),
        {"attribute"},
    ),
    "a serial number of another form": (label(FIRST, attributes={"serial": "ab1"}), {"attribute"}),
    "a serial number twice": (label(FIRST, attributes={"serial": "AB1"}), {"attribute"}),
    "a score below zero": (label(FIRST, attributes={"score": -0.01}), {"attribute"}),
    "a score of infinity": (label(FIRST, attributes={"score": 1e308}), {"attribute"}),
    "many are removed": (remove(*CATS[:2], "train/dog/1.jpg", "train/dog/3.jpg"), {"change"}),
    "labels are swapped": (label(*CATS[:3], set=["dog"]), {"label-counts", "balance"}),
    "a label vanishes": (label(*CATS, set=["dog"]), {"label-counts", "balance", "change"}),
    "too few of a label": (remove(*CATS[:3]), {"label-counts"}),
    "one label grows": (many(7, "cat"), {"balance", "change"}),
    "the dataset grows at once": (many(7, "cat", "dog"), {"change"}),
}  # fmt: skip


def test_sound_data_pass(sound: Sound) -> None:
    """No rule finds anything in the sound dataset, nor in one more example that fits."""
    report = sound.work.ds.check()
    assert (report.judged, report.errors, report.warnings, len(report.ran)) == (12, 0, 0, 15)
    sound.put("train/cat/new.jpg", None, "cat", serial="AB99")
    assert sound.broken() == set()


@pytest.mark.parametrize("name", BROKEN)
def test_each_way_to_break_it_is_found(sound: Sound, name: str) -> None:
    """It is found by its rule, and by no other."""
    act, rules = BROKEN[name]
    act(sound)
    assert sound.broken() == rules


def test_one_example_is_told_of_as_one(sound: Sound) -> None:
    """Counts of labels, changes and contracts say "1 example"."""
    sound.work.ds.label(CATS[1:], set=["dog"])
    rules = sound.work.path("few.toml")
    rules.write_text(
        '[dataset.data.rules]\nlabel-counts = { labels = ["cat", "dog"], min = 2, max = 10 }\n'
    )
    report = sound.work.ds.check(staged=True, rules=str(rules))
    assert [each.text for each in report.findings()] == [
        "label cat has 1 example, fewer than 2", "label dog has 11 examples, more than 10",
    ]  # fmt: skip
    table = sound.work.ds.snapshot().slice(0, 1)
    assert "learnt from 1 example." in learnt(table, "data")
    sound.work.ds.unstage()
