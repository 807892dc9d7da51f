"""Croissant 1.0: what a materialised view is, for tools that read dataset descriptions.

Made from the final document alone, so the same view has the same description everywhere: it names
no machine and no moment. Specified in docs/format/materialised.md.
"""

from __future__ import annotations

import json
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
_ENCODINGS = {
    ".tar": "application/x-tar", ".zst": "application/zstd", ".jsonl": "application/jsonlines",
    ".parquet": "application/x-parquet",
}  # fmt: skip
# Globs of what is told of examples: all `*.json` but payloads, which are `*.payload.json`.
# Croissant has `excludes`, which its own reader ignores.
_PAYLOAD = ".payload"
_TOLD = [f"*[!{sign}]{_PAYLOAD[at + 1 :]}.json" for at, sign in enumerate(_PAYLOAD)]
_TOLD += [f"{_PAYLOAD[at:]}.json" for at in range(1, len(_PAYLOAD))]


def describe(document: dict[str, Any]) -> bytes:
    """Returns the description of what a final document speaks of."""
    name = f"{document['dataset']['name']}-{document['version'][:12]}"
    files = [_file_object(item) for item in document["files"]]
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
    records = _records(document, described)
    if records:
        described["recordSet"] = records
    text = json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True)
    return text.encode() + b"\n"


def _file_object(item: dict[str, Any]) -> dict[str, Any]:
    suffix = item["name"][item["name"].rindex(".") :]
    return {
        "@type": "cr:FileObject", "@id": item["name"], "name": item["name"],
        "contentUrl": item["name"], "contentSize": f"{item['size']} B",
        "encodingFormat": _ENCODINGS[suffix], "sha256": item["sha256"],
    }  # fmt: skip


def _records(document: dict[str, Any], described: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the record sets: what an example is made of and where it is read from."""
    layout, files = document["layout"], described["distribution"]
    names = ["path", "object", "size", "time"]
    if layout in ("tar", "files"):
        index = next(item["@id"] for item in files if item["@id"].endswith(".jsonl"))
        return [_examples(names, {"fileObject": {"@id": index}}, "column")]
    if layout == "parquet":
        parts = {"encodingFormat": _ENCODINGS[".parquet"], "includes": "part-*.parquet"}
        described["distribution"] = [*files, _file_set("parts", parts)]
        names = ["path", "object", "size", "label"]
        return [_examples(names, {"fileSet": {"@id": "parts"}}, "column")]
    if document["options"]["compression"] != "none" or not files:
        return []  # no reader looks into a compressed shard
    told = {
        "containedIn": [{"@id": item["@id"]} for item in files],
        "encodingFormat": "application/json", "includes": _TOLD,
    }  # fmt: skip
    described["distribution"] = [*files, _file_set("told", told)]
    return [_examples(["json"], {"fileSet": {"@id": "told"}}, "fileProperty")]


_TYPES = {
    "path": "sc:Text", "object": "sc:Text", "size": "sc:Integer", "time": "sc:Text",
    "label": "sc:Integer", "json": "sc:Text",
}  # fmt: skip
_PROPERTIES = {"json": "content"}


def _examples(names: list[str], source: dict[str, Any], extract: str) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field", "@id": f"examples/{name}", "name": name,
            "dataType": _TYPES[name],
            "source": {**source, "extract": {extract: _PROPERTIES.get(name, name)}},
        }
        for name in names
    ]  # fmt: skip
    return {"@type": "cr:RecordSet", "@id": "examples", "name": "examples", "field": fields}


def _file_set(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, **fields}
