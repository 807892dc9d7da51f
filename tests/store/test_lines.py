"""Records that lie side by side, read as lines: the same bytes as one by one, or left to that."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3
from stores import damage, packs_in

from dsm.store.lines import read_lines
from dsm.store.objects import ObjectStore


def lines_of(count: int, seed: int = 1) -> list[bytes]:
    """Returns lines that compress, of few lengths, so that others fit in their places."""
    rng = random.Random(seed)
    return [bytes(rng.choices(b"abcdef ", k=rng.choice((70, 70, 90)))) for _ in range(count)]


def stored(
    store: ObjectStore, lines: list[bytes], end: bytes = b"\n", *, each: int = 50
) -> list[bytes]:
    """Stores lines as groups of so many; returns their ids."""
    for first in range(0, len(lines), each):
        parts, at = {}, 0
        for line in lines[first : first + each]:
            parts.setdefault(blake3(line).digest(), (at, len(line)))
            at += len(line) + len(end)
        store.put_group(
            b"".join(line + end for line in lines[first : first + each]), parts, ".jsonl"
        )
    store.flush()
    return [blake3(line).digest() for line in lines]


def read(store: ObjectStore, oids: list[bytes], lines: list[bytes]) -> list[tuple[int, int]]:
    """Returns which were read as lines, having checked what was read; the rest is left out."""
    at, found = 0, []
    for first, end, text in read_lines(store, b"".join(oids), [*map(len, lines)]):
        assert first == at < end
        at = end
        if text is not None:
            assert text == b"".join(line + b"\n" for line in lines[first:end])
            found.append((first, end))
    assert at == len(lines)
    return found


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize(("end", "as_lines"), [(b"\n", True), (b"\r\n", True), (b"", False)])
def test_lines_of_a_file(
    make_store: Callable[[], ObjectStore], end: bytes, dense: bool, as_lines: bool
) -> None:
    """All records of a file come as lines, whatever their ends were, compressed or not."""
    lines = lines_of(2500)
    if dense:
        rng = random.Random(3)
        lines = [rng.randbytes(len(line)).replace(b"\n", b" ") for line in lines]
    oids = stored(make_store(), lines, end)
    expected = [(0, 1024), (1024, 2048), (2048, 2500)] if as_lines else []
    assert read(make_store(), oids, lines) == expected
    some = slice(17, 400)
    assert read(make_store(), oids[some], lines[some]) == ([(0, 383)] if as_lines else [])


def test_a_record_that_was_changed(make_store: Callable[[], ObjectStore]) -> None:
    """One that lies elsewhere is left out with those beside it, whether or not its size tells."""
    lines = lines_of(1000)
    oids = stored(make_store(), lines)
    for other in (b"x" * 80, b"y" * len(lines[200])):
        changed = [*lines[:200], other, *lines[201:]]
        (new,) = stored(make_store(), [other])
        left = [(first, min(first + 64, 1000)) for first in range(0, 1000, 64) if first != 192]
        assert read(make_store(), [*oids[:200], new, *oids[201:]], changed) == left


def test_another_order(make_store: Callable[[], ObjectStore]) -> None:
    """Records in another order than that of the file are never taken for their neighbours."""
    lines = lines_of(300)
    oids = stored(make_store(), lines)
    order = [0, *random.Random(2).sample(range(1, 299), 298), 299]
    assert read(make_store(), [oids[n] for n in order], [lines[n] for n in order]) == []


def test_a_record_that_holds_an_end_of_line(make_store: Callable[[], ObjectStore]) -> None:
    """A record of more lines than one, as a row of a table may be, is left out."""
    lines = lines_of(40)
    lines[7] = b"one\n" * 9
    assert read(make_store(), stored(make_store(), lines), lines) == []


def test_sizes_that_are_wrong(make_store: Callable[[], ObjectStore]) -> None:
    """Sizes that are not those of the lines, whatever their sum, lead to no lines."""
    lines = lines_of(40)
    oids, sizes = b"".join(stored(make_store(), lines)), [*map(len, lines)]
    for wrong in (
        [size + 1 for size in sizes], [0] * 40, [1 << 62] * 40, [-1] * 40,
        [*sizes[:9], sizes[9] - 1, sizes[10] + 1, *sizes[11:]],
    ):  # fmt: skip
        assert [*read_lines(make_store(), oids, wrong)] == [(0, 40, None)]


def test_damage_is_left_to_who_reads_one_by_one(
    make_store: Callable[[], ObjectStore], tmp_path: Path
) -> None:
    """Lines near damage are not handed out as lines; others are."""
    rng = random.Random(5)
    lines = [rng.randbytes(200).replace(b"\n", b" ") for _ in range(640)]
    oids = stored(make_store(), lines)
    (pack,) = packs_in(tmp_path)
    damage(pack, lines[100])
    left = [(first, first + 64) for first in range(0, 640, 64) if first != 64]
    assert read(make_store(), oids, lines) == left


def test_what_is_not_there(make_store: Callable[[], ObjectStore]) -> None:
    """Nothing at all, or what no pack has, leads to no lines."""
    assert [*read_lines(make_store(), b"", [])] == []
    assert [*read_lines(make_store(), bytes(64), [5, 5])] == [(0, 2, None)]
