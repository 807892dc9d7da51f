"""Random small histories, committed without files, and what is live after each changeset."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from blake3 import blake3
from hypothesis import strategies as st
from situations import Work

from dsm.history.commit import Intent, record
from dsm.model.example import Example
from dsm.model.rows import ADDED, DELETED, MODIFIED, Rows

PATHS = ("a/1.jpg", "a/2.jpg", "a/b/3.txt", "b/1.jpg", "b/é.txt", "c.d/x.y.jpg", "top", "猫/😺.wav")
LABELS = ("cat", "dog", "猫", "withdrawn")
TIMES = (0, 5_000_000, 5_000_001, 86_400_000_000, -1)
Live = dict[str, Example]
Step = dict[str, Example | None]
"""One changeset: paths to put, and paths (None) to delete."""

attributes = st.fixed_dictionaries(
    {},
    optional={
        "width": st.sampled_from([-1, 0, 300, 512, (1 << 53) + 1]),
        "score": st.sampled_from([0.1, 0.5, 2.0, -3.25]),
        "camera": st.sampled_from(["left", "right", ""]),
        "day": st.booleans(),
    },
)


@st.composite
def example(draw: st.DrawFn, path: str) -> Example:
    oid = blake3(draw(st.sampled_from(["x", "y", "z"])).encode()).digest()
    labels = tuple(sorted(draw(st.sets(st.sampled_from(LABELS), max_size=3))))
    size = draw(st.integers(0, 2000))
    time = draw(st.sampled_from(TIMES))
    return Example(
        path, oid, size, time, labels, draw(attributes), time_given=draw(st.booleans())
    )  # fmt: skip


@st.composite
def steps(draw: st.DrawFn, max_size: int = 5) -> list[Step]:
    """One to `max_size` changesets of puts, and deletions of what is there."""
    found: list[Step] = []
    live: set[str] = set()
    for _ in range(draw(st.integers(1, max_size))):
        step: Step = {}
        for path in sorted(draw(st.sets(st.sampled_from(PATHS), min_size=1, max_size=6))):
            put = example(path)
            step[path] = draw(st.one_of(put, put, st.none()) if path in live else put)
        live = {p for p in live if p not in step} | {p for p, e in step.items() if e is not None}
        found.append(step)
    return found


def commit(work: Work, history: Iterable[Step]) -> list[Live]:
    """Commits every step; returns what is live after changeset 0, 1, 2, …"""
    ds = work.ds
    after: list[Live] = [{}]
    for step in history:
        before, rows = after[-1], Rows()
        for path in sorted(step):
            new = step[path]
            if new is not None:
                rows.put(MODIFIED if path in before else ADDED, new)
            elif path in before:
                rows.delete(path, DELETED)
        live = {**before, **{p: e for p, e in step.items() if e is not None}}
        for path, new in step.items():
            if new is None:
                live.pop(path, None)
        number = len(after)
        intent = Intent(f"changeset {number}", "tester", number, os.urandom(16).hex())
        record(work.repo, ds.log_, ds.snapshots, rows, number - 1, intent, allow_empty=True)
        after.append(live)
    return after


def fresh(folder: Path, count: list[int] | None = None) -> Work:
    """A repository in a folder of its own, for one example of a property."""
    root = folder / os.urandom(6).hex()
    root.mkdir()
    return Work(root)
