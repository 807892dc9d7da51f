"""Texts that say the same: their fingerprints, candidates among them, and what verifies one.

A text is the set of its runs of five letters, without letter case, punctuation and the width of
blanks. Its fingerprint are the least hashes of 128 parts of that set (MinHash by one permutation):
two of them agree in about the share of runs that the two texts have in common (Jaccard). Candidates
agree in six in a row; two that agree in half of all are compared run by run.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from dsm.near.ranges import mates

RUN = 5  # letters
PARTS = 128
BAND = 6
BYTES_MAX = 1 << 18  # of a text that are looked at
NEAR = 0.8  # of the runs of two texts together are in both
SIGHT_MIN = 0.5  # of two fingerprints: a short text has few runs, so its hashes say little
BUCKET_MAX = 32
_Decoder = codecs.getincrementaldecoder("utf-8-sig")
_NO_LETTER = re.compile(r"[\W_]+")
_EMPTY: Any = np.uint64(2**64 - 1)


def fingerprint(data: bytes) -> bytes | None:
    """Returns the fingerprint of a text, 128 numbers of 32 bits; None for what is no text."""
    runs = runs_of(data)
    if runs is None or not len(runs):
        return None
    edges = np.arange(PARTS, dtype=np.uint64) << np.uint64(57)
    at = np.searchsorted(runs, edges)
    least = np.where(at < len(runs), runs[np.minimum(at, len(runs) - 1)], _EMPTY)
    there = (least >> np.uint64(57)) == np.arange(PARTS, dtype=np.uint64)
    there &= at < len(runs)
    # A part without runs takes what the next one has, told apart by how far that is.
    full = np.flatnonzero(there)
    places = np.arange(PARTS)
    taken = full[np.searchsorted(full, places) % len(full)]
    away = ((taken - places) % PARTS).astype(np.uint64)
    mixed = _mixed(least[taken] + away * np.uint64(0x9E3779B97F4A7C15))
    return bytes((mixed >> np.uint64(32)).astype("<u4").tobytes())


def runs_of(data: bytes) -> Any:
    """Returns the sorted hashes of a text's runs of letters; None for what is no text.

    Of JSON it takes what it holds, without the names of fields.
    """
    try:
        # What is cut off in the middle of a letter is text all the same.
        text = _Decoder().decode(data[:BYTES_MAX], len(data) <= BYTES_MAX)
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    if text.lstrip()[:1] in ("{", "["):
        text = _held(text)
    plain = _NO_LETTER.sub(" ", text.casefold()).strip()
    letters = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if not len(letters):
        return letters
    size = min(RUN, len(letters))
    hashes: Any = np.zeros(len(letters) - size + 1, np.uint64)
    for at in range(size):
        hashes = hashes * np.uint64(0x100000001B3) + letters[at : at + len(hashes)]
    return np.unique(_mixed(hashes + np.uint64(size)))


def _held(text: str) -> str:
    """Returns the texts and numbers in a JSON document, or the text if it is none."""
    try:
        waiting, found = [json.loads(text)], list[str]()
    except (ValueError, RecursionError):
        return text
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, list):
            waiting.extend(reversed(value))
        else:
            found.append(str(value))
    return "\n".join(found)


def _mixed(values: Any) -> Any:
    """Spreads numbers of 64 bits: the finisher of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def near_pairs(prints: Any, read: Callable[[int], bytes]) -> tuple[Any, Any, Any]:
    """Finds the rows of an array (n, 128) of numbers that say the same.

    `read` gives the text of a row. Returns the numbers of rows, the smaller first, and the share of
    runs that two have in common. No two rows are equal.
    """
    count = max(1, len(prints))
    found: list[Any] = [np.empty(0, np.int64)]
    for at in range(0, PARTS - BAND + 1, BAND):
        keys: Any = np.zeros(len(prints), np.uint64)
        for column in range(at, at + BAND):
            keys = _mixed(keys + prints[:, column].astype(np.uint64))
        one, other = mates(keys, BUCKET_MAX)
        found.append(one * count + other)
    pairs = np.unique(np.concatenate(found))
    first, second = pairs // count, pairs % count
    alike = np.empty(len(pairs))
    for at in range(0, len(pairs), 1 << 16):
        part = slice(at, at + (1 << 16))
        alike[part] = (prints[first[part]] == prints[second[part]]).mean(axis=1)
    runs = lru_cache(maxsize=1024)(lambda row: runs_of(read(row)))
    for at in np.flatnonzero(alike >= SIGHT_MIN).tolist():
        alike[at] = _shared(runs(int(first[at])), runs(int(second[at])))
    near = alike >= NEAR
    return first[near], second[near], alike[near]


def _shared(ones: Any, others: Any) -> float:
    if ones is None or others is None:
        return 0.0
    both = len(np.intersect1d(ones, others, assume_unique=True))
    return both / max(1, len(ones) + len(others) - both)
