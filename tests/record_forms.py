"""Files of records in every way that dsm reads them, made of the same fields."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

Fields = tuple[int, str]  # text and topic of a record
State = dict[str, tuple[bytes, tuple[str, ...]]]


@dataclass(frozen=True)
class Form:
    """A file of records: how it is written, and what is the example of one of them."""

    file: str
    write: Callable[[dict[str, Fields]], bytes]
    content: Callable[[str, Fields], bytes]
    name: Callable[[str, bytes], str] = lambda key, content: key
    asked: dict[str, object] = field(
        default_factory=lambda: {"key_field": "id", "label_field": "topic"}
    )

    def state(self, here: dict[str, Fields]) -> State:
        """What the records are, were they new."""
        found = {}
        for key, fields in here.items():
            content = self.content(key, fields)
            found[self.name(key, content)] = (content, self.labels(fields))
        return found

    def labels(self, fields: Fields) -> tuple[str, ...]:
        return (fields[1],) if "label_field" in self.asked else ()


def _json(key: str, fields: Fields) -> bytes:
    return json.dumps({"id": key, "text": fields[0], "topic": fields[1]}).encode()


def _row(key: str, fields: Fields) -> bytes:
    return f'{key},"{fields[0]}\n{fields[0]}",{fields[1]}'.encode()


def _plain(key: str, fields: Fields) -> bytes:
    return f"{key} {fields[0]} {fields[1]}".encode()


def _object(key: str, fields: Fields) -> bytes:
    return f'{{"id":"{key}","text":{fields[0]},"topic":"{fields[1]}"}}'.encode()


def _picture(key: str, fields: Fields) -> bytes:
    return f"{key} {fields[0]}".encode()


def _lines(content: Callable[[str, Fields], bytes]) -> Callable[[dict[str, Fields]], bytes]:
    return lambda here: b"".join(content(*each) + b"\n" for each in here.items())


def _members(here: dict[str, Fields]) -> Iterable[tuple[str, bytes]]:
    for key, fields in here.items():
        yield f"{key}.jpg", _picture(key, fields)
        yield f"{key}.cls", fields[1].encode()


def _tar(here: dict[str, Fields]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in _members(here):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _zip(here: dict[str, Fields]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in _members(here):
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _parquet(here: dict[str, Fields]) -> bytes:
    columns = {
        "id": pa.array([*here], pa.string()),
        "text": pa.array([each[0] for each in here.values()], pa.int64()),
        "topic": pa.array([each[1] for each in here.values()], pa.string()),
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _compressed(here: dict[str, Fields]) -> bytes:
    return gzip.compress(_lines(_json)(here), mtime=0)


def _hashed(key: str, content: bytes) -> str:
    return blake3(content).hexdigest()[:16]


def _member_name(key: str, content: bytes) -> str:
    return f"{key}.jpg"


CLS: dict[str, object] = {"label_field": "cls"}
FORMS = {
    "jsonl": Form("t.jsonl", _lines(_json), _json),
    "csv": Form("t.csv", lambda here: b"id,text,topic\n" + _lines(_row)(here), _row),
    "text": Form("t.txt", _lines(_plain), _plain, _hashed, {}),
    "gzip": Form("t.jsonl.gz", _compressed, _json),
    "parquet": Form("t.parquet", _parquet, _object),
    "tar": Form("t.tar", _tar, _picture, _member_name, CLS),
    "zip": Form("t.zip", _zip, _picture, _member_name, CLS),
}
