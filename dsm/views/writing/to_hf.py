"""A view as a `datasets.Dataset`: the columns and features that its Parquet files would have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE, RECORDS
from dsm.history.fold import records_mask
from dsm.views.selection.columns import hashes
from dsm.views.writing.huggingface import AUDIO, IMAGE, TEXT, kind_of
from dsm.views.writing.metadata import attribute_names
from dsm.views.writing.parquet import schema_of


def to_hf(view: Any, options: dict[str, Any]) -> Any:
    """Returns the stored examples of a `View`; `options` go to `Dataset.from_generator`."""
    try:
        datasets = import_module("datasets")
    except ImportError as error:
        raise ImportError("`view.to_hf()` needs datasets: pip install datasets") from error
    table = view.table()
    if table.num_rows and pc.all(records_mask(table)).as_py():
        return _of_records(datasets, view, options)
    kind = kind_of(table.column("path"))
    schema = schema_of(table, kind, view.stored_classes.names)
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    attributes = attribute_names(table.schema)
    return datasets.Dataset.from_generator(
        _rows,
        features=datasets.Features.from_dict(told),
        gen_kwargs={"view": view, "kind": kind, "attributes": attributes},
        **options,
    )


def _of_records(datasets: Any, view: Any, options: dict[str, Any]) -> Any:
    schema = _told(view).schema
    return datasets.Dataset.from_generator(
        _rows_of_records, features=datasets.Features.from_arrow_schema(schema),
        gen_kwargs={"view": view}, **options,
    )  # fmt: skip


def _rows_of_records(view: Any) -> Iterator[dict[str, Any]]:
    for batch in _told(view).to_batches():
        yield from batch.to_pylist()


def _told(view: Any) -> pa.Table:
    """Returns the columns that tell something, the hash of the bytes as text."""
    table = view.table(fields=True)
    column = table.schema.get_field_index("object")
    hexes = pa.array([oid.hex() for oid in hashes(table.column("object"))], pa.string())
    table = table.set_column(column, "object", hexes)
    return table.drop_columns(["offset", "length", RECORDS.name])


def _rows(view: Any, kind: str, attributes: list[str]) -> Iterator[dict[str, Any]]:
    for example in view:
        data: Any = example.text if kind == TEXT else example.bytes
        if kind in (IMAGE, AUDIO):
            data = {"bytes": data, "path": example.path.rpartition("/")[2]}
        held = example.attributes
        yield {
            kind: data, "label": example.target, "path": example.path,
            "labels": list(example.labels), "time": example.datetime,
            "annotation": example.annotation, "object": example.oid.hex(), "size": example.size,
            "changeset": example.changeset,
            **{ATTRIBUTE + name: held.get(name) for name in attributes},
        }  # fmt: skip
