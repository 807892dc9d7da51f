"""Importing archives: all of one state or nothing, on where it stopped, and nothing that is hostile."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import pytest
from dying import killed_at

import dsm
from dsm.errors import InvalidInput
from dsm.maintenance.fsck import fsck
from dsm.remotes import foreign_archives, spooled
from dsm.remotes.address import open_backend
from dsm.remotes.outside import ReferenceBroken

from .conftest import Copy
from .test_importing import fill, staged, tar_of

MANY = {f"d/{number:03d}.bin": os.urandom(2_000) for number in range(40)}


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 5, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def kept(copy: Copy, below: str = "in/") -> dict[str, bytes]:
    return {p.removeprefix(below): d for p, d in copy.contents().items() if p.startswith(below)}


@pytest.fixture
def in_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of ten members, and steps of a spool of a few KiB."""
    monkeypatch.setattr(foreign_archives, "BATCH_FILES", 10)
    monkeypatch.setattr(spooled, "STEP_BYTES", 8_192)


def imported(root: Path, url: str) -> None:
    with dsm.open(root) as repo:
        repo.import_from(url, "in")


def test_killed_within_a_folder_it_goes_on(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches that were staged are not read again, and nothing half is staged."""
    monkeypatch.setattr("dsm.remotes.import_files.BATCH_FILES", 10)
    place, root, read = fill(str(tmp_path / "data"), MANY), origin.root, []
    origin.repo.close()
    for at in (15, 35, 60):
        assert killed_at(at, partial(imported, root, place))
        with dsm.open(root) as repo:
            copy = Copy(repo)
            read.append(repo.import_from(place, "in", dry_run=True).fetched)
            assert len(staged(copy)) % 10 == 0 and fsck(repo).findings == ()
    assert read == sorted(read, reverse=True) and read[-1] < 40
    with dsm.open(root) as repo:
        assert repo.import_from(place, "in").fetched == read[-1]
        copy = Copy(repo)
        copy.dataset.commit("imported")
        assert kept(copy) == MANY


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_killed_at_any_moment_it_goes_on(
    origin: Copy, tmp_path: Path, in_few: None, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """After each death nothing half is staged, what came is not fetched again, and what was staged is
    not read again; in the end each member is there, once."""
    make = {"tar": tar_of, "tar.gz": lambda f: tar_of(f, "w:gz"), "zip": zip_of}[kind]
    monkeypatch.setattr("dsm.remotes.folder.FolderBackend.is_far", True)
    data = make(MANY)
    url = f"{fill(str(tmp_path / 'data'), {f'x.{kind}': data})}/x.{kind}"
    root, deaths, at = origin.root, 0, 4
    origin.repo.close()
    while killed_at(at, partial(imported, root, url)):
        deaths, at = deaths + 1, at + 9
        with dsm.open(root) as repo:
            found = Copy(repo)
            assert set(staged(found)) <= {f"in/{name}" for name in MANY}
            assert fsck(repo).findings == ()
    assert deaths >= 4
    with dsm.open(root) as repo:
        copy = Copy(repo)
        copy.dataset.commit("imported")
        assert kept(copy) == MANY
        assert copy.sound()
        before = open_backend(str(tmp_path / "data"))
        assert repo.import_from(url, "in").fetched == 0
        assert list(Path(repo.path, "local", "imports").glob("*.parts")) == []
        assert before.received == 0


def test_only_the_rest_of_a_download_is_asked_for(
    origin: Copy, place: str, in_few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tar whose download broke off goes on behind what came, as long as it has not changed."""
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("dsm.remotes.folder.FolderBackend.is_far", True)
    fill(place, {"x.tar": tar_of(MANY)})
    from dsm.remotes import foreign_file
    from dsm.remotes.backend import RemoteFailed

    real, starts = foreign_file.listed_bytes, []

    def breaking(backend, entry, start=0):  # type: ignore[no-untyped-def]
        starts.append(start)
        if len(starts) > 1 and len(starts) < 6:
            raise RemoteFailed("connection refused")
        for part in real(backend, entry, start):
            if len(starts) == 1:
                yield part[:30_000]
                raise RemoteFailed("connection reset")
            yield part

    monkeypatch.setattr(foreign_file, "listed_bytes", breaking)
    with pytest.raises(RemoteFailed, match="connection refused"):
        origin.repo.import_from(f"{place}/x.tar", "in")
    assert staged(origin) == {}
    origin.repo.import_from(f"{place}/x.tar", "in")
    assert starts[0] == 0 and set(starts[1:-1]) == {30_000} and starts[-1] == 24_576
    origin.dataset.commit("imported")
    assert kept(origin) == MANY


def test_what_changed_of_a_zip_is_read_alone(
    origin: Copy, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By CRC, size and name of each member, in ranges; what is gone from it stays, and is told."""
    monkeypatch.setattr(foreign_archives, "_BLOCK", 4_096)
    fill(place, {"x.zip": zip_of(MANY)})
    origin.repo.import_from(f"{place}/x.zip", "in", labels=["m"])
    origin.dataset.commit("imported")
    changed = {**MANY, "d/005.bin": os.urandom(2_000), "new": b"n"}
    gone = changed.pop("d/039.bin")
    fill(place, {"x.zip": zip_of(changed)})
    received: list[int] = []
    real = foreign_archives.at_the_address

    def counted(backend, entry):  # type: ignore[no-untyped-def]
        received.append(0)
        read = backend.get
        backend.get = lambda *a: received.append(len(d := read(*a))) or d
        return real(backend, entry)

    monkeypatch.setattr("dsm.remotes.import_archive.at_the_address", counted)
    (report,) = origin.repo.update_imports()
    assert (report.fetched, report.added, report.modified) == (2, 1, 1)
    assert report.vanished == ("d/039.bin",)
    assert 0 < sum(received) < 40_000
    origin.dataset.commit("updated")
    assert kept(origin) == {**changed, "d/039.bin": gone}
    assert origin.dataset.example("in/new").labels == ("m",)
    assert [each.fetched for each in origin.repo.update_imports()] == [0]


def test_members_that_are_not_here_any_more_come_again(origin: Copy, tmp_path: Path) -> None:
    """Importing again stages what was unstaged, and labels what is here; an update does neither."""
    url = f"{fill(str(tmp_path / 'data'), {'x.tar': tar_of(MANY)})}/x.tar"
    origin.repo.import_from(url, "in")
    origin.dataset.unstage([str(origin.root / "in" / "d" / "001.bin")])
    assert [each.fetched for each in origin.repo.update_imports()] == [0]
    assert origin.repo.import_from(url, "in").fetched == 1
    origin.dataset.commit("imported")
    report = origin.repo.import_from(url, "in", labels=["said"])
    assert (report.fetched, report.relabelled) == (0, 40)
    assert kept(origin) == MANY


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_stay_in_their_archive(origin: Copy, place: str, kind: str) -> None:
    """By reference: address, place in it and content id; read there and verified, and named when the
    archive was changed."""
    files = {**MANY, "empty": b"", "large": os.urandom(1_500_000)}
    make = {"tar": tar_of, "zip": zip_of}[kind]
    fill(place, {f"x.{kind}": make(files)})
    packs = Path(origin.repo.path, "packs")
    before = sum(path.stat().st_size for path in packs.rglob("*.pack"))
    origin.repo.import_from(f"{place}/x.{kind}", "in", reference=True)
    origin.dataset.commit("referenced")
    assert sum(path.stat().st_size for path in packs.rglob("*.pack")) - before < 30_000
    assert kept(origin.again()) == files
    assert fsck(origin.repo, references=True, full=True).findings == ()
    damaged = bytearray(make(files))
    damaged[damaged.index(MANY["d/007.bin"])] ^= 1
    fill(place, {f"x.{kind}": bytes(damaged)})
    copy = origin.again()
    with pytest.raises(ReferenceBroken, match=rf"x\.{kind} was changed since example in/d/007.bin"):
        copy.dataset.read("in/d/007.bin")
    assert copy.dataset.read("in/d/008.bin") == MANY["d/008.bin"]
    open_backend(place).delete(f"x.{kind}")
    with pytest.raises(ReferenceBroken, match="is gone"):
        origin.again().dataset.read("in/d/008.bin")


def test_archives_of_a_folder(origin: Copy, place: str) -> None:
    """With `members` the files of all shards are examples, beside files that are none; an update reads
    the shards that are new or have changed."""
    shards = {
        f"{n}.tar": tar_of({f"{n}/{k}.txt": b"%d %d" % (n, k) for k in range(3)}) for n in range(3)
    }
    fill(place, {**shards, "note.txt": b"note"})
    report = origin.repo.import_from(place, "in", members=True, labels=["m"])
    assert (report.files, report.fetched, report.added, report.vanished) == (4, 10, 10, ())
    origin.dataset.commit("imported")
    assert origin.repo.import_from(place, "in", members=True, labels=["m"]).fetched == 0
    fill(place, {"1.tar": tar_of({"1/0.txt": b"1 0", "1/9.txt": b"new"})})
    (report,) = origin.repo.update_imports()
    assert (report.added, report.modified, report.vanished) == (1, 0, ("1/1.txt", "1/2.txt"))
    origin.dataset.commit("updated")
    assert origin.dataset.example("in/1/9.txt").labels == ("m",)
    assert len(kept(origin)) == 11
    with pytest.raises(InvalidInput, match="neither records"):
        origin.repo.import_from(place, "in", members=True, records=True)


def test_what_is_compressed_cannot_stay(origin: Copy, tmp_path: Path) -> None:
    """Members of compressed archives are refused as references, with what to do."""
    place = fill(str(tmp_path / "data"), {
        "x.tar.gz": tar_of(MANY, "w:gz"), "x.zip": zip_of({"a": b"a" * 999}, zipfile.ZIP_DEFLATED),
    })  # fmt: skip
    for name in ("x.tar.gz", "x.zip"):
        with pytest.raises(InvalidInput, match="it is compressed, and so cannot stay there"):
            origin.repo.import_from(f"{place}/{name}", "in", reference=True)
    assert staged(origin) == {}


def test_names_that_cannot_be_beside_others(origin: Copy, tmp_path: Path) -> None:
    """Of one name the last member counts; a file below a file, and odd names, are left out and told;
    names that look alike are taken with a warning."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in [
            ("a", b"1"), ("a/b", b"2"), ("c/d", b"3"), ("c", b"4"), ("e", b"5"), ("e", b"6"),
            ("F", b"7"), ("f", b"8"), ("x" * 300, b"9"), ("x\x1b[2J", b"0"), ("a\\..\\b", b"0"),
            ("C:/x", b"0"), ("./g", b"9"), (".dsm/x", b"0"), ("h/../../i", b"0"),
        ]:  # fmt: skip
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    url = f"{fill(str(tmp_path / 'data'), {'x.tar': out.getvalue()})}/x.tar"
    report = origin.repo.import_from(url, "in")
    origin.dataset.commit("imported")
    found = kept(origin)
    assert (
        found.items()
        >= {"a": b"1", "c/d": b"3", "e": b"6", "F": b"7", "f": b"8", "g": b"9"}.items()
    )
    reasons = {each.path: each.reason for each in report.skipped}
    assert reasons["a/b"] == "lies below the file in/a"
    assert reasons["c"] == "is a folder of other files, too"
    assert {"x" * 300, ".dsm/x", "h/../../i"} <= reasons.keys()
    assert not any("\x1b" in each.path for each in report.skipped)
    assert [each.path for each in report.warnings] == ["in/f"]
    assert origin.sound()


def test_a_zip_with_many_members(origin: Copy, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Its directory is longer than what is read at once."""
    monkeypatch.setattr(foreign_archives, "_BLOCK", 4_096)
    files = {f"{number:04d}": b"%d" % number for number in range(300)}
    url = f"{fill(str(tmp_path / 'data'), {'x.zip': zip_of(files)})}/x.zip"
    assert origin.repo.import_from(url, "in").added == 300


def test_archives_that_harm(origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bombs, headers without end, a damaged header in the middle, and members that are no files:
    refused with a line, or left out."""
    monkeypatch.setattr(foreign_archives, "EXPANDED_FREE", 1 << 20)
    monkeypatch.setattr(foreign_archives, "EXPANDED_MOST", 100)
    plain = tar_of({"a": b"a" * 600, "b": b"b" * 600})
    broken = plain.replace(b"b\0\0\0", b"c\0\0\0", 1)
    endless = bytearray(tar_of({"x" * 200: b"1"}))
    endless[124:136] = b"%011o\0" % (1 << 32)
    check = sum(endless[:148]) + sum(endless[156:512]) + 8 * 32
    endless[148:156] = b"%06o\0 " % check
    bomb = zip_of({"bomb": bytes(30 << 20)}, zipfile.ZIP_DEFLATED)
    lying = bytearray(zip_of({"lie": b"x" * 100}))
    at = lying.rindex(b"PK\x01\x02")
    struct.pack_into("<II", lying, at + 20, 1 << 30, 1 << 31)
    cases = {
        "broken.tar": (broken, "bad checksum"), "endless.tar": (bytes(endless), "header of"),
        "bomb.zip": (bomb, "expands to more than"), "lying.zip": (bytes(lying), "expands to more"),
        "bomb.tar.gz": (tar_of({"bomb": bytes(30 << 20)}, "w:gz"), "expands to more than"),
        "none.zip": (b"", "no archive"), "none.tar": (b"", "no archive"),
    }  # fmt: skip
    for name, (data, told) in cases.items():
        place = fill(str(tmp_path / "data"), {name: data})
        with pytest.raises(InvalidInput, match=told):
            origin.repo.import_from(f"{place}/{name}", "in")
    assert set(staged(origin)) <= {"in/a"}
