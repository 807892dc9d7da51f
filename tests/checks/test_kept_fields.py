"""Fields of records are read once: what is kept, who uses it, and what becomes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from histories import fresh
from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Work

from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.views.reading import kept_fields, window
from dsm.views.reading.kept_fields import KeptFields
from dsm.views.reading.record_columns import record_columns

RULES = """\
[dataset.data.rules]
outliers.of = "record.n"
[[dataset.data.rules.attribute]]
name = "record.n"
unique = true
[[dataset.data.rules.attribute]]
name = "record.meta.lang"
pattern = "[a-z]+"
"""
Rows = Sequence[dict[str, Any]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many objects were read, call by call."""
    counts: list[int] = []
    really = window.read_batch

    def counting(store: Any, oids: list[bytes], sizes: Any = None) -> list[bytes | None]:
        counts.append(len(oids))
        return really(store, oids, sizes)

    monkeypatch.setattr(window, "read_batch", counting)
    yield counts


def rows(count: int = 300) -> list[dict[str, Any]]:
    return [{"id": n, "n": n, "meta": {"lang": "en"}} for n in range(count)]


def commit(work: Work, found: Rows, name: str = "a.jsonl") -> None:
    stage(work, found, name)
    work.ds.commit("records")


def stage(work: Work, found: Rows, name: str = "a.jsonl") -> None:
    work.path(name).write_text("".join(json.dumps(row) + "\n" for row in found))
    work.ds.add([name], records=True, key_field="id")


def told(work: Work, **asked: Any) -> list[str]:
    return [each.told for each in work.ds.check(**asked).findings()]


def files(work: Work) -> list[Path]:
    return sorted((work.root / ".dsm/local/near").glob("*.fields"))


@pytest.fixture
def filled(work: Work) -> Work:
    """Three hundred records, and rules on their fields."""
    work.path("dsm.toml").write_text(RULES)
    commit(work, rows())
    return work


def test_a_second_check_reads_what_changed(filled: Work, read: list[int]) -> None:
    """Nothing where nothing changed, also in another process's place; else the changed records,
    staged or committed, whatever rule asks for them."""
    assert told(filled) == []
    assert sum(read) == 300
    read.clear()
    assert told(filled) == []
    assert read == []
    changed = rows()
    changed[7]["n"], changed[8]["meta"] = 6, {"lang": "EN"}
    stage(filled, changed)
    found = told(filled, staged=True)
    assert sorted(found) == [
        "a.jsonl#7: another example has the same record.n, 6",
        "a.jsonl#8: record.meta.lang EN does not fit [a-z]+",
    ]
    assert sum(read) == 2
    read.clear()
    filled.ds.commit("changed")
    assert len(told(filled)) == 3  # the two, and the other one that has the same
    filled.ds.revert("head")
    assert told(filled) == []
    assert read == []


def test_a_field_more_is_read_with_those_of_others(filled: Work, read: list[int]) -> None:
    """A rule on another field reads all once; what the first rules ask for is known still."""
    told(filled)
    filled.path("dsm.toml").write_text('[dataset.data.rules]\noutliers.of = "record.id"\n')
    assert told(filled) == []
    assert sum(read) == 600
    filled.path("dsm.toml").write_text(RULES)
    read.clear()
    assert told(filled) == []
    assert read == []


def test_a_field_that_nobody_has_is_told_from_what_is_known(filled: Work, read: list[int]) -> None:
    """Its nearest name is told without reading again."""
    filled.path("dsm.toml").write_text('[dataset.data.rules]\noutliers.of = "record.meta.lagn"\n')
    said = "no record has the field meta.lagn; did you mean meta.lang?"
    assert [each.text for each in filled.ds.check().findings()] == [said]
    read.clear()
    assert [each.text for each in filled.ds.check().findings()] == [said]
    assert read == []


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:400] + bytes([data[400] ^ 1]) + data[401:],
        lambda data: b"no file of ours",
    ],
)
def test_damage_costs_time_alone(
    filled: Work, read: list[int], harm: Callable[[bytes], bytes]
) -> None:
    """A damaged file is not believed, `fsck` names it, and it is made again."""
    told(filled)
    (path,) = files(filled)
    path.write_bytes(harm(path.read_bytes()))
    report = fsck(filled.ds.repo)
    assert path.name in " ".join([*report.notes, *(each.where for each in report.findings)])
    read.clear()
    assert told(filled) == []
    assert sum(read) == 300
    read.clear()
    assert (told(filled), read) == ([], [])
    assert fsck(filled.ds.repo).findings == ()


def test_a_file_of_another_copy_is_not_believed(filled: Work, read: list[int]) -> None:
    told(filled)
    key = filled.root / ".dsm/local/cache.key"
    os.replace(key, key.with_suffix(".old"))
    read.clear()
    assert told(filled) == []
    assert sum(read) == 300


def test_gc_removes_it_with_content(filled: Work) -> None:
    """What records said goes when content is removed for good; a gc without work leaves it."""
    told(filled)
    apply_gc(filled.repo, plan_gc(filled.repo))
    assert len(files(filled)) == 1
    filled.write({"x": b"nobody needs it" * 1000})
    filled.ds.add(["x"])
    filled.ds.unstage(["x"])
    apply_gc(filled.repo, plan_gc(filled.repo))
    assert files(filled) == []


def test_rows_of_tables_and_archives(work: Work, read: list[int]) -> None:
    """Cells are known by how their table is written, files in an archive by the archive."""
    import tarfile

    work.path("t.csv").write_text("id,n\n1,10\n2,20\n")
    work.path("u.csv").write_text("n;id\n1;10\n2;20\n")
    with tarfile.open(work.path("c.tar"), "w") as archive:
        for name in ("one.txt", "two.txt"):
            work.path(name).write_text("same")
            archive.add(work.path(name), name)
            work.path(name).unlink()
    work.ds.add(["t.csv", "u.csv"], records=True, key_field="id")
    work.ds.add(["c.tar"], records=True)
    commit(work, rows(3))
    table = work.repo.example_set("head", dataset="data").table

    def columns() -> dict[str, list[Any]]:
        found = table(fields=["n", "name"])
        return {row["path"]: row.get("record.n") for row in found.to_pylist()}

    first = columns()
    assert [first[f"{each}.csv#{n}"] for each in ("t", "u") for n in (1, 2, 10, 20)
            if f"{each}.csv#{n}" in first] == [10, 20, 1, 2]  # fmt: skip
    read.clear()
    assert columns() == first
    assert read == []
    work.path("t.csv").write_text("n,id\n10,1\n20,2\n")  # the same columns the other way round
    work.ds.add(["t.csv"], records=True, key_field="id")
    work.ds.commit("turned")
    assert columns() == first


_values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
    st.lists(st.text(max_size=2), max_size=2), st.dictionaries(st.sampled_from("bc"), st.integers()),
)  # fmt: skip
_states = st.lists(
    st.lists(st.dictionaries(st.sampled_from("ab"), _values), min_size=1, max_size=4),
    min_size=1, max_size=3,
)  # fmt: skip


@settings(max_examples=60)
@given(states=_states, cells=st.lists(st.sampled_from(["", "1", "x", "2.5", "NA"]), max_size=3))
def test_what_is_kept_says_what_reading_says(
    tmp_path_factory: pytest.TempPathFactory, states: list[Rows], cells: list[str]
) -> None:
    """Columns of kept values are those that reading every record gives, whatever was kept before."""
    work = fresh(tmp_path_factory.mktemp("kept"))
    if cells:
        work.path("t.csv").write_text("id,a\n" + "".join(f"{n},{c}\n" for n, c in enumerate(cells)))
        work.ds.add(["t.csv"], records=True, key_field="id")
    names = ["record.a", "record.b", "record.a.b"]
    for at, state in enumerate(states):
        commit(work, [{"id": n, "at": at, **row} for n, row in enumerate(state)])
        view = work.repo.example_set("head", dataset="data").view
        assert view is not None
        table = view.table()
        read = {name: found for name, found in
                record_columns(view.repository, table, None).columns.items() if name in names}  # fmt: skip
        for _ in range(2):
            known = record_columns(view.repository, table, names).columns
            for name, (field, column) in read.items():
                assert known[name][0].equals(field, check_metadata=True)
                assert known[name][1].equals(column) or _nan(column)


def _nan(column: Any) -> bool:
    return any(value != value for value in column.to_pylist())


def test_it_has_bounds(filled: Work, read: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more records than there is room for the first stay, and are not read again; of more forms
    than few the newest stay."""
    told(filled)
    (path,) = files(filled)
    path.unlink()
    monkeypatch.setattr(kept_fields, "BYTES_MAX", 5000)
    read.clear()
    assert told(filled) == []
    written = files(filled)[0].stat()
    assert sum(read) == 300
    read.clear()
    assert told(filled) == []
    assert 0 < sum(read) < 290
    assert files(filled)[0].stat().st_mtime_ns == written.st_mtime_ns  # nothing was gained by it
    monkeypatch.setattr(kept_fields, "FORMS_MAX", 2)
    table = kept_fields.pa.schema([kept_fields.RECORD]).empty_table()
    for form in "abc":
        KeptFields(filled.repo.layout, form).replace(table, table, frozenset())
    assert len(files(filled)) == 2


def test_processes_that_keep_at_once(filled: Work) -> None:
    """Each answers for itself; one file is left, and it is whole."""
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda _: told(filled), range(8))]
    assert found == [[]] * 8
    assert len(files(filled)) == 1
    assert fsck(filled.ds.repo).findings == ()


def test_a_folder_that_cannot_be_written_costs_time_alone(filled: Work, read: list[int]) -> None:
    (filled.root / ".dsm/local/near").write_text("in the way")
    assert told(filled) == []
    assert told(filled) == []
    assert sum(read) == 600
