"""How a file was read stands in its row: texts that are written, and those that are refused."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest

from dsm.errors import InvalidInput
from dsm.records.formats import FORMATS, format_of
from dsm.records.reader import read_records
from dsm.records.settings import RecordSettings

PAGE = Path(__file__).parents[2] / "docs" / "format" / "manifest.md"


def test_the_row_in_the_specification_is_what_is_written() -> None:
    """The example in docs/format is the row of the table that it speaks of."""
    (expected,) = re.findall(r"<!-- row -->\n\n```json\n(.+)\n```", PAGE.read_text())
    asked = RecordSettings("csv", key=("id",), label="topic", attributes=("score",))
    read = read_records(io.BytesIO(b"id;score;topic\n1;2;a\n2;0.5;b\n"), "t.csv", asked)
    assert expected == read.settings.to_text(len(read))
    assert (read.settings, 2) == RecordSettings.from_text(expected)


def test_rows_of_before_the_table_of_formats_are_read() -> None:
    """What was written when there was one format alone means what it meant."""
    text = '{"format":"jsonl","key":["id"],"label":"topic","records":7}'
    settings = RecordSettings("jsonl", key=("id",), label="topic")
    assert (settings, 7) == RecordSettings.from_text(text)
    assert text == settings.to_text(7)


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "exe"},
        {"format": 1},
        {"format": "csv", "other": 1},
        {"format": "csv", "key": "id"},
        {"format": "csv", "label": ["x"]},
        {"format": "csv", "found": []},
        {"format": "csv", "found": {"columns": [1]}},
        {"format": "csv", "found": {"types": {"a": "date"}}},
        {"format": "csv", "found": {"delimiter": ""}},
        {"format": "csv", "found": {"encoding": "rot13"}},
        {"format": "csv", "found": {"x": 1}},
    ],
)
def test_other_settings_are_refused(fields: dict[str, Any]) -> None:
    """A row that no dsm wrote makes no reader run."""
    with pytest.raises(
        InvalidInput,
        match=r"are not supported|is none that dsm reads|are not what dsm writes|is not what dsm writes|needs a delimiter",
    ):
        RecordSettings.from_json(fields)


def test_names_tell_formats() -> None:
    """The ending of a name counts, in any case; each format is the one of its own endings."""
    for row in FORMATS.values():
        for ending in row.endings:
            assert format_of(f"a.d/X{ending.upper()}") is row
    assert format_of("a.csv/x") is None
