"""Texts: which copies are found, and that others are not."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from copies import story

from dsm.near import texts

COUNT = 80


def one_word_changed(text: str) -> str:
    words = text.split()
    words[len(words) // 2] = "other"
    return " ".join(words)


COPIES: dict[str, Callable[[str], str]] = {
    "in capitals": str.upper,
    "with other blanks": lambda text: text.replace(" ", "\n  "),
    "with another word": one_word_changed,
    "with a sentence more": lambda text: text + " And so it was.",
    "as a JSON record": lambda text: json.dumps({"question": text}),
}


def prints_of(many: list[str]) -> np.ndarray:
    found = [texts.fingerprint(each.encode()) for each in many]
    return np.frombuffer(b"".join(found), "<u4").reshape(len(many), -1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_and_nothing_else(name: str) -> None:
    """Each copy is equal or near to its original, and no other two texts are."""
    many = [story(seed) for seed in range(COUNT)]
    many += [COPIES[name](text) for text in many]
    prints = prints_of(many)
    first, second, alike = texts.near_pairs(prints, lambda row: many[row].encode())
    assert list(zip(first, second, strict=True)) == [(n, n + COUNT) for n in range(COUNT)]
    assert (alike >= texts.NEAR).all()


def test_candidates_are_compared_run_by_run() -> None:
    """Near the bound, the share of runs in common decides, exactly."""
    many = [story(1, 200)]
    many += [" ".join([*many[0].split()[:kept], *story(seed, 200 - kept).split()])
             for seed, kept in enumerate(range(150, 200, 4), 2)]  # fmt: skip
    runs = [set(texts.runs_of(text.encode()).tolist()) for text in many]
    first, second, _ = texts.near_pairs(prints_of(many), lambda row: many[row].encode())
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    expected = {
        (a, b) for b in range(len(many)) for a in range(b)
        if len(runs[a] & runs[b]) / len(runs[a] | runs[b]) >= texts.NEAR
    }  # fmt: skip
    assert found == expected


def test_long_texts_are_cut() -> None:
    """Of a long text the beginning counts, also where a letter is cut; long bytes are no text."""
    whole = "é" * texts.BYTES_MAX
    assert texts.fingerprint(("a" + whole).encode()) is not None
    assert texts.fingerprint(b"\xff" * (texts.BYTES_MAX + 1)) is None
    same = [(story(3, 70_000) + end).encode() for end in ("one end", "another end")]
    assert texts.fingerprint(same[0]) == texts.fingerprint(same[1])


def test_no_text() -> None:
    """Bytes that are no UTF-8, or hold a zero, or no letter at all, have no fingerprint."""
    for data in (b"", b"\xff\xfe", b"a\0b", b" \n -- "):
        assert texts.fingerprint(data) is None


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a": ' * 50_000, b"{not JSON at all"])
def test_json_that_is_none_is_text(data: bytes) -> None:
    """JSON that is nested without end, or is none, is read as text or as nothing, and ends."""
    found = texts.fingerprint(data)
    assert found is None or len(found) == 512


def test_short_texts_and_other_scripts() -> None:
    """Texts of few letters, and of scripts without blanks, have fingerprints of their own."""
    many = [
        "a",
        "b",
        "yes",
        "no",
        "yes 34 1",
        "yes 34 2",
        "yes 34 12",
        "日本語の文章です",
        "中文句子在这里",
        "привет мир",
    ]
    found = prints_of(many)
    assert len(np.unique(found, axis=0)) == len(many)
    first, _, _ = texts.near_pairs(found, lambda row: many[row].encode())
    assert len(first) == 0


def test_many_that_share_a_key_are_bounded() -> None:
    """Where thousands share a key, each is paired with few: work does not grow by the square."""
    one, other = texts.mates(np.zeros(5000, np.uint64), texts.BUCKET_MAX)
    assert len(one) == sum(min(texts.BUCKET_MAX, 4999 - n) for n in range(5000))
    assert (one < other).all()
