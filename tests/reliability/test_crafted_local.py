"""Files of `.dsm/local` whose hashes are right and whose content no dsm would have written.

They come with a copied repository, or from somebody who means harm. Every command ends as it does
without them, or with an error of ours; never with another one.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from situations import Work

from dsm.errors import DamagedData, DsmError
from dsm.format import index, segment
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import plan_gc

ODD: list[Any] = [None, True, -1, 1 << 70, "x", [], {}]


def sealed(magic: bytes, head: bytes, *parts: bytes) -> bytes:
    body = b"".join((magic, len(head).to_bytes(4, "little"), head, *parts))
    return body + blake3(body).digest()


def with_others(value: Any) -> Iterator[Any]:
    """The same JSON value with each of its members, at any depth, replaced by odd ones or gone."""
    yield from ODD
    if isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
            yield from ({**value, key: other} for other in with_others(value[key]))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield value[:at] + value[at + 1 :]
            yield from ([*value[:at], other, *value[at + 1 :]] for other in with_others(item))


def run_all(work: Work) -> set[str]:
    """Runs what reads these files; returns the classes of the errors that came of it."""
    ended: set[str] = set()
    commands: list[Callable[[], object]] = [
        work.ds.status, lambda: work.ds.add(["."]), lambda: fsck(work.repo),
        lambda: plan_gc(work.repo), work.ds.unstage,
    ]  # fmt: skip
    for command in commands:
        try:
            command()
        except DsmError as error:
            ended.add(type(error).__name__)
    return ended


def prepared(work: Work) -> None:
    work.write({"a": "1", "b/c": "2"})
    work.ds.add(["."])
    work.ds.commit("one")
    work.write({"b/d": "3", "b/c": "22"})
    work.ds.add(["."])


def local_files(work: Work) -> dict[Path, bytes]:
    found = {}
    for kind in ("index", "stage"):
        for path in (Path(work.repo.layout.local) / kind).rglob("*"):
            if path.is_file():
                found[path] = path.read_bytes()
    return found


def put_back(work: Work, kept: dict[Path, bytes]) -> None:
    for path in local_files(work):
        if path not in kept:
            path.unlink()
    for path, data in kept.items():
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == data:
                continue
        path.write_bytes(data)


@pytest.mark.parametrize("which", ["index", "absent"])
def test_the_head_of_an_index(work: Work, which: str) -> None:
    """Whatever the JSON of an index or of the record of absent examples holds."""
    prepared(work)
    kept = local_files(work)
    layout = work.repo.layout
    base = Path(layout.index("data") if which == "index" else layout.absent("data")) / "base"
    data = base.read_bytes()
    size = int.from_bytes(data[8:12], "little")
    head, pages = json.loads(data[12 : 12 + size]), data[12 + size : -32]
    head["folders"] = head["folders"][:1]
    for other in with_others(head):
        put_back(work, kept)
        (base.parent / "log").unlink(missing_ok=True)
        base.write_bytes(sealed(index.MAGIC, json.dumps(other).encode(), pages))
        assert run_all(work) <= {"DamagedData"}, other


def test_the_log_of_an_index(work: Work) -> None:
    """Whatever a record of the log holds."""
    prepared(work)
    kept = local_files(work)
    base = Path(work.repo.layout.index("data")) / "base"
    position = index.Base(base.read_bytes()).position
    for other in with_others([position, [["a", 5], ["a", "ab" * 32], ["a", None]]]):
        put_back(work, kept)
        data = zlib.compress(json.dumps(other).encode())
        record = len(data).to_bytes(4, "little") + blake3(data).digest()[:16] + data
        log = index.log_head(base.read_bytes()[-32:]) + record
        (base.parent / "log").write_bytes(log)
        assert run_all(work) <= {"DamagedData"}, other


PAGES = {
    "not deflated": b"xxxx", "not UTF-8": zlib.compress(b"\xff\xfe"), "more names": zlib.compress(b"a\0b"),
    "no end": zlib.compress(b"a")[:-2], "more after it": zlib.compress(b"a") + b"x", "long": zlib.compress(b"a" * 300),
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_an_index(work: Work, page: str) -> None:
    """Whatever the names of a folder are: the message names the file and the way out."""
    prepared(work)
    base = Path(work.repo.layout.index("data")) / "base"
    (base.parent / "log").unlink(missing_ok=True)
    head = {
        "position": index.Base(base.read_bytes()).position, "hashing": index.HASHING,
        "folders": [["", len(PAGES[page]), 1, 0]],
    }  # fmt: skip
    base.write_bytes(sealed(index.MAGIC, json.dumps(head).encode(), PAGES[page] + bytes(8)))
    with pytest.raises(DamagedData, match="base is damaged: it is not what dsm writes") as caught:
        work.ds.status()
    assert caught.value.hint == "remove it; what it knew is learnt again"
    assert "index" in {finding.kind for finding in fsck(work.repo).findings}
    base.unlink()
    assert work.state()[0] == [("m", "b/c"), ("a", "b/d")]


def test_the_head_of_a_segment(work: Work) -> None:
    """Whatever the JSON of a stage segment holds."""
    prepared(work)
    kept = local_files(work)
    (path,) = Path(work.repo.layout.stage("data")).glob("*.stage")
    data = kept[path]
    size = int.from_bytes(data[8:12], "little")
    head, parts = json.loads(data[12 : 12 + size]), data[12 + size : -32]
    head["queries"] = {"q": None}
    for other in with_others(head):
        put_back(work, kept)
        path.write_bytes(sealed(segment.MAGIC, json.dumps(other).encode(), parts))
        assert run_all(work) <= {"DamagedData", "InvalidInput"}, other


def columns(**parts: bytes) -> bytes:
    """A segment of one row, with some of its parts replaced; they are given as yet not deflated."""
    known = {
        "paths": b"a", "kinds": b"A", "ids": bytes(32), "sizes": bytes(8), "times": bytes(8),
        "labels": b"[[]]", "labels_of": bytes(4), "annotations": b"[null]", "annotations_of": bytes(4),
        "attributes": b"[{}]", "attributes_of": bytes(4),
    }  # fmt: skip
    packed = [
        data if name == "ids" else zlib.compress(data) for name, data in {**known, **parts}.items()
    ]
    head = {"base": 1, "name": "00000009-0badcafe.stage", "rows": 1, "parts": [*map(len, packed)]}
    return sealed(segment.MAGIC, json.dumps(head).encode(), *packed)


NONSENSE = {
    "a path out of the tree": {"paths": b"../a"}, "a path into .dsm": {"paths": b".dsm/x"},
    "an empty path": {"paths": b""}, "two paths": {"paths": b"a\0b"}, "not UTF-8": {"paths": b"\xff"},
    "a kind of its own": {"kinds": b"Z"}, "two kinds": {"kinds": b"AA"}, "no id": {"ids": b""},
    "an id of a deletion": {"kinds": b"D"}, "a negative size": {"sizes": b"\xff" * 8},
    "no sizes": {"sizes": b""}, "too many sizes": {"sizes": bytes(16)}, "half a time": {"times": bytes(4)},
    "labels that are text": {"labels": b'["ab"]'}, "labels that are numbers": {"labels": b"[[1]]"},
    "no such labels": {"labels_of": b"\x01\0\0\0"}, "an annotation that is none": {"annotations": b"[{}]"},
    "attributes that are a list": {"attributes": b"[[]]"}, "an attribute of lists": {"attributes": b'[{"a":[]}]'},
    "not JSON": {"attributes": b"[{"}, "JSON of another kind": {"labels": b"7"},
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
def test_the_columns_of_a_segment(work: Work, what: str) -> None:
    """Whatever its columns hold: it is damaged, is told by its name, and can be dropped."""
    prepared(work)
    path = Path(work.repo.layout.stage("data")) / "00000009-0badcafe.stage"
    path.write_bytes(columns(**NONSENSE[what]))
    with pytest.raises(DamagedData, match=r"00000009-0badcafe\.stage is damaged"):
        work.ds.status()
    with pytest.raises(DamagedData, match=r"00000009-0badcafe\.stage is damaged"):
        work.ds.commit("more")
    assert [f.kind for f in fsck(work.repo).findings] == ["stage"]
    path.write_bytes(columns())
    work.ds.status()
