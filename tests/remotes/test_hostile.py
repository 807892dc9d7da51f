"""A remote that somebody has tampered with: refused, named, and nothing of it recorded here."""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from blake3 import blake3

import dsm
from dsm.errors import DamagedData, DsmError
from dsm.format import document, header
from dsm.format import manifest as manifests
from dsm.remotes.address import open_backend
from dsm.remotes.backend import Backend, Entry, RemoteDamaged
from dsm.remotes.incoming import HistoryRewritten
from dsm.remotes.tables import PACKS

from .conftest import Copy

Clones = Callable[..., Copy]
HEADER_2 = "datasets/birds/changesets/00000002.json"
HEADER_3 = "datasets/birds/changesets/00000003.json"


def refused(place: str, folder: Path, kind: type[DsmError] = RemoteDamaged) -> str:
    """Clones, which must fail; returns the message. No changeset is recorded, nothing lies outside."""
    around = sorted(os.listdir(folder.parent))
    with pytest.raises(kind) as caught:
        dsm.clone(place, folder)
    assert sorted({*around, folder.name}) == sorted(os.listdir(folder.parent))
    assert [name for name in os.listdir(folder) if name != ".dsm"] == []
    headers = list((folder / ".dsm" / "datasets").glob("*/changesets/*"))
    assert headers == []
    return str(caught.value.message)


def data_of(backend: Backend, name: str) -> bytes:
    return backend.get(name, 1 << 30)


def files_of(backend: Backend, prefix: str, ending: str) -> list[str]:
    return [e.name for e in backend.entries(prefix) if e.name.endswith(ending)]


@pytest.mark.parametrize("how", ["flip", "truncate", "extend", "empty"])
def test_damage_of_any_file_is_found(remote: str, tmp_path: Path, how: str) -> None:
    """Each header, manifest, pack and identity in turn: refused, whatever was done to its bytes."""
    backend = open_backend(remote)
    names = [
        e.name for e in backend.entries("") if "/views/" not in e.name and "/tags/" not in e.name
    ]
    for number, name in enumerate(names):
        whole = data_of(backend, name)
        middle = len(whole) // 2
        backend.put(name, {
            "flip": whole[:middle] + bytes([whole[middle] ^ 0x55]) + whole[middle + 1 :],
            "truncate": whole[:middle], "extend": whole + b"\0", "empty": b"",
        }[how])  # fmt: skip
        try:
            dsm.clone(remote, tmp_path / f"{how}-{number}")
        except DsmError as error:
            assert isinstance(error, DamagedData), (name, error)
        else:
            # Bytes of a manifest that change no row: what arrives is what was written.
            assert name.endswith(".parquet"), name
            assert whole == (tmp_path / f"{how}-{number}" / ".dsm" / name).read_bytes()
            backend.put(name, whole)
            continue
        backend.put(name, whole)
        headers = list((tmp_path / f"{how}-{number}").glob(".dsm/datasets/*/changesets/*"))
        assert headers == [], name
    dsm.clone(remote, tmp_path / "sound")


def test_a_header_of_another_history_is_refused(remote: str, tmp_path: Path) -> None:
    """Sound in itself, but not the child of the one before it."""
    backend = open_backend(remote)
    found = header.decode(data_of(backend, HEADER_2), "")
    backend.put(HEADER_2, header.encode(replace(found, parent="0" * 64)))
    assert "the chain is broken" in refused(remote, tmp_path / "copy")


def with_paths(backend: Backend, paths: list[str]) -> None:
    """Puts a third changeset whose manifest says that these paths are examples, all well hashed."""
    last = header.decode(data_of(backend, HEADER_2), "")
    source = data_of(backend, f"datasets/birds/manifests/{last.manifest}.parquet")
    table = manifests.decode(
        source, "", manifest_id=last.manifest or "", file_id=last.manifest_file
    )
    row = table.filter(pa.compute.is_valid(table.column("object"))).slice(0, 1)
    rows = pa.concat_tables([row.set_column(0, "path", pa.array([p], pa.string())) for p in paths])
    rows = rows.cast(table.schema)
    data, id = manifests.encode(rows), manifests.rows_id(rows)
    backend.put(f"datasets/birds/manifests/{id}.parquet", data)
    changeset = replace(
        last, number=3, parent=last.id, transaction="0" * 32, manifest=id,
        manifest_file=blake3(data).hexdigest(), manifest_bytes=len(data),
        counts=replace(last.counts, added=len(paths), modified=0, deleted=0, relabelled=0),
    )  # fmt: skip
    backend.put(HEADER_3, header.encode(changeset))


@pytest.mark.parametrize(
    "path",
    ["../outside", "/etc/passwd", ".dsm/config.toml", "a/../../b", ".git/hooks/x", "a//b", "a\0b"],
)
def test_paths_that_lead_elsewhere_are_refused(
    origin: Copy, remote: str, tmp_path: Path, clone_of: Clones, path: str
) -> None:
    """By a clone and by a pull, although every hash fits."""
    clone = clone_of(remote)
    with_paths(open_backend(remote), [path])
    refused(remote, tmp_path / "copy")
    with pytest.raises(
        RemoteDamaged, match=r"datasets/birds/manifests/[0-9a-f]{64}\.parquet on .*the path"
    ):
        clone.repo.pull()
    assert clone.again().dataset.head == 2


def test_a_path_twice_is_refused(remote: str, tmp_path: Path) -> None:
    """Rows are sorted by path, each once."""
    with_paths(open_backend(remote), ["a", "a"])
    assert "twice" in refused(remote, tmp_path / "copy")


def test_a_pack_with_another_content_is_refused(origin: Copy, remote: str, tmp_path: Path) -> None:
    """A sound pack of other objects, whose table claims those that are wanted: each is hashed."""
    from dsm.format import pack as fmt

    backend = open_backend(remote)
    (name,) = files_of(backend, PACKS, ".pack")
    whole = bytearray(data_of(backend, name))
    # Other bytes of the same length in the first frame; table, hash of the table and name all fit.
    whole[len(fmt.HEADER) + 3] ^= 0xFF
    other = bytes(whole)
    id = blake3(other).hexdigest()
    backend.delete(name)
    backend.put(f"{PACKS}{id[:2]}/{id}.pack", other)
    refused(remote, tmp_path / "copy", DamagedData)
    assert list((tmp_path / "copy" / ".dsm" / "packs").rglob("*.pack")) == []


def test_a_rewritten_history_is_refused(origin: Copy, remote: str, clone_of: Clones) -> None:
    """A copy that has seen changeset 2 takes neither another one nor its absence for an answer."""
    clone = clone_of(remote)
    backend = open_backend(remote)
    found = header.decode(data_of(backend, HEADER_2), "")
    backend.put(HEADER_2, header.encode(replace(found, message="rewritten", transaction="1" * 32)))
    for ask in (clone.repo.fetch, clone.repo.pull):
        with pytest.raises(
            HistoryRewritten, match="now: its history was rewritten, or put back to an"
        ):
            ask()
    backend.delete(HEADER_2)
    with pytest.raises(HistoryRewritten, match="missing"):
        clone.repo.pull()
    assert clone.dataset.head == 2
    clone.repo.push()
    clone.repo.pull()


def test_a_gap_between_headers_is_refused(remote: str, tmp_path: Path) -> None:
    """The first changeset is missing though the second is there."""
    open_backend(remote).delete("datasets/birds/changesets/00000001.json")
    assert "is missing" in refused(remote, tmp_path / "copy")


def test_odd_names_are_passed_over(remote: str, tmp_path: Path, clone_of: Clones) -> None:
    """Files that no dsm writes are no part of a remote, and come nowhere."""
    backend = open_backend(remote)
    for name in (
        "datasets/birds/changesets/x.json", "datasets/birds/evil/a.json", "datasets/.hidden/dataset.json",
        "datasets/birds/tags/.x.json", "hooks/post-pull", "config.toml", "packs/aa/x.pack", "local/x",
    ):  # fmt: skip
        backend.put(name, b"{}")
    clone = clone_of(remote)
    assert clone.sound()
    assert not (clone.root / ".dsm" / "hooks").exists()
    assert "evil" not in os.listdir(clone.root / ".dsm" / "datasets" / "birds")


def test_a_tag_of_another_changeset_is_refused(remote: str, tmp_path: Path) -> None:
    """A tag that names changeset 1 by the id of another is damage, not a tag."""
    backend = open_backend(remote)
    fields = document.decode(data_of(backend, "datasets/birds/tags/v1.json"), "")
    fields.pop("format")
    backend.put("datasets/birds/tags/v1.json", document.encode({**fields, "changeset": "0" * 64}))
    with pytest.raises(RemoteDamaged, match="another changeset"):
        dsm.clone(remote, tmp_path / "copy")


def test_a_listing_without_end_is_refused(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes neither all memory nor all time."""
    from dsm.remotes import backend as contract
    from dsm.remotes.folder import FolderBackend

    def endless(self: FolderBackend, prefix: str) -> object:
        number = 0
        while True:
            number += 1
            yield Entry(f"{prefix}x/{number}", 1)

    monkeypatch.setattr(contract, "ENTRIES_MAX", 1000)
    monkeypatch.setattr(FolderBackend, "listing", endless)
    with pytest.raises(RemoteDamaged, match="has no end"):
        dsm.clone(remote, tmp_path / "copy")


def test_a_document_that_grows_is_refused(remote: str, tmp_path: Path) -> None:
    """More than a document has is not read into memory."""
    open_backend(remote).put("repo.json", b" " * (2 << 20))
    with pytest.raises(RemoteDamaged, match="longer than"):
        dsm.clone(remote, tmp_path / "copy")


def test_a_source_from_a_remote_is_not_trusted(
    origin: Copy, tmp_path: Path, clone_of: Clones
) -> None:
    """It comes along, and its queries do not run until this user trusts it."""
    from dsm.sources import source as sources
    from dsm.sources.access import Access, add_source

    add_source(origin.repo, "wards", "sqlite", "environment", "WARDS_URI", created=1)
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    clone = clone_of(place)
    found = sources.find(clone.repo, "wards")
    assert not Access(clone.repo).trusted(found)


def test_a_manifest_arrives_as_it_was_written(
    origin: Copy, remote: str, tmp_path: Path, clone_of: Clones
) -> None:
    """Changed bytes of a manifest that change no row are not taken over: the clone has the old ones."""
    backend = open_backend(remote)
    name = next(iter(files_of(backend, "datasets/birds/manifests/", ".parquet")))
    whole = data_of(backend, name)
    rows = manifests.decode(whole, "", manifest_id=Path(name).stem, file_id=None)
    for at in range(len(whole)):
        other = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        try:
            if manifests.decode(other, "", manifest_id=Path(name).stem, file_id=None).equals(rows):
                break
        except DamagedData:
            continue
    else:
        pytest.skip("each byte of a manifest is one of its rows")
    backend.put(name, other)
    clone = clone_of(remote)
    assert whole == (clone.root / ".dsm" / name).read_bytes()
    assert clone.sound()


# --- bombs ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """What Python and Arrow take within it is less than a bomb would."""
    before = pa.default_memory_pool().bytes_allocated()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        assert pa.default_memory_pool().bytes_allocated() - before < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_pack_that_inflates_is_refused(origin: Copy, remote: str, tmp_path: Path) -> None:
    """A frame of zeros without end, in the place of what is wanted; table, hash and name all fit."""
    from dsm.format import pack as fmt
    from dsm.store.codec import compressor

    backend = open_backend(remote)
    (name,) = files_of(backend, PACKS, ".pack")
    backend.delete(name)
    wanted = [blake3(data).digest() for data in origin.contents().values()]
    wanted += [blake3(data).digest() for data in (b"hoohoo" * 40, b"text")]
    stored = compressor(3)(bytes(1 << 28))
    size = 100
    places = [
        (oid[: fmt.PREFIX], fmt.pack_location(size * row, size, False))
        for row, oid in enumerate(sorted(wanted))
    ]
    body = fmt.HEADER + stored
    data = body + fmt.encode_contents(
        len(body), [(len(stored), size * len(wanted), fmt.ZSTD)], places
    )
    id = blake3(data).hexdigest()
    backend.put(f"{PACKS}{id[:2]}/{id}.pack", data)
    with little_memory():
        refused(remote, tmp_path / "copy", DamagedData)
    assert list((tmp_path / "copy" / ".dsm" / "packs").rglob("*.pack")) == []


def test_a_manifest_that_inflates_is_refused(remote: str, tmp_path: Path) -> None:
    """Millions of rows in some kilobytes, of which the header tells the truth."""
    from reliability.test_bombs import many

    backend = open_backend(remote)
    last = header.decode(data_of(backend, HEADER_2), "")
    count = 20_000_000
    data, id = many(count), "5" * 64
    assert len(data) < 1 << 20
    backend.put(f"datasets/birds/manifests/{id}.parquet", data)
    changeset = replace(
        last, number=3, parent=last.id, transaction="0" * 32, manifest=id,
        manifest_file=blake3(data).hexdigest(), manifest_bytes=len(data),
        counts=replace(last.counts, added=count, modified=0, deleted=0, relabelled=0),
    )  # fmt: skip
    backend.put(HEADER_3, header.encode(changeset))
    with little_memory():
        assert "more memory than they may" in refused(remote, tmp_path / "copy")


# --- names ----------------------------------------------------------------------------------------


def test_names_that_lead_elsewhere_are_never_asked_for(
    origin: Copy, remote: str, clone_of: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket may list any name: with `..`, control characters, or from the root. None is followed."""
    from dsm.remotes.folder import FolderBackend

    evil = (
        "datasets/../../x/dataset.json", "datasets/birds/../../../x.json", "packs/aa/../../x.pack", "/etc/passwd",
        "datasets/a\x1b[2J/dataset.json", "datasets/birds/tags/\x07.json", "datasets/birds/tags/a\nb.json",
        "sources/../config.json", "packs//x", "datasets/birds/changesets/0000000\u0663.json", "packs/aa\\x.pack",
        "datasets/birds/views/\u202e.name.json", "datasets/.birds/dataset.json", "datasets/CON\0/dataset.json", "..", "",
    )  # fmt: skip
    asked: list[str] = []
    listing, read = FolderBackend.listing, FolderBackend.read

    def listed(self: FolderBackend, prefix: str) -> Iterator[Entry]:
        yield from listing(self, prefix)
        yield from (Entry(name, 100) for name in evil if name.startswith(prefix))

    def noted(self: FolderBackend, name: str, *more: int) -> Iterator[bytes]:
        asked.append(name)
        return read(self, name, *more)

    monkeypatch.setattr(FolderBackend, "listing", listed)
    monkeypatch.setattr(FolderBackend, "read", noted)
    clone = clone_of(remote)
    assert clone.sound()
    assert origin.contents() == clone.contents()
    assert set(asked) & set(evil) == set()
    assert clone.repo.datasets() == ["birds"]


@pytest.mark.parametrize("root", ["../outside", "/etc", ".dsm", "a/../..", "", 7, None])
def test_a_dataset_that_lies_elsewhere_is_refused(
    remote: str, tmp_path: Path, root: object
) -> None:
    """Its identity names the folder that files are written to: one of the copy, or none."""
    backend = open_backend(remote)
    fields = document.decode(data_of(backend, "datasets/birds/dataset.json"), "")
    for key in ("format", "seal"):
        fields.pop(key, None)
    backend.put("datasets/birds/dataset.json", document.encode({**fields, "root": root}))
    refused(remote, tmp_path / "copy", DamagedData)
