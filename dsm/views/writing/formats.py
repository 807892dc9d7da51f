"""Names: of the formats in which a view is written, and of what is written.

Apart from what writes them, which imports Arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

WEBDATASET, TAR, FILES, PARQUET = "webdataset", "tar", "files", "parquet"
FORMATS = (WEBDATASET, TAR, FILES, PARQUET)
COMPRESSIONS = ("none", "zstd")


def stem_of(view: Selection) -> str:
    """Returns what the names of a tar and of its companions begin with."""
    return f"{view.dataset}-{view.version[:16]}"


def folder_name(view: Selection) -> str:
    """Returns the name of the folder that a view is written to when none is given."""
    return f"{view.dataset}-{view.version[:12]}"
