"""Predictions as Parquet: golden bytes, and that other bytes are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hexdump import dump, parse

from dsm.errors import DamagedData
from dsm.format import predictions as fmt

GOLDEN = Path(__file__).parents[1] / "golden" / "format" / "predictions-v1.hex"
TABLE = pa.table({
    "path": ["cat/1.jpg", "dog/1.jpg"],
    "label": ["cat", "cat"],
    "prob.cat": pa.array([0.75, 0.5], pa.float32()),
    "prob.dog": pa.array([0.25, 0.5], pa.float32()),
})  # fmt: skip


def test_golden_predictions(request: pytest.FixtureRequest) -> None:
    """Predictions written by an earlier library read as the same rows."""
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(dump(fmt.encode(TABLE)))
    found = fmt.decode(parse(GOLDEN.read_text()), "p")
    fmt.check_rows(found, "p")
    assert found.cast(TABLE.schema) == TABLE
    assert fmt.classes_of(found) == ["cat", "dog"]
    assert fmt.decode(fmt.encode(TABLE), "p", ["path"]).column_names == ["path"]


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


OTHERS = {
    "text": b"path,label\n",
    "cut off": fmt.encode(TABLE)[:-20],
    "no path": parquet(TABLE.drop_columns("path")),
    "other order": parquet(TABLE.select(["label", "path"])),
    "label is a number": parquet(pa.table({"path": ["a"], "label": [1]})),
    "unknown column": parquet(TABLE.append_column("more", TABLE.column("label"))),
    "no text": parquet(TABLE.set_column(1, "label", pa.array([b"\xff", b"a"]).view(pa.string()))),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_bytes_are_damage(name: str) -> None:
    """What is no file of predictions raises DamagedData and nothing else."""
    with pytest.raises(DamagedData, match=r"p is damaged: it holds no predictions"):
        fmt.decode(OTHERS[name], "p")


@pytest.mark.parametrize("rows", [[1, 0], [0, 0]], ids=["unsorted", "twice"])
def test_rows_are_sorted_and_come_once(rows: list[int]) -> None:
    """Rows in another order, or a path that comes twice, are damage."""
    with pytest.raises(DamagedData, match="not sorted"):
        fmt.check_rows(TABLE.take(rows), "p")


def test_few_bytes_do_not_stand_for_many_rows() -> None:
    """A file that says of itself that it holds more than it may is refused before it is read."""
    text = pa.DictionaryArray.from_arrays(
        pa.array([0] * 4_000_000, pa.int8()), pa.array(["x" * 5000])
    )
    table = pa.table({"path": pa.array(range(4_000_000)).cast(pa.string()), "label": text})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    with pytest.raises(DamagedData, match="more memory"):
        fmt.decode(bytes(sink.getvalue()), "p")
