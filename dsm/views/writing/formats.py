"""The table of formats: a row says what is known of one before anything is written.

To add one, write its module (a `FormatWriter`, see `dsm.views.writing.format`) and its row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.errors import InvalidInput
from dsm.views.writing.format import FILE_EACH, ONE_FILE, SHARDS, Format

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

DEFAULT = "webdataset"
_ROWS = (
    Format(
        name="webdataset", words="shards", layout=SHARDS, module="dsm.views.writing.webdataset",
        file_name="shard-{number:06d}.tar{zst}", owns=r"shard-\d{6}\.tar(\.zst)?",
        media_type="application/x-tar", streams=True, one_class=True,
    ),
    Format(
        name="tar", words="one tar of the original paths", layout=ONE_FILE,
        module="dsm.views.writing.tar", file_name="{stem}.tar{zst}",
        index_name="{stem}.index.jsonl", worker="dsm.views.writing.tar_layout", streams=True,
        media_type="application/x-tar", described=False, tells_classes=False,
    ),
    Format(
        name="files", words="", layout=FILE_EACH, module="dsm.views.writing.files",
        owns=r"examples\.jsonl", compressible=False, takes_rows=False,
    ),
    Format(
        name="imagefolder", words="Hugging Face", layout=FILE_EACH,
        module="dsm.views.writing.imagefolder", owns=r"examples\.jsonl", compressible=False,
        takes_rows=False,
    ),
    Format(
        name="coco", words="", layout=FILE_EACH, module="dsm.views.writing.coco",
        owns=r"examples\.jsonl", compressible=False, takes_rows=False,
    ),
    Format(
        name="yolo", words="", layout=FILE_EACH, module="dsm.views.writing.yolo",
        owns=r"examples\.jsonl", compressible=False, takes_rows=False,
    ),
    Format(
        name="parquet", words="", layout=SHARDS, module="dsm.views.writing.parquet",
        file_name="part-{number:06d}.parquet", owns=r"part-\d{6}\.parquet",
        media_type="application/x-parquet", library="pyarrow", one_class=True,
        record_fields=True,
    ),
    Format(
        name="jsonl", words="records as the lines they were", layout=SHARDS,
        module="dsm.views.writing.jsonl", file_name="part-{number:06d}.jsonl{zst}",
        owns=r"part-\d{6}\.jsonl(\.zst)?", media_type="application/jsonl", takes_rows=False,
        described=False, tells_classes=False,
    ),
    Format(
        name="csv", words="rows of tables under one header", layout=SHARDS,
        module="dsm.views.writing.csv", file_name="part-{number:06d}.csv{zst}",
        owns=r"part-\d{6}\.csv(\.zst)?", media_type="text/csv", takes_rows=False,
        described=False, tells_classes=False,
    ),
)  # fmt: skip
FORMATS = {row.name: row for row in _ROWS}
COMPRESSIONS = ("none", "zstd")


def find_format(name: str) -> Format:
    """Returns a row of the table. Raises InvalidInput."""
    if name not in FORMATS:
        raise InvalidInput(f"there is no format {name!r}", hint=f"formats: {', '.join(FORMATS)}")
    return FORMATS[name]


def stem_of(view: Selection) -> str:
    """Returns what the names of a tar and of its companions begin with."""
    return f"{view.dataset}-{view.version[:16]}"


def folder_name(view: Selection) -> str:
    """Returns the name of the folder that a view is written to when none is given."""
    return f"{view.dataset}-{view.version[:12]}"
