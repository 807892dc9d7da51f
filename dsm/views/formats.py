"""The formats in which a view is written, by name."""

from __future__ import annotations

WEBDATASET, TAR, FILES, PARQUET = "webdataset", "tar", "files", "parquet"
FORMATS = (WEBDATASET, TAR, FILES, PARQUET)
COMPRESSIONS = ("none", "zstd")
