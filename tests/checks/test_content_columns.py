"""Figures of what content says: how bright and large pictures are, how long texts and sounds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from situations import Work

from dsm.checks import examining
from dsm.checks.probes import brightness
from dsm.checks.probes.probe import Content
from dsm.errors import NotFound

from . import files
from .files import picture, sound


def bright(data: bytes) -> Any:
    return brightness.examine(Content(io.BytesIO(data), len(data))).get("brightness")


def grey(level: int, side: int = 24) -> Image.Image:
    return Image.new("RGB", (side, side + level % 7), (level, level, level))


@pytest.mark.parametrize(
    ("data", "mean"),
    [
        (picture("PNG", Image.new("L", (5, 5), 255)), 1.0),
        (picture("PNG", Image.new("1", (5, 5), 0)), 0.0),
        (picture("PNG", grey(51)), 0.2),
        (picture(pixels=grey(102)), 0.4),
        (picture(pixels=grey(102, 2000)), 0.4),  # decoded at a fraction of its size
        (picture("PNG", Image.new("I;16", (5, 5), 1000)), None),
        (picture()[:100], None),
        (files.png_of(100_000, 100_000), None),
        (b"a text", None),
    ],
)
def test_brightness(data: bytes, mean: float | None) -> None:
    """The mean of the grey levels from 0 to 1; none of what has none, or is not decoded."""
    found = bright(data)
    assert found == (None if mean is None else pytest.approx(mean, abs=0.005))


@pytest.fixture
def pictures(work: Work) -> Work:
    """Sixty dark pictures, tagged v1, then sixty bright ones, and texts and a sound with both."""
    for name, low in (("dark", 20), ("bright", 180)):
        work.ds.add({f"{name}{n:02}.png": picture("PNG", grey(low + n)) for n in range(60)})
        work.ds.add({f"{name}.txt": b"a cat " * 9, f"{name}.empty": b"", f"{name}.wav": sound()})
        work.ds.commit(name)
        if name == "dark":
            work.ds.tag("v1")
    return work


def test_drift_of_content(pictures: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """With content the brightness has drifted and the lengths have not; objects are read once."""
    one, two = (pictures.repo.example_set(word, dataset="data") for word in ("v1", "v1..head"))
    found = one.drift(two, content=True)
    by_name = {each.column: each for each in found.columns}
    assert {"content.brightness", "content.width", "content.chars", "content.seconds"} <= {*by_name}
    moved = {each.column for each in found.moved}
    assert "content.brightness" in moved
    assert not {"content.width", "content.chars", "content.type"} & moved
    side = by_name["content.brightness"].a
    assert (side.examples, side.missing) == (63, 3)
    assert side.middle == pytest.approx(49 / 255, abs=0.005)

    def again(store: Any, probe: Any, oids: list[bytes], left: Any = None) -> Iterator[Any]:
        assert not oids
        yield from ()

    monkeypatch.setattr(examining, "_examine", again)
    assert one.drift(two, columns=["content.brightness"]).drifted
    assert not one.drift(two, columns=["content.width"]).drifted
    assert "content.brightness" not in {each.column for each in one.drift(two).columns}
    with pytest.raises(NotFound) as caught:
        one.drift(two, columns=["content.brigthness"])
    assert caught.value.hint == "did you mean content.brightness?"
    mean = two.stats(["content.brightness"])["content.brightness"].numbers
    assert mean is not None and mean.quantiles[0] == pytest.approx(180 / 255, abs=0.005)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ('columns = ["content.brightness"]', ["content.brightness"]),
        ("content = true\nignore = ['size']", ["content.brightness"]),
        ('columns = ["content.chars", "content.width"]', []),
    ],
)
def test_the_rule_of_drift_takes_content(pictures: Work, asked: str, found: list[str]) -> None:
    pictures.path("dsm.toml").write_text(f'[[dataset.data.rules.drift]]\nagainst = "v1"\n{asked}\n')
    said = [each.text for each in pictures.ds.check(after="v1").findings()]
    assert [text.split()[0] for text in said] == found


def test_the_rule_of_drift_takes_all_fields(work: Work) -> None:
    """With `fields = true` every field of records is compared, whatever the attributes are."""
    for name, low in (("a", 0), ("b", 500)):
        rows = [{"id": f"{name}{n}", "n": low + n, "meta": {"lang": "en"}} for n in range(60)]
        work.ds.add_records(rows, name=f"{name}.jsonl", key="id")
        work.ds.commit(name)
    rule = '[[dataset.data.rules.drift]]\nagainst = "1"\nignore = ["size"{}]\n{}\n'
    for more, fields, found in (
        ("", "", []),
        ("", "fields = true", ["record.n"]),
        (', "record.n"', "fields = true", []),
    ):
        work.path("dsm.toml").write_text(rule.format(more, fields))
        said = [each.text for each in work.ds.check(after="1").findings()]
        assert [text.split()[0] for text in said] == found
