"""References: bytes stay at an address, are verified whenever they are read, and go nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import dsm
from dsm.errors import DsmError, NotFound, Refused
from dsm.format import reference
from dsm.format.reference import Reference
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.remotes.address import open_backend
from dsm.remotes.backend import RemoteFailed
from dsm.remotes.outside import ReferenceBroken, ReferenceUntrusted

from .conftest import Copy

LARGE = os.urandom(2_500_000)  # three blocks
FILES = {"cat/1.txt": b"miaow", "cat/2.txt": b"purr", "dog/1.txt": b"", "big.bin": LARGE}


def fill(place: str, files: dict[str, bytes | None]) -> str:
    backend = open_backend(place)
    for name, data in files.items():
        backend.delete(name) if data is None else backend.put(name, data)
    return place


def referenced(copy: Copy, place: str) -> Copy:
    """Commits what lies at a place as references, below `in`."""
    copy.repo.import_from(place, "in", reference=True, pattern="in/{label}/{name}.txt")
    copy.dataset.commit("referenced")
    return copy


def stored(copy: Copy) -> int:
    packs = Path(copy.repo.path, "packs").rglob("*.pack")
    return sum(path.stat().st_size for path in packs)


def expected() -> dict[str, bytes]:
    return {f"in/{name}": data for name, data in FILES.items()}


def kept(copy: Copy) -> dict[str, bytes]:
    return {path: data for path, data in copy.contents().items() if path.startswith("in/")}


def test_bytes_stay_there_and_are_read_there(origin: Copy, place: str, tmp_path: Path) -> None:
    """Every way to read gives them: whole, as a file that seeks, in batches, as files, as a view."""
    before, files = stored(origin), origin.files()
    report = origin.repo.import_from(
        fill(place, FILES), "in", reference=True, pattern="in/{label}/{name}.txt"
    )
    assert (report.files, report.fetched, report.added, report.reference) == (4, 4, 4, True)
    origin.dataset.commit("referenced")
    assert stored(origin) - before < 5_000
    assert origin.files() == files
    assert origin.dataset.status().clean
    assert kept(origin) == expected()
    assert origin.dataset.example("in/cat/1.txt").labels == ("cat",)
    with origin.repo.store.open(origin.dataset.example("in/big.bin").oid) as file:
        file.seek(2_000_000)
        assert file.read(100) == LARGE[2_000_000:2_000_100]
    view = origin.dataset.prepare(paths=["in/*"])
    assert {example.path: example.bytes for example in view} == expected()
    view.get(tmp_path / "out", format="files")
    (large,) = (tmp_path / "out").rglob("*.bin")
    assert large.read_bytes() == LARGE
    origin.dataset.restore([str(origin.root / "in")])
    assert {n: d for n, d in origin.files().items() if n.startswith("in/")} == expected()
    assert origin.dataset.status().clean


def test_what_was_changed_or_is_gone_is_named(origin: Copy, place: str) -> None:
    """Other bytes, of the same size as well, and a missing file: an error with example and address,
    and never another byte; an update stages what is there now."""
    referenced(origin, fill(place, FILES))
    fill(place, {"cat/1.txt": b"MIAOW", "big.bin": LARGE[:-1] + b"x", "cat/2.txt": None})
    for name, what in (("cat/1.txt", "changed"), ("big.bin", "changed"), ("cat/2.txt", "gone")):
        with pytest.raises(ReferenceBroken, match=what) as caught:
            origin.dataset.read(f"in/{name}")
        assert f"in/{name}" in caught.value.message
        assert f"{place}/{name}" in caught.value.message
        assert caught.value.hint
    with origin.repo.store.open(origin.dataset.example("in/big.bin").oid) as file:
        with pytest.raises(ReferenceBroken):
            file.read()
    found = fsck(origin.repo, references=True)
    assert {(each.kind, each.examples[0][2]) for each in found.findings} == {
        ("reference", "in/cat/1.txt"), ("reference", "in/cat/2.txt"), ("reference", "in/big.bin"),
    }  # fmt: skip
    assert (found.references, found.references_sound) == (4, 1)
    (report,) = origin.repo.update_imports()
    assert (report.fetched, report.modified, report.vanished) == (2, 2, ("cat/2.txt",))
    assert report.reference
    origin.dataset.commit("updated")
    assert origin.dataset.read("in/cat/1.txt") == b"MIAOW"


def test_checks_read_nothing_that_they_need_not(origin: Copy, tmp_path: Path) -> None:
    """fsck reads no reference unless it is told to, and then only what has another time or size."""
    place = fill(str(tmp_path / "data"), FILES)
    referenced(origin, place)
    found = fsck(origin.repo, full=True)
    assert (found.findings, found.references, found.references_sound) == ((), 4, None)
    assert "4 references were not read" in found.notes[0]
    os.utime(tmp_path / "data" / "cat" / "1.txt", (1, 1))
    for full in (False, True):
        found = fsck(origin.repo, full=full, references=True)
        assert (found.findings, found.references_sound) == ((), 4)
    (tmp_path / "data").rename(tmp_path / "away")
    assert len(fsck(origin.repo, references=True).findings) == 4
    assert fsck(origin.repo).findings == ()


def test_only_references_travel(
    origin: Copy, tmp_path: Path, clone_of: Callable[..., Copy]
) -> None:
    """Push, clone, pull and gc take them along; no copy writes their files unasked."""
    place, remote = fill(str(tmp_path / "data"), FILES), str(tmp_path / "remote")
    origin.repo.remotes.add("origin", remote)
    origin.repo.push()
    early = clone_of(remote)
    referenced(origin, place)
    report = origin.repo.push()
    assert report.references == 4
    assert report.transfer.size < 5_000
    early.repo.pull()
    for copy in (early, clone_of(remote), clone_of(remote, objects=False)):
        assert not (copy.root / "in").exists()
        assert copy.dataset.status().clean
        with pytest.raises(ReferenceUntrusted) as caught:
            copy.contents()
        assert f"dsm reference trust {place}" in (caught.value.hint or "")
        (met,) = copy.repo.references.list()
        whole = copy.repo.config.get("core.objects") is None
        assert (met.address, met.objects, met.trusted) == (place, 4 if whole else 1, False)
        assert copy.repo.references.trust(place) == place
        copy = copy.again()
        assert kept(copy) == expected()
        assert fsck(copy.repo, references=True).references_sound == (4 if whole else 0)
        assert copy.repo.references.distrust(place)
        with pytest.raises(ReferenceUntrusted):
            copy.again().contents()
    assert origin.repo.check_remote(share=1.0)[0].findings == []
    apply_gc(origin.repo, plan_gc(origin.repo))
    assert kept(origin) == expected()


def test_a_repository_cannot_make_its_reader_ask_anything(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """References to files of this machine, to servers, or to what is no address: nothing is opened
    unless the user says so, and names that lead out of a trusted place never."""
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"secret")
    asked: list[str] = []
    monkeypatch.setattr(
        "dsm.remotes.outside.open_backend", lambda url: asked.append(url) or open_backend(url)
    )
    from blake3 import blake3

    oid, trusted = blake3(b"secret").digest(), str(tmp_path / "trusted")
    Path(trusted).mkdir()
    origin.repo.references.trust(trusted)
    for at, name in [
        (str(tmp_path), "secret.txt"), ("/", f"{tmp_path}/secret.txt".lstrip("/")),
        ("http://169.254.169.254/latest", "meta-data"), ("file:///etc", "passwd"),
        ("memory://x", "y"), ("s3://bucket", "key"), (f"{trusted}-not", "x"), ("", "etc/passwd"),
    ]:  # fmt: skip
        read = origin.repo.outside()()
        with pytest.raises(ReferenceUntrusted, match="have not trusted"):
            list(read.whole([[Reference(oid, 6, at, name, path="x")]]))
    assert asked == []
    for at, name in [
        (trusted, "../secret.txt"), (trusted, "a/../../secret.txt"), (f"{trusted}/../", "secret.txt"),
        (f"{trusted}/..", "secret.txt"), (trusted, ""), (trusted, "/etc/passwd"),
    ]:  # fmt: skip
        with pytest.raises((ReferenceBroken, ReferenceUntrusted, RemoteFailed)):
            list(origin.repo.outside()().whole([[Reference(oid, 6, at, name, path="x")]]))
    (Path(trusted) / "link").symlink_to(secret)
    with pytest.raises(DsmError):
        list(origin.repo.outside()().whole([[Reference(oid, 6, trusted, "link", path="x")]]))


def test_trust_by_the_environment(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clone_of: Callable[..., Copy]
) -> None:
    """DSM_TRUST_REFERENCES names places, or all; a part of a name is none of them."""
    place, remote = fill(str(tmp_path / "data"), FILES), str(tmp_path / "remote")
    origin.repo.remotes.add("origin", remote)
    referenced(origin, place).repo.push()
    copy = clone_of(remote)
    for words, right in [
        (place[:-1], False), (f"s3://x, {place}/", True), (str(tmp_path), True), ("*", True),
        (f"{place}/cat", False),
    ]:  # fmt: skip
        monkeypatch.setenv("DSM_TRUST_REFERENCES", words)
        copy = copy.again()
        if right:
            assert kept(copy) == expected()
        else:
            with pytest.raises(ReferenceUntrusted):
                kept(copy)


def test_they_are_brought_on_purpose(origin: Copy, place: str) -> None:
    """`fetch --objects` puts the bytes into the store; from then on nothing is asked of the place."""
    referenced(origin, fill(place, FILES))
    report = origin.repo.objects.fetch([str(origin.root / "in")])
    assert (report.remote, report.objects, report.fetched, report.referenced) == (None, 4, 4, 4)
    assert report.transfer.size == sum(map(len, FILES.values()))
    fill(place, dict.fromkeys(FILES))
    copy = origin.again()
    assert kept(copy) == expected()
    assert copy.sound()
    assert fsck(copy.repo).references == 0
    with pytest.raises(NotFound, match="all objects are here"):
        copy.repo.objects.fetch()


def test_content_that_is_here_needs_no_reference(origin: Copy, tmp_path: Path) -> None:
    """What is stored is not referenced; what is referenced and then added is stored; and where
    content lies at two places, either is enough."""
    first = fill(str(tmp_path / "a"), {"x.txt": b"hoo" * 40, "y.bin": LARGE, "z.txt": b"zz"})
    referenced(origin, first)
    second = fill(str(tmp_path / "b"), {"y.bin": LARGE})
    origin.repo.import_from(second, "more", reference=True)
    fill(first, {"x.txt": None, "y.bin": None})
    copy = origin.again()
    assert copy.dataset.read("in/x.txt") == b"hoo" * 40  # owl/1 has it
    assert copy.dataset.read("in/y.bin") == LARGE
    copy.commit("added", z=b"zz", y=LARGE)
    fill(first, {"z.txt": None})
    fill(second, {"y.bin": None})
    assert copy.again().dataset.read("in/z.txt") == b"zz"
    assert copy.again().dataset.read("in/y.bin") == LARGE


def test_a_store_that_may_not_ask_says_so(origin: Copy, tmp_path: Path) -> None:
    """A store by itself names the address that it does not read."""
    referenced(origin, fill(str(tmp_path / "data"), FILES))
    with origin.repo.store.alone() as store:
        with pytest.raises(Refused, match="is a reference to"):
            store.read(origin.dataset.example("in/cat/1.txt").oid)
        assert store.size(origin.dataset.example("in/big.bin").oid) == len(LARGE)


def test_the_stored_form_is_bounded() -> None:
    """Blocks grow with the object, and what would need too many is refused."""
    assert [reference.block_bytes(size) for size in (0, 1 << 30, 1 << 39, 1 << 40)] == [
        1 << 20, 1 << 20, 4 << 20, 0,
    ]  # fmt: skip


def test_a_copy_that_was_opened_by_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the references of places that the user trusts for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data, remote = fill(str(tmp_path / "data"), FILES), str(tmp_path / "remote")
    (tmp_path / "new").mkdir()
    with dsm.init(tmp_path / "new") as repo:
        repo.import_from(data, reference=True)
        repo.dataset().commit("referenced")
        repo.remotes.add("origin", remote)
        repo.push()
    with dsm.open(f"file://{remote}") as opened:
        opened.references.trust(data)
    with dsm.open(f"file://{remote}") as opened:
        assert opened.dataset().read("big.bin") == LARGE


def test_bytes_that_came_later_go_before_the_reference(
    origin: Copy, tmp_path: Path, clone_of: Callable[..., Copy]
) -> None:
    """What is referenced and stored, too, is pushed with its bytes, also where it is large."""
    place, remote = fill(str(tmp_path / "data"), FILES), str(tmp_path / "remote")
    referenced(origin, place)
    origin.repo.objects.fetch([str(origin.root / "in")])
    copy = origin.again()
    fill(place, dict.fromkeys(FILES))
    copy.repo.remotes.add("origin", remote)
    assert copy.repo.push().references == 0
    clone = clone_of(remote)
    assert kept(clone) == expected()
    assert clone.sound()
