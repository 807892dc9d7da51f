"""Croissant 1.0: what a materialised view is, for tools that read dataset descriptions.

Made from the final document alone, so the same view has the same description everywhere: it names
no machine and no moment. Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "equivalentProperty": "cr:equivalentProperty",
    "samplingRate": "cr:samplingRate",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# Of what is compressed, and of what is told of examples; else a file's type is that of its format.
_MEDIA_TYPES = {".zst": "application/zstd", ".jsonl": "application/jsonlines"}

RecordSets = Callable[
    [dict[str, Any], list[dict[str, Any]]], tuple[list[dict[str, Any]], list[dict[str, Any]]]
]


def describe(document: dict[str, Any], media_type: str, record_sets: RecordSets) -> bytes:
    """Returns the description of what a final document speaks of.

    `media_type` and `record_sets` are those of its format; the latter say what an example is made
    of and where it is read from.
    """
    name = f"{document['dataset']['name']}-{document['version'][:12]}"
    files = [_file_object(item, media_type) for item in document["files"]]
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": (
            f"{document['examples']} examples of the dataset {document['dataset']['name']}:"
            f" view {document['version']}, content {document['digest']}"
        ),
        "version": "1.0.0",
        "identifier": document["version"],
        "distribution": files,
    }
    records, file_sets = record_sets(document, files)
    described["distribution"] = [*files, *file_sets]
    if records:
        described["recordSet"] = records
    text = json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True)
    return text.encode() + b"\n"


def _file_object(item: dict[str, Any], media_type: str) -> dict[str, Any]:
    suffix = item["name"][item["name"].rindex(".") :]
    return {
        "@type": "cr:FileObject", "@id": item["name"], "name": item["name"],
        "contentUrl": item["name"], "contentSize": f"{item['size']} B",
        "encodingFormat": _MEDIA_TYPES.get(suffix, media_type), "sha256": item["sha256"],
    }  # fmt: skip


_TYPES = {
    "path": "sc:Text", "object": "sc:Text", "size": "sc:Integer", "time": "sc:Text",
    "label": "sc:Integer", "json": "sc:Text",
}  # fmt: skip
_PROPERTIES = {"json": "content"}


def examples(
    names: list[str], source: dict[str, Any], extract: str, lead: str = ""
) -> dict[str, Any]:
    """Returns the record set of examples: these fields, and where each is extracted from, with
    what stands before its name there."""
    fields = [
        {
            "@type": "cr:Field", "@id": f"examples/{name}", "name": name,
            "dataType": _TYPES[name],
            "source": {**source, "extract": {extract: lead + _PROPERTIES.get(name, name)}},
        }
        for name in names
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": "examples", "name": "examples", "field": fields}


def file_set(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns a set of files, with what tells which ones."""
    return {"@type": "cr:FileSet", "@id": name, "name": name, **fields}


def of_index(files: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the record set of examples that are read from an index, a line of JSON for each."""
    index = next(item["@id"] for item in files if item["@id"].endswith(".jsonl"))
    names = ["path", "object", "size", "time"]
    return examples(names, {"fileObject": {"@id": index}}, "column")
