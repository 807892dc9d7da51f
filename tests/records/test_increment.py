"""A new state of a JSON Lines file by what changed: the same records, and the same groups."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from situations import Work
from stored_groups import Groups

from dsm.format.chunk_list import iterate
from dsm.records.gathering import Read
from dsm.records.increment import read_increment
from dsm.records.jsonl import read_jsonl
from dsm.records.settings import RecordSettings

KEYED = RecordSettings(format="jsonl", key=("id",), label="topic")
FILE = "t.jsonl"
COUNT = 1200


def line(number: int, text: str = "") -> bytes:
    draw = random.Random(number)
    words = " ".join(draw.choices(["alpha", "beta", "gamma", "delta"], k=40))
    record = {"id": f"k{number}", "text": words + text, "topic": "ab"[number % 2]}
    return json.dumps(record).encode() + b"\n"


@dataclass
class Stored(Groups):
    """A store that gives back what it was given."""

    held: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def put_group(self, data: bytes, members: dict[bytes, tuple[int, int]], suffix: str) -> bytes:
        oid = super().put_group(data, members, suffix)
        self.held[oid] = data
        return oid

    def read_small(self, oid: bytes) -> bytes | None:
        return self.held[oid]


def whole(data: bytes, store: Stored | None = None) -> tuple[Read, bytes]:
    """Reads all of a file; returns what was read, and the list of its groups."""
    store = store or Stored()
    return read_jsonl(io.BytesIO(data).read, FILE, KEYED, store), store.listed


def by_key(read: Read) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    return dict(zip(read.keys, zip(read.oids, read.labels, strict=True), strict=True))


def increment(before: bytes, after: bytes) -> tuple[Read | None, Stored]:
    """Reads what changed of a file, and what was stored for it."""
    store = Stored()
    _, listed = whole(before, store)
    groups = [*iterate(listed)]
    store.groups.clear()
    return read_increment(io.BytesIO(after), FILE, KEYED, store, groups), store


Edit = tuple[str, int]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "long", "drop", "insert", "many", "blank"]),
        st.integers(0, COUNT - 1),
    ),
    max_size=6,
)


def edited(lines: list[bytes], edits: list[Edit]) -> list[bytes]:
    lines = [*lines]
    for count, (kind, at) in enumerate(edits):
        at %= max(1, len(lines))
        if kind == "edit":
            lines[at] = lines[at].replace(b"alpha", b"omega%d" % count, 1)
        elif kind == "long":
            lines[at] = lines[at].replace(b"alpha", b"x" * 40_000, 1)
        elif kind == "drop":
            del lines[at : at + 3]
        elif kind == "insert":
            lines.insert(at, line(10_000 + count))
        elif kind == "many":
            lines[at:at] = [line(20_000 + 1000 * count + n) for n in range(150)]
        else:
            lines.insert(at, b"\n")
    return lines


BEFORE = [line(number) for number in range(COUNT)]


@given(EDITS, st.integers(0, 30), st.booleans())
def test_what_changed_is_what_reading_all_of_it_tells(
    edits: list[Edit], more: int, cut: bool
) -> None:
    """The records that differ are among those that were read, on both sides; the id, the size and
    the list of groups are those of a file that is read as a whole."""
    before = b"".join(BEFORE)
    after = b"".join([*edited(BEFORE, edits), *(line(5000 + n) for n in range(more))])
    after = after[: -1 if cut else None]
    old, now = by_key(whole(before)[0]), by_key(whole(after)[0])
    found, store = increment(before, after)
    if found is None:
        assert edits  # what is only appended is always told
        return
    assert found.before is not None
    was, new = by_key(found.before), by_key(found)
    assert {**{k: v for k, v in old.items() if k not in was}, **new} == now
    assert was.items() <= old.items()
    assert (found.oid, found.size) == (blake3(after).digest(), len(after))
    assert store.listed == whole(after)[1]


@pytest.mark.parametrize("edit", [lambda d: d, lambda d: d + line(9999), lambda d: line(9998) + d])
def test_little_is_read_where_little_changed(edit: Callable[[bytes], bytes]) -> None:
    """A line at either end is read with a group or two beside it, and nothing else."""
    found, store = increment(b"".join(BEFORE), edit(b"".join(BEFORE)))
    assert found is not None
    assert len(found) < COUNT / 4
    assert sum(map(len, store.groups)) < 150_000


@pytest.mark.parametrize(
    "after",
    [b"".join(reversed(BEFORE)), b"", b"".join(BEFORE)[:5000], b"".join(BEFORE) + b"no JSON\n"],
    ids=["another order", "empty", "short", "no JSON"],
)
def test_what_is_unusual_is_left_to_who_reads_all(after: bytes) -> None:
    """Where much changed, or something is wrong, the file is to be read as a whole."""
    assert increment(b"".join(BEFORE), after)[0] is None


# --- in a dataset ---


def states(work: Work) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    return work.snapshot()


def committed(work: Work, content: bytes, **asked: Any) -> None:
    work.write({FILE: content})
    work.ds.add(["."] if not asked else [FILE], **asked)
    work.ds.commit("state")


@pytest.mark.parametrize("key", ["id", None])
def test_a_dataset_has_what_it_would_have_of_the_whole_file(
    work: Work, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records, labels and counts are the same with and without the short way, which is gone."""
    from dsm.worktree import record_increments

    short: list[int] = []

    def counted(*given: Any) -> Read | None:
        found = read_increment(*given)
        short.append(0 if found is None else len(found))
        return found

    monkeypatch.setattr(record_increments, "read_increment", counted)
    after = edited(BEFORE, [("edit", 100), ("drop", 700), ("insert", 30)])
    committed(work, b"".join(BEFORE), records=True, key_field=key, label_field="topic")
    work.ds.label([next(iter(work.ds.ls())).path], set=["mine"])
    work.ds.commit("label")
    committed(work, b"".join(after))
    assert len(short) == 1 and 0 < short[0] < COUNT
    expected = (states(work), work.ds.read(FILE), work.ds.changeset(3).counts)
    assert work.ds.changeset(3).counts.added >= 1
    work.ds.revert(3)
    monkeypatch.setattr(record_increments, "reads_increments", lambda settings: False)
    committed(work, b"".join(after))
    number = next(iter(work.ds.log())).number
    assert (states(work), work.ds.read(FILE), work.ds.changeset(number).counts) == expected


def test_a_key_that_another_part_of_the_file_has_is_refused(work: Work) -> None:
    """A new line with the key of an unchanged one far away is found, and both lines are named."""
    committed(work, b"".join(BEFORE), records=True, key_field="id")
    twice = line(3, "again")
    work.write({FILE: b"".join(BEFORE) + twice})
    with pytest.raises(Exception, match="line 1201: has the key 'k3' in 'id', as line 4 has"):
        work.ds.add(["."])


def test_a_line_twice_far_apart_has_a_number(work: Work) -> None:
    """Without a key field a copy of an unchanged line is another record, and goes by itself."""
    committed(work, b"".join(BEFORE), records=True)
    before = states(work)
    committed(work, b"".join([*BEFORE, BEFORE[3]]))
    assert len(states(work)) == COUNT + 1
    committed(work, b"".join([*BEFORE[:3], *BEFORE[4:], BEFORE[3]]))
    assert states(work) == before


def test_what_was_withdrawn_stays_away(work: Work) -> None:
    """A record that was withdrawn is not brought back by an edit beside it."""
    committed(work, b"".join(BEFORE), records=True, key_field="id")
    work.ds.remove([f"{FILE}#k100"])
    work.ds.commit("withdrawn")
    committed(work, b"".join(edited(BEFORE, [("edit", 101)])))
    assert f"{FILE}#k100" not in states(work)
    assert len(states(work)) == COUNT - 1
