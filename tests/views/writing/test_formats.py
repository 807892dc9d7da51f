"""The table of formats: a format is a module and a row, and nothing else knows its name."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

import dsm
from dsm.errors import InvalidInput
from dsm.store.objects import ObjectStore
from dsm.views.selection.payloads import Counted, Write
from dsm.views.writing.format import SHARDS, Format, FormatWriter, Recipe
from dsm.views.writing.formats import FORMATS

PACKAGE = Path(dsm.__file__).parent


class LinesWriter(FormatWriter):
    """A format that is not one of ours: the path of each example, a line each."""

    def write(
        self,
        recipe: Recipe,
        store: ObjectStore,
        tables: Iterable[pa.Table],
        write: Write,
        counted: Counted,
        write_index: Write | None = None,
        at: int = 0,
    ) -> None:
        for table in tables:
            write("".join(path + "\n" for path in table.column("path").to_pylist()).encode())
            counted(table.num_rows, 0)

    def record_sets(
        self, document: Mapping[str, Any], files: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return [], []


WRITER = LinesWriter()
LINES = Format(
    name="lines", words="a path on each line", layout=SHARDS, module=__name__,
    file_name="list-{number:06d}.txt", owns=r"list-\d{6}\.txt", media_type="text/plain",
    compressible=False, streams=True,
)  # fmt: skip


def comparisons(path: Path) -> set[str]:
    """The texts that a file compares something with."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.add(part.value)
    return found


def test_no_other_file_asks_which_format_it_is() -> None:
    """What depends on a format stands in its row or its module: nothing compares its name."""
    asked = {}
    for path in (PACKAGE / "views").rglob("*.py"):
        named = comparisons(path) & set(FORMATS)
        if named:
            asked[path.relative_to(PACKAGE).as_posix()] = named
    assert asked == {}


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_has_its_module(name: str) -> None:
    """A row's module makes its bytes, and a row with files of its own names them."""
    row = FORMATS[name]
    assert isinstance(row.writer(), FormatWriter)
    assert (row.file_name == "") == (row.writer().folder is not None)


def test_a_format_is_added_by_a_module_and_a_row(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format that only the table knows is written, verified, kept, replaced and streamed."""
    monkeypatch.setitem(FORMATS, LINES.name, LINES)
    work.ds.add({"a/1.txt": b"one", "b/2.txt": b"two"})
    work.ds.commit("two")
    view = work.ds.prepare()
    out = tmp_path / "out"
    expected = "".join(example.path + "\n" for example in view).encode()

    report = view.get(str(out), format="lines")
    assert (str(out), "lines", 1, len(view), True) == (
        report.path, report.format, report.shards, report.examples, report.fresh,
    )  # fmt: skip
    assert expected == (out / "list-000000.txt").read_bytes()
    document = json.loads((out / "dataset.json").read_text())
    assert (document["layout"], document["options"]) == ("lines", {"shard_size": 256_000_000})
    described = json.loads((out / "croissant.json").read_text())
    assert [item["encodingFormat"] for item in described["distribution"]] == ["text/plain"]
    assert view.get(str(out), format="lines", verify=True).fresh is False
    assert view.get(str(out), format="webdataset", force=True).fresh is True
    assert not (out / "list-000000.txt").exists()
    with pytest.raises(InvalidInput, match="not compressed"):
        view.get(str(tmp_path / "zst"), format="lines", compression="zstd")
