"""Rules of near-duplicates: copies of pictures and texts, in one dataset and on two sides."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from copies import encoded, picture, story
from situations import Work

from dsm.errors import InvalidInput

COPY = "it is nearly the same as train/a.png"


@pytest.fixture
def sound(work: Work) -> Work:
    """Two pictures and two texts in train, one of each in test."""
    work.commit(
        "sound",
        **{
            "train/a.png": encoded(picture(1)), "train/b.png": encoded(picture(2)),
            "train/c.txt": story(1), "train/d.txt": story(2),
            "test/e.png": encoded(picture(3)), "test/f.txt": story(3),
        },
    )  # fmt: skip
    return work


@pytest.fixture
def told(sound: Work) -> Callable[..., list[tuple[str, str]]]:
    """Checks what is staged, or all, against one rule; returns paths and what is wrong."""

    def check(rule: str, **asked: object) -> list[tuple[str, str]]:
        sound.path("dsm.toml").write_text(f"[dataset.data.rules]\n{rule}\n")
        found = sound.ds.check(**asked).findings()  # type: ignore[arg-type]
        return sorted((each.path or "", each.text) for each in found)

    return check


@pytest.fixture
def copies(sound: Work) -> None:
    """Staged: a JPEG of a picture of train, into test, and a text of train in capitals."""
    jpeg = encoded(picture(1), "JPEG", quality=60)
    sound.write({"test/x.jpg": jpeg, "train/y.txt": story(2).upper()})
    sound.ds.add(["test/x.jpg", "train/y.txt"])


def test_sound_data_pass(told: Callable[..., list[tuple[str, str]]]) -> None:
    """Where all is different nothing is found, by no rule of near-duplicates."""
    for rule in ("duplicates-near = {}", 'leakage = { by = "folder", near = true }'):
        assert told(rule) == []


def test_copies_are_found(copies: None, told: Callable[..., list[tuple[str, str]]]) -> None:
    """A staged copy is told with what it is a copy of; what was there before is not told."""
    assert told("duplicates-near = {}", staged=True) == [
        ("test/x.jpg", COPY), ("train/y.txt", "it is nearly the same as train/d.txt"),
    ]  # fmt: skip
    assert told("duplicates = {}", staged=True) == []


def test_copies_on_two_sides(copies: None, told: Callable[..., list[tuple[str, str]]]) -> None:
    """With `near` a copy in another folder or part is told from both sides; without it is not."""
    text = "it is nearly the same as {}, which is on another side of {}"
    expected = [
        ("test/x.jpg", text.format("train/a.png", "folder")),
        ("train/a.png", text.format("test/x.jpg", "folder")),
    ]
    assert told('leakage = { by = "folder", near = true }', staged=True) == expected
    assert told('leakage.by = "folder"', staged=True) == []


def test_copies_in_parts_of_a_split(
    sound: Work, told: Callable[..., list[tuple[str, str]]]
) -> None:
    """Copies that a split parts are told by the rule and by the split, as its views have them."""
    for number in range(6):
        copy = {f"copy{number}.jpg": encoded(picture(10 + number), "JPEG")}
        sound.write(copy | {f"first{number}.png": encoded(picture(10 + number))})
    sound.commit("copies", **{"last.txt": story(1).upper()})
    split = sound.ds.splits.create("halves", "one=50%,other=50%")
    side = {each.path: part for part in split.parts for each in split.view(part)}
    twins = [{f"copy{n}.jpg", f"first{n}.png"} for n in range(6)]
    twins.append({"last.txt", "train/c.txt"})
    expected = {
        path for group in twins for path in group
        if {side[other] for other in group} != {side[path]}
    }  # fmt: skip
    assert expected
    found = told('leakage = { split = "halves", near = true }')
    text = ", which is on another side of split halves"
    assert {path for path, said in found if said.endswith(text)} == expected
    near = split.leakage(near=True).near
    assert near is not None
    told_of = [{each.one[1], each.other[1]} for each in near.leaks]
    assert set().union(*told_of) == expected
    assert all(told_of.count(pair) == 1 for pair in told_of)
    assert all(side[path] == part for each in near.leaks for part, path in (each.one, each.other))
    assert (near.examples, near.unknown) == (len(expected), 0)


def test_without_the_packages(
    told: Callable[..., list[tuple[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Pillow is not installed, one line says what to install."""
    for name in [name for name in sys.modules if name.startswith(("dsm.near.", "PIL"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("dsm.near.images")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(InvalidInput) as caught:
        told("duplicates-near = {}")
    said = "rule duplicates-near: near-duplicates need a package that is not installed (PIL)"
    assert caught.value.message.partition("dsm.toml:2: ")[2] == said
    assert caught.value.hint == "pip install 'dsm-datasets[near]'"
