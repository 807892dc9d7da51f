"""A new state of a file of lines or rows by what changed: the same records, and the same groups."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Work
from stored_groups import Groups
from tiers import LONG

from dsm.errors import InvalidInput
from dsm.format.chunk_list import iterate
from dsm.records.gathering import Read
from dsm.records.increment import read_increment
from dsm.records.reader import read_records
from dsm.records.settings import RecordSettings

COUNT = 1200
KEYED = RecordSettings(key=("id",), label="topic")


@dataclass(frozen=True)
class Form:
    """How a file is written: its name, what stands before its records, and one of these."""

    file: str
    asked: RecordSettings
    line: Callable[[str, str, str], bytes]
    head: bytes = b""

    def lines(self, numbers: range, text: str = "") -> list[bytes]:
        return [self.record(number, text) for number in numbers]

    def record(self, number: int, text: str = "") -> bytes:
        draw = random.Random(number)
        words = " ".join(draw.choices(["alpha", "beta", "gamma", "delta"], k=40))
        return self.line(f"k{number}", words + text, "ab"[number % 2])


def _json(key: str, text: str, topic: str) -> bytes:
    return json.dumps({"id": key, "text": text, "topic": topic}).encode() + b"\n"


def _row(key: str, text: str, topic: str) -> bytes:
    return f'{key},"{text}\n{text[:9]}",{topic}\n'.encode()  # each is two lines


def _plain(key: str, text: str, topic: str) -> bytes:
    return f"{key} {text} {topic}\n".encode()


HEAD = b"\xef\xbb\xbfid,text,topic\r\n"
FORMS = {
    "jsonl": Form("t.jsonl", replace(KEYED, format="jsonl"), _json),
    "csv": Form("t.csv", replace(KEYED, format="csv", attributes=("*",)), _row, HEAD),
    "text": Form("t.txt", RecordSettings(format="text"), _plain),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@dataclass
class Stored(Groups):
    """A store that gives back what it was given."""

    held: dict[bytes, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def put_group(
        self, data: bytes, members: Mapping[bytes, tuple[int, int]], suffix: str
    ) -> bytes:
        oid = super().put_group(data, members, suffix)
        self.held[oid] = data
        return oid

    def read_small(self, oid: bytes) -> bytes | None:
        return self.held[oid]


def whole(form: Form, data: bytes, store: Stored | None = None) -> tuple[Read, bytes]:
    """Reads all of a file; returns what was read, and the list of its groups."""
    store = store or Stored()
    return read_records(io.BytesIO(data), form.file, form.asked, store), store.listed


def by_key(read: Read) -> dict[str, tuple[object, ...]]:
    said = [read.labels or [()] * len(read), read.attributes or [{}] * len(read)]
    return dict(zip(read.keys, zip(read.oids, *said, strict=True), strict=True))


def increment(form: Form, before: bytes, after: bytes) -> tuple[Read | None, Stored]:
    """Reads what changed of a file, and what was stored for it."""
    store = Stored()
    read, listed = whole(form, before, store)
    groups = [*iterate(listed)]
    store.groups.clear()
    return read_increment(io.BytesIO(after), form.file, read.settings, store, groups), store


Edit = tuple[str, int]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "long", "drop", "insert", "many", "blank", "quote"]),
        st.integers(0, COUNT - 1),
    ),
    max_size=6,
)


def edited(form: Form, lines: list[bytes], edits: list[Edit]) -> list[bytes]:
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
            lines.insert(at, form.record(10_000 + count))
        elif kind == "many":
            lines[at:at] = form.lines(range(20_000 + 1000 * count, 20_150 + 1000 * count))
        elif kind == "quote":
            lines[at] = lines[at].replace(b"beta", b'"', 1)
        else:
            lines.insert(at, b"\n")
    return lines


BEFORE = {form.file: form.lines(range(COUNT)) for form in FORMS.values()}


def before_of(form: Form) -> bytes:
    return form.head + b"".join(BEFORE[form.file])


@every_form
@given(EDITS, st.integers(0, 30), st.booleans())
@settings(max_examples=100 if LONG else 12)
def test_what_changed_is_what_reading_all_of_it_tells(
    form: Form, edits: list[Edit], more: int, cut: bool
) -> None:
    """The records that differ are among those that were read, on both sides; the id, the size and
    the list of groups are those of a file that is read as a whole."""
    before = before_of(form)
    after = form.head + b"".join(
        [*edited(form, BEFORE[form.file], edits), *form.lines(range(5000, 5000 + more))]
    )
    after = after[: -1 if cut else None]
    found, store = increment(form, before, after)
    if found is None:
        assert edits  # what is only appended is always told
        return
    old, (everything, listed) = by_key(whole(form, before)[0]), whole(form, after)
    now = by_key(everything)
    assert found.before is not None
    was, new = by_key(found.before), by_key(found)
    assert {**{k: v for k, v in old.items() if k not in was}, **new} == now
    assert was.items() <= old.items()
    assert (found.oid, found.size) == (blake3(after).digest(), len(after))
    assert store.listed == listed
    assert found.settings == everything.settings


@every_form
@pytest.mark.parametrize("at", [0, COUNT])
def test_little_is_read_where_little_changed(form: Form, at: int) -> None:
    """A line at either end is read with a group or two beside it, and nothing else."""
    lines = [*BEFORE[form.file]]
    lines.insert(at, form.record(9999))
    found, store = increment(form, before_of(form), form.head + b"".join(lines))
    assert found is not None
    assert len(found) < COUNT / 4
    assert sum(map(len, store.groups)) < 150_000


JSONL, CSV = FORMS["jsonl"], FORMS["csv"]
ROWS = b"".join(BEFORE[CSV.file])
UNUSUAL = {
    "another order": (JSONL, b"".join(reversed(BEFORE[JSONL.file]))),
    "empty": (JSONL, b""),
    "short": (JSONL, before_of(JSONL)[:5000]),
    "no JSON": (JSONL, before_of(JSONL) + b"no JSON\n"),
    "open quote": (CSV, before_of(CSV) + b'k,"x'),
    "ragged": (CSV, before_of(CSV) + b"k,x\n"),
    "other names": (CSV, HEAD.replace(b"text", b"words") + ROWS),
    "no mark": (CSV, HEAD[3:] + ROWS),
    "blank line first": (CSV, HEAD[:3] + b"\n" + HEAD[3:] + ROWS),
}


@pytest.mark.parametrize("form, after", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_left_to_who_reads_all(form: Form, after: bytes) -> None:
    """Where much changed, or something is wrong, the file is to be read as a whole."""
    assert increment(form, before_of(form), after)[0] is None


def test_a_column_that_becomes_wider_is_read_as_a_whole() -> None:
    """One number that is no integer makes floats of all cells of its column."""
    asked = replace(CSV.asked, label=None)
    form = replace(
        CSV, head=b"id,text,topic\n", asked=asked, line=lambda k, t, _: _row(k, t, k[1:])
    )
    before = form.head + b"".join(form.lines(range(COUNT)))
    again = replace(form, line=lambda k, t, _: _row(k, t, "0.5"))
    assert increment(form, before, before + form.record(9999))[0] is not None
    assert increment(form, before, before + again.record(9999))[0] is None


# --- in a dataset ---


def committed(work: Work, form: Form, lines: list[bytes], **asked: Any) -> None:
    work.write({form.file: form.head + b"".join(lines)})
    work.ds.add([form.file] if asked else ["."], **asked)
    work.ds.commit("state")


CASES = [(JSONL, "id"), (JSONL, None), (CSV, "id"), (FORMS["text"], None)]


@pytest.mark.parametrize("form, key", CASES, ids=["jsonl", "jsonl without key", "csv", "text"])
def test_a_dataset_has_what_it_would_have_of_the_whole_file(
    work: Work, form: Form, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records, labels and counts are the same with and without the short way, which is gone."""
    from dsm.worktree import record_increments

    short: list[int] = []

    def counted(*given: Any) -> Read | None:
        found = read_increment(*given)
        short.append(0 if found is None else len(found))
        return found

    monkeypatch.setattr(record_increments, "read_increment", counted)
    lines = BEFORE[form.file]
    after = edited(form, lines, [("edit", 100), ("drop", 700), ("insert", 30)])
    asked = {} if form.asked.label is None else {"label_field": "topic", "attr_field": ["text"]}
    committed(work, form, lines, records=True, key_field=key, **asked)
    work.ds.label([next(iter(work.ds.ls())).path], set=["mine"])
    work.ds.commit("label")
    committed(work, form, after)
    assert len(short) == 1 and 0 < short[0] < COUNT
    expected = (work.snapshot(), work.ds.read(form.file), work.ds.changeset(3).counts)
    assert work.ds.changeset(3).counts.added >= 1
    work.ds.revert(3)
    monkeypatch.setattr(record_increments, "reads_increments", lambda settings: False)
    committed(work, form, after)
    number = next(iter(work.ds.log())).number
    found = (work.snapshot(), work.ds.read(form.file), work.ds.changeset(number).counts)
    assert found == expected


def test_a_key_that_another_part_of_the_file_has_is_refused(work: Work) -> None:
    """A new line with the key of an unchanged one far away is found, and both lines are named."""
    lines = BEFORE[JSONL.file]
    committed(work, JSONL, lines, records=True, key_field="id")
    work.write({JSONL.file: b"".join([*lines, JSONL.record(3, "again")])})
    with pytest.raises(InvalidInput, match="line 1201: has the key 'k3' in 'id', as line 4 has"):
        work.ds.add(["."])


def test_a_line_twice_far_apart_has_a_number(work: Work) -> None:
    """Without a key field a copy of an unchanged line is another record, and goes by itself."""
    lines = BEFORE[JSONL.file]
    committed(work, JSONL, lines, records=True)
    before = work.snapshot()
    committed(work, JSONL, [*lines, lines[3]])
    assert len(work.snapshot()) == COUNT + 1
    committed(work, JSONL, [*lines[:3], *lines[4:], lines[3]])
    assert work.snapshot() == before


def test_what_was_withdrawn_stays_away(work: Work) -> None:
    """A record that was withdrawn is not brought back by an edit beside it."""
    lines = BEFORE[JSONL.file]
    committed(work, JSONL, lines, records=True, key_field="id")
    work.ds.remove([f"{JSONL.file}#k100"])
    work.ds.commit("withdrawn")
    committed(work, JSONL, edited(JSONL, lines, [("edit", 101)]))
    assert f"{JSONL.file}#k100" not in work.snapshot()
    assert len(work.snapshot()) == COUNT - 1
