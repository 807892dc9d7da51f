"""Small crafted files, whose hashes are right, that ask for any amount of memory or disk.

Each ends with one line that names it, and what can be written can be read again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from situations import Work
from tiers import thinned

from dsm.errors import DamagedData, InvalidInput
from dsm.format import chunk_list, document, manifest, segment
from dsm.format import index as index_format
from dsm.format import pack as pack_format
from dsm.format.document import DocumentTooLarge
from dsm.history.manifests import write_manifest
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import plan_gc
from dsm.model.example import Example
from dsm.model.rows import ADDED, Rows
from dsm.store.codec import compressor
from reliability.test_crafted_local import columns, sealed

MEMORY = 3 << 30  # addresses, of which libraries take most: what is met here asks for more


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


def bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


@pytest.mark.parametrize("part", ["paths", "kinds", "sizes", "labels", "labels_of", "attributes"])
def test_a_part_of_a_segment(part: str) -> None:
    """A part that inflates to far more than its rows need is damage."""
    data = columns(**{part: bytes(1 << 27)})
    with little_memory(), pytest.raises(DamagedData, match="x is damaged"):
        segment.decode(data, "x")


def test_a_page_of_an_index() -> None:
    """Names that inflate to far more than a folder's names can have are damage."""
    import json

    page = bomb(1 << 27)
    position = {"head": 0, "id": "", "segments": []}
    folders = [["", len(page), 1, 0]]
    head = {"position": position, "hashing": index_format.HASHING, "folders": folders}
    base = index_format.Base(sealed(index_format.MAGIC, json.dumps(head).encode(), page + bytes(8)))
    with little_memory(), pytest.raises(ValueError, match="does not inflate to 256 bytes or less"):
        base.page("")


def test_a_log_of_an_index() -> None:
    """Records that inflate to far more than their file has are damage."""
    data = bomb(1 << 27)
    record = len(data).to_bytes(4, "little") + blake3(data).digest()[:16] + data
    with little_memory(), pytest.raises(ValueError, match="does not inflate to"):
        index_format.decode_log(index_format.log_head(bytes(32)) + record, bytes(32))


def test_rows_that_repeat_can_be_read_again() -> None:
    """Whatever deflates too well is stored as it is: what was staged is read."""
    rows = Rows()
    for number in range(3000):
        rows.put(ADDED, Example(f"{'a' * 200}/{number}", bytes(32), 0, 0, ("x" * 250,) * 40))
    assert list(segment.decode(segment.encode({"base": 0}, rows), "x")[1]) == list(rows)


# --- packs ---------------------------------------------------------------------------------------


def put_pack(work: Work, objects: list[tuple[bytes, bytes, bool]]) -> None:
    """Adds a pack of (id, bytes, is a chunk list), each in a frame of its own."""
    compress, frames, places, body, at = compressor(3), [], [], pack_format.HEADER, 0
    for oid, data, is_list in objects:
        stored = compress(data)
        frames.append((len(stored), len(data), pack_format.ZSTD))
        location = pack_format.pack_location(at, len(data), is_list)
        places.append((oid[: pack_format.PREFIX], location))
        body, at = body + stored, at + len(data)
    data = body + pack_format.encode_contents(len(body), frames, places)
    name = blake3(data).hexdigest()
    path = Path(work.repo.layout.packs) / name[:2] / f"{name}.pack"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)


def put_manifest(work: Work, data: bytes, rows: int) -> None:
    """Makes a crafted manifest the one of changeset 1."""
    name = blake3(data).hexdigest()
    Path(work.repo.layout.manifest("data", name)).write_bytes(data)
    path = Path(work.repo.layout.changeset("data", 1))
    fields = document.decode(path.read_bytes(), "x")
    fields.pop("format")
    fields["manifest"] = {"id": name, "file": name, "bytes": len(data)}
    fields["rows"] = {"added": rows, "modified": 0, "relabelled": 0, "deleted": 0}
    fields["examples"] = rows
    path.write_bytes(document.encode(fields))
    for base in Path(work.repo.layout.local).rglob("base"):
        base.unlink()
    for log in Path(work.repo.layout.local).rglob("log"):
        log.unlink()


LARGE = bytes(pack_format.OBJECT_BYTES_MAX)
PIECE = blake3(LARGE).digest()
OID = blake3(b"another").digest()


def plain(size: int) -> list[tuple[bytes, bytes, bool]]:
    rows = chunk_list.row(PIECE, len(LARGE)) * 200_000
    return [(PIECE, LARGE, False), (OID, chunk_list.encode(OID, size, rows, nested=False), True)]


def nested(size: int) -> list[tuple[bytes, bytes, bool]]:
    inner = chunk_list.row(PIECE, len(LARGE)) * 230_000
    part = blake3(inner).digest()
    rows = chunk_list.row(part, len(inner)) * 100_000
    payload = chunk_list.encode(OID, size, rows, nested=True)
    return [(PIECE, LARGE, False), (part, inner, False), (OID, payload, True)]


def nothing(size: int) -> list[tuple[bytes, bytes, bool]]:
    rows = chunk_list.row(blake3(b"").digest(), 0) * 200_000
    return [(OID, chunk_list.encode(OID, size, rows, nested=False), True)]


@pytest.mark.parametrize("lists", [plain, nested, nothing])
def test_a_list_of_more_than_its_object(
    work: Work, tmp_path: Path, lists: Callable[[int], list[tuple[bytes, bytes, bool]]]
) -> None:
    """A few hundred bytes that name terabytes: no command writes or gathers them."""
    work.commit(a="1")
    put_pack(work, lists(5))
    rows = Rows()
    rows.put(ADDED, Example("bomb", OID, 5, 0))
    put_manifest(work, manifest.encode(manifest.to_table(rows, {})), 1)
    work.reopen()
    asks: list[Callable[[], object]] = [
        lambda: work.ds.restore(to=str(tmp_path / "out")),
        lambda: work.ds.read("bomb"),
        lambda: work.ds.open("bomb").read(),
        lambda: work.ds.prepare().get(str(tmp_path / "got"), format="files"),
    ]
    for ask in asks:
        with pytest.raises(DamagedData, match="damaged in pack .its chunk list"):
            ask()
    assert [f.kind for f in fsck(work.repo, full=True).findings].count("object") == 1
    plan_gc(work.repo)
    sizes = [p.stat().st_size for f in ("out", "got") for p in (tmp_path / f).rglob("*")]
    assert sum(sizes) < 1 << 20


# --- manifests -----------------------------------------------------------------------------------


def repeated(values: int, size: int) -> bytes:
    """A manifest of many rows that share one annotation."""
    rows = Rows()
    for number in range(values):
        rows.put(ADDED, Example(f"{number:06d}", bytes(32), 1, 0))
    table = manifest.to_table(rows, {})
    long = pa.DictionaryArray.from_arrays(
        pa.array([0] * values, pa.int32()), pa.array(['"' + "x" * size + '"'])
    )
    at = table.schema.get_field_index("annotation")
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.set_column(at, "annotation", long), sink, compression="zstd", store_schema=False,
        use_dictionary=["annotation"], write_statistics=False, dictionary_pagesize_limit=8 << 20,
    )  # fmt: skip
    return bytes(sink.getvalue())


def many(count: int) -> bytes:
    """A manifest of a great many deletions."""
    table = manifest.to_table(Rows(), {})
    columns = []
    for field in table.schema:
        if field.name in ("path", "op"):
            index = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(bytes(4 * count))])
            columns.append(pa.DictionaryArray.from_arrays(index, pa.array(["delete"])))
        else:
            columns.append(pa.nulls(count, field.type))
    sink = pa.BufferOutputStream()
    fields = [pa.field(f.name, c.type) for f, c in zip(table.schema, columns, strict=True)]
    pq.write_table(
        pa.Table.from_arrays(columns, schema=pa.schema(fields)), sink, compression="zstd",
        store_schema=False, write_statistics=False,
    )  # fmt: skip
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("data", "rows", "told", "what"),
    [
        (lambda: repeated(4000, 1 << 20), 4000, 4000, "its rows take more memory than they may"),
        (lambda: many(20_000_000), 20_000_000, 20_000_000, "its rows take more memory"),
        (lambda: many(1_000_000), 1_000_000, 7, "has 1000000 rows, not 7"),
    ],
    ids=["one annotation for all", "very many rows", "more rows than told"],
)
def test_a_manifest(work: Work, data: Callable[[], bytes], rows: int, told: int, what: str) -> None:
    """Rows that take far more memory than their file are refused before they are decoded."""
    work.commit(a="1")
    put_manifest(work, data(), told)
    code = (
        "import resource, sys, dsm, dsm.errors\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"
        "try:\n"
        "    dsm.open(sys.argv[1]).dataset('data').snapshot()\n"
        "except dsm.errors.DamagedData as error:\n"
        "    print(error.message)\n"
    )
    command = [sys.executable, "-P", "-c", code, str(work.root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, what in done.stdout, done.stderr) == (0, True, "")


def test_no_manifest_is_written_that_could_not_be_read(work: Work) -> None:
    """Rows that take too much memory are refused by the commit, before anything is recorded."""
    rows = Rows()
    for number in range(300):
        rows.put(
            ADDED, Example(f"{number:06d}", bytes(32), 1, 0, (), {}, '"' + "x" * (1 << 20) + '"')
        )
    with pytest.raises(InvalidInput, match="are too many for one changeset"):
        write_manifest(work.repo.layout, "data", rows, {})
    assert list(Path(work.repo.layout.manifests("data")).iterdir()) == []


def test_no_header_is_written_that_could_not_be_read(work: Work) -> None:
    """A changeset whose header would be too long is refused, and the dataset stays readable."""
    work.commit(a="1")
    with pytest.raises(InvalidInput, match="are too many for one document"):
        work.ds.commit("x", note="n" * (1 << 20), allow_empty=True)
    assert (work.reopen().head, fsck(work.repo).findings) == (1, ())


def test_no_view_is_written_that_could_not_be_read(work: Work) -> None:
    """A view of more labels than its record can tell is refused, and says what to do instead."""
    names = [f"label number {number}" for number in range(60_000)]
    work.ds.add({"few": b"x"}, labels=names[:1])
    for at in range(0, len(names), 1000):
        work.ds.add({f"{at}": b"x"}, labels=names[at : at + 1000])
    work.ds.commit("many labels")
    with pytest.raises(DocumentTooLarge, match="60,000 labels, more than a view can tell of"):
        work.ds.prepare()
    assert work.repo.views() == []
    assert work.ds.prepare(paths=["few"]).labels == {names[0]: 1}


# --- descriptors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("most", thinned([5, 6, 8, 16, 40], 3))
@pytest.mark.parametrize("words", [["gc"], ["gc", "--prune"], ["status"], ["fsck", "--full"]])
def test_few_descriptors(work: Work, most: int, words: list[str]) -> None:
    """With more packs than the process may have open files, a command does its work or says in one
    line what it lacks; there is no traceback, and no answer that it did not find."""
    for number in range(45):
        work.ds.add({f"{number}": b"%d" % number})
    work.ds.commit("one")
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))\n"
        "import dsm.__main__\n"
        "sys.argv[0] = 'dsm'\n"
        "dsm.__main__.main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words], cwd=work.root, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in ((0,) if most == 40 else (0, 8)), done.stderr
    assert done.returncode == 0 or "Too many open files\nhint: " in done.stderr
