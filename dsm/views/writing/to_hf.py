"""A view as a `datasets.Dataset`: the columns and features that its Parquet files would have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from dsm.format.manifest import ATTRIBUTE
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
