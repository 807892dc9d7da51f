"""The fields of records as columns, for Arrow, pandas, Hugging Face and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

from dsm.views.reading import fields
from dsm.views.view import View

RECORDS: list[dict[str, Any]] = [
    {"id": f"{n:03d}", "text": f"text {n}", "n": n, "score": n / 2, "ok": n % 2 == 0, "tags": ["a"] * (n % 3),
     "at": "2026-01-02T03:04:05Z", "mixed": n if n % 2 else str(n), "large": 2**60 + n if n else 0.5,
     "meta": {"a": n} if n < 5 else {"b": "x"}, "nothing": None}
    for n in range(20)
]  # fmt: skip


@pytest.fixture
def view(make_work: Callable[..., Work], monkeypatch: pytest.MonkeyPatch) -> View:
    """Records of twenty fields, and a late one."""
    monkeypatch.setattr(fields, "ROWS", 8)
    work = make_work()
    work.ds.add_records([*RECORDS, {"id": "999", "late": 1}], name="t.jsonl", key="id")
    work.ds.commit("one")
    return work.ds.prepare()


def test_fields_are_columns_of_their_types(view: View) -> None:
    """Each field is a column in the order and the type of its values; those without one type, and
    numbers that would lose digits, are JSON."""
    table = view.table(fields=True)
    plain = view.table()
    assert plain.column_names == table.column_names[: plain.num_columns]
    assert plain.equals(table.select(plain.column_names))
    kinds = {f.name.removeprefix("record."): f.type for f in table.schema if "record." in f.name}
    assert [*RECORDS[0], "late"] == [*kinds]
    assert {
        "id": pa.string(), "text": pa.string(), "n": pa.int64(), "score": pa.float64(),
        "ok": pa.bool_(), "tags": pa.list_(pa.string()), "at": pa.string(), "mixed": pa.string(),
        "large": pa.string(), "nothing": pa.null(), "late": pa.int64(),
    } == {name: kind for name, kind in kinds.items() if name != "meta"}  # fmt: skip
    for name in ("id", "text", "n", "score", "ok", "tags", "at"):
        expected = [*(row[name] for row in RECORDS), "999" if name == "id" else None]
        assert expected == table.column(f"record.{name}").to_pylist()
    assert table.column("record.mixed").to_pylist()[:3] == ['"0"', "1", '"2"']
    assert ["0.5", str(2**60 + 1)] == table.column("record.large").to_pylist()[:2]
    meta = table.column("record.meta").to_pylist()
    assert tuple(
        {name: value for name, value in meta[n].items() if value is not None} for n in (3, 8)
    ) == ({"a": 3}, {"b": "x"})


def test_half_characters_come_as_json(work: Work, tmp_path: Path) -> None:
    """A lone surrogate, in a value or in a name, is in no column as it is: all readers get its
    escape."""
    half = b'{"id": "%d", "t": "\\ud800 a%d", "n": {"\\udfff": %d}, "x\\udc00": %d}\n'
    (work.root / "t.jsonl").write_bytes(b"".join(half % (n, n, n, n) for n in range(2)))
    work.ds.add(["t.jsonl"], records=True, key_field="id")
    work.ds.commit("one")
    view = work.ds.prepare()
    table = view.table(fields=True)
    assert table.column("record.t").to_pylist() == ['"\\ud800 a0"', '"\\ud800 a1"']
    assert table.column("record.n").to_pylist() == ['{"\\udfff": 0}', '{"\\udfff": 1}']
    assert table.column("record.x\\udc00").to_pylist() == [0, 1]
    assert view.to_pandas(fields=True)["record.t"].tolist()[0] == '"\\ud800 a0"'
    assert view.to_hf(cache_dir=str(tmp_path / "cache"))[1]["record.t"] == '"\\ud800 a1"'


def test_files_among_records_have_no_fields(work: Work) -> None:
    """Of a file the fields are null, and a view of files alone has none."""
    work.ds.add({"a.txt": b"a file"})
    work.ds.add_records(RECORDS[:2], name="t.jsonl", key="id")
    work.ds.commit("one")
    table = work.ds.prepare().table(fields=True)
    assert table.column("record.text").to_pylist() == [None, "text 0", "text 1"]
    files = work.ds.prepare(paths="a.txt")
    assert files.table() == files.table(fields=True)


def test_fields_in_pandas(view: View) -> None:
    """A data frame has the same columns."""
    pytest.importorskip("pandas")
    frame = view.to_pandas(fields=True)
    assert view.table(fields=True).column_names == [*frame.columns]
    assert [*range(20)] == frame["record.n"].tolist()[:20]
    assert view.table().column_names == [*view.to_pandas().columns]


def test_integers_in_pandas_are_as_they_are(make_work: Callable[..., Work]) -> None:
    """A column of integers that some records lack keeps every digit, beyond 2^53 too."""
    pytest.importorskip("pandas")
    work = make_work()
    rows: list[dict[str, Any]] = [{"id": "a", "n": 2**53 + 1, "m": 1}, {"id": "b", "m": 2}]
    work.ds.add_records(rows, name="t.jsonl", key="id", attributes=["n"])
    work.ds.commit("one")
    frame = work.ds.prepare().to_pandas(fields=True)
    for column in ("record.n", "attr.n"):
        assert int(frame[column][0]) == 2**53 + 1, column
        assert frame[column].isna().tolist() == [False, True], column
    assert frame["record.m"].dtype == "int64"


def test_fields_in_a_dataset_of_hugging_face(view: View, tmp_path: Path) -> None:
    """A view of records is a dataset with a column for each field."""
    pytest.importorskip("datasets")
    found = view.to_hf(cache_dir=str(tmp_path))
    assert [f"text {n}" for n in range(20)] == found["record.text"][:20]
    assert view.table().column("path").to_pylist() == found["path"][:]
    assert view[0].oid.hex() == found[0]["object"]
    assert found.features["record.n"].dtype == "int64"


def test_records_in_torch(view: View) -> None:
    """A loader yields records, in order and shuffled, with workers as well."""
    data = pytest.importorskip("torch.utils.data")
    import dsm.torch

    made = dsm.torch.ViewDataset(view, transform=_number)
    for workers in (0, 1):
        batches = list(data.DataLoader(made, batch_size=6, num_workers=workers, collate_fn=list))
        assert [*range(20), None] == [number for batch in batches for number in batch]
    streamed = dsm.torch.IterableViewDataset(view, transform=_number)
    assert {*range(20), None} == {*streamed}


def _number(example: Any) -> int | None:
    found: int | None = example.record.get("n")
    return found
