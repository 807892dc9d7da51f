"""Importing: what lies at an address is staged without a file here, again only what has changed."""

from __future__ import annotations

import errno
import io
import itertools
import os
import random
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dsm
from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.remotes import import_files, importing
from dsm.remotes.address import open_backend
from dsm.remotes.backend import Backend, Entry, RemoteFailed
from dsm.remotes.foreign_file import RANGES_AT_ONCE
from dsm.store import disk

from .conftest import Copy

FILES = {
    "cat/1.jpg": b"miaow", "cat/2.jpg": b"purr", "dog/1.jpg": b"wow", "big.bin": bytes(5 << 20),
}  # fmt: skip


def fill(place: str, files: dict[str, bytes]) -> str:
    backend = open_backend(place)
    for name, data in files.items():
        backend.put(name, data)
    return place


def staged(copy: Copy) -> dict[str, str]:
    return {change.path: change.kind[0].upper() for change in copy.dataset.status().staged}


def test_what_lies_there_is_staged(origin: Copy, place: str) -> None:
    """Below the folder that was named, with labels of the pattern and no file in the work tree."""
    fill(place, FILES)
    before = origin.files()
    report = origin.repo.import_from(place, "pets", pattern="pets/{label}/{name}.jpg")
    assert (report.files, report.fetched, report.added) == (4, 4, 4)
    assert report.size == sum(map(len, FILES.values()))
    origin.dataset.commit("imported")
    assert origin.files() == before
    assert {
        f"pets/{name}": data for name, data in FILES.items()
    }.items() <= origin.contents().items()
    assert origin.dataset.example("pets/cat/1.jpg").labels == ("cat",)
    assert origin.dataset.status().clean


def test_only_what_changed_is_read_again(origin: Copy, place: str) -> None:
    """A second import reads nothing; an update reads what is new or changed, and tells what is gone."""
    fill(place, FILES)
    origin.repo.import_from(place, "pets", labels=["pet"])
    assert origin.repo.import_from(place, "pets", labels=["pet"]).fetched == 0
    origin.dataset.commit("imported")
    fill(place, {"cat/1.jpg": b"hiss, louder", "owl.jpg": b"hoo"})
    open_backend(place).delete("dog/1.jpg")
    dry = origin.repo.update_imports(dry_run=True)
    assert [(r.fetched, r.added, r.modified) for r in dry] == [(2, 1, 1)]
    assert staged(origin) == {}
    (report,) = origin.repo.update_imports()
    assert (report.fetched, report.added, report.modified) == (2, 1, 1)
    assert report.vanished == ("dog/1.jpg",)
    assert staged(origin) == {"pets/cat/1.jpg": "M", "pets/owl.jpg": "A"}
    origin.dataset.commit("updated")
    assert origin.dataset.example("pets/owl.jpg").labels == ("pet",)
    assert origin.contents()["pets/dog/1.jpg"] == b"wow"
    assert [r.fetched for r in origin.repo.update_imports(place)] == [0]


def test_an_interrupted_import_goes_on(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was staged before a failure is not read again."""
    monkeypatch.setattr(import_files, "BATCH_FILES", 2)
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    place = fill(str(tmp_path / "data"), {f"{n}.txt": b"%d" % n for n in range(7)})
    real = import_files.whole
    read: list[str] = []
    failures = iter([1])

    def failing(backend, entry):  # type: ignore[no-untyped-def]
        read.append(entry.name)
        if entry.name == "5.txt" and next(failures, None) is not None:
            raise RemoteFailed("connection reset")
        return real(backend, entry)

    monkeypatch.setattr(import_files, "whole", failing)
    with pytest.raises(RemoteFailed, match=r"connection reset"):
        origin.repo.import_from(place)
    assert set(staged(origin)) == {"0.txt", "1.txt", "2.txt", "3.txt"}
    read.clear()
    assert origin.repo.import_from(place).fetched == 3
    assert set(read) == {"4.txt", "5.txt", "6.txt"}
    assert len(staged(origin)) == 7


def test_one_file_is_imported(origin: Copy, place: str) -> None:
    """An address may name a file; one of nothing is told."""
    fill(place, FILES)
    origin.repo.import_from(f"{place}/cat/1.jpg", "one")
    assert staged(origin) == {"one/1.jpg": "A"}
    with pytest.raises(NotFound, match="nothing at"):
        origin.repo.import_from(f"{place}/nowhere")
    with pytest.raises(NotFound, match="nothing was imported"):
        origin.repo.update_imports(f"{place}/other")


def test_a_table_of_labels_is_read_once(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows may name files of any part of what is imported; of an archive they cannot."""
    monkeypatch.setattr(import_files, "BATCH_FILES", 1)
    place = fill(str(tmp_path / "data"), FILES)
    table = tmp_path / "labels.csv"
    table.write_text("path,label\nin/cat/1.jpg,tabby\nin/dog/1.jpg,pug\n")
    origin.repo.import_from(place, "in", label_file=table)
    origin.dataset.commit("imported")
    assert origin.dataset.example("in/dog/1.jpg").labels == ("pug",)
    fill(place, {"x.tar": tar_of(FILES)})
    with pytest.raises(InvalidInput, match="archive"):
        origin.repo.import_from(f"{place}/x.tar", "in", label_file=table)


def tar_of(files: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), 1_700_000_000
            archive.addfile(member, io.BytesIO(data))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            member = tarfile.TarInfo(f"special-{kind.decode()}")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    return out.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_members_of_archives_become_examples(origin: Copy, place: str, kind: str) -> None:
    """Plain files of a tar or zip, once; those whose names lead elsewhere are left out and told."""
    files = {**FILES, "../evil": b"x", "/etc/evil": b"x", "a/../../evil": b"x", "é.txt": b"unicode"}
    make = {"tar": tar_of, "tar.gz": lambda f: tar_of(f, "w:gz"), "zip": zip_of}[kind]
    fill(place, {f"data.{kind}": make(files)})
    report = origin.repo.import_from(f"{place}/data.{kind}", "in")
    assert sorted(staged(origin)) == sorted(f"in/{name}" for name in [*FILES, "é.txt"])
    assert len(report.skipped) == 3
    origin.dataset.commit("imported")
    assert origin.contents()["in/big.bin"] == FILES["big.bin"]
    assert origin.repo.import_from(f"{place}/data.{kind}", "in").fetched == 0
    assert [r.fetched for r in origin.repo.update_imports()] == [0]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_is_refused(origin: Copy, tmp_path: Path, kind: str) -> None:
    """One that is cut short, or none at all: an error of ours, and no half member is staged."""
    make = {"tar": tar_of, "tar.gz": lambda f: tar_of(f, "w:gz"), "zip": zip_of}[kind]
    whole = make({"a.txt": os.urandom(3000), "b.txt": os.urandom(3000)})
    for number, data in enumerate((whole[: len(whole) // 3], b"no archive at all" * 99)):
        place = fill(str(tmp_path / f"data-{number}"), {f"x.{kind}": data})
        with pytest.raises(
            InvalidInput, match=r"^x\.(tar|tar\.gz|zip) at .* is damaged, or no archive: "
        ):
            origin.repo.import_from(f"{place}/x.{kind}", "in")
    assert set(staged(origin)) <= {"in/a.txt"}


def test_odd_names_are_told(origin: Copy, tmp_path: Path) -> None:
    """Hidden files and those of git are left out; other letters are fine."""
    folder = tmp_path / "data"
    for name in ("ä b.txt", ".hidden", ".git/config", "line\nbreak"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    report = origin.repo.import_from(str(folder), "in")
    assert staged(origin) == {"in/ä b.txt": "A", "in/line\nbreak": "A"}
    assert [each.path for each in report.skipped] == [".git", ".hidden"]


def test_a_repositorys_own_files_are_no_data(origin: Copy, place: str, tmp_path: Path) -> None:
    """Folders of dsm and git, and remotes, are left out by a line each, wherever they lie."""
    origin.repo.remotes.add("origin", str(tmp_path / "share"))
    origin.repo.push()
    data = {"a.txt": b"a", "in/.git/objects/x": b"x", "in/.GIT/y": b"x", "in/b.txt": b"b"}
    for name, top in (("lab/share", tmp_path / "share"), ("birds/.dsm", Path(origin.repo.path))):
        data |= {
            f"{name}/{file.relative_to(top)}": file.read_bytes()
            for file in top.rglob("*") if file.is_file() and file.suffix in (".json", ".pack")
        }  # fmt: skip
    data |= {  # what only looks like one
        "own/repo.json": b"{}", "own/packs/wolves.txt": b"w", "shapes/repo.json": data[
            "lab/share/repo.json"
        ],
    }  # fmt: skip
    report = origin.repo.import_from(fill(place, data), "all")
    taken = ("a.txt", "in/b.txt", "own/packs/wolves.txt", "own/repo.json", "shapes/repo.json")
    assert staged(origin) == {f"all/{name}": "A" for name in taken}
    assert [(each.path, each.reason) for each in report.skipped] == [
        ("birds/.dsm", "is never part of a dataset"), ("in/.GIT", "is never part of a dataset"),
        ("in/.git", "is never part of a dataset"),
        ("lab/share", "is a dsm remote: its files are no data"),
    ]  # fmt: skip


def test_a_repository_is_not_imported(origin: Copy, place: str) -> None:
    """An address of a remote, or within a repository, is refused before anything is staged."""
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    with pytest.raises(InvalidInput, match="is a dsm remote: its files are no data"):
        origin.repo.import_from(place)
    own = Path(origin.repo.path)
    for within in (own, own / "packs", own / "repo.json"):
        with pytest.raises(InvalidInput, match=r"lies in \.dsm, which is never part of a dataset"):
            origin.repo.import_from(str(within))
    assert staged(origin) == {}


def test_a_file_that_changes_meanwhile_is_not_staged(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has another size than was listed: the import fails, and nothing of the batch is staged."""
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    for size in (10, 6 << 20):
        place = fill(str(tmp_path / f"data-{size}"), {"a.txt": bytes(size)})
        real = importing._listed

        def grown(url: str, **options):  # type: ignore[no-untyped-def]
            found = real(url, **options)
            (tmp_path / f"data-{size}" / "a.txt").write_bytes(bytes(size + 1))
            return found

        with monkeypatch.context() as patch:
            patch.setattr(importing, "_listed", grown)
            with pytest.raises(RemoteFailed, match=r"^a\.txt on .*changed meanwhile"):
                origin.repo.import_from(place)
    assert staged(origin) == {}


@pytest.mark.parametrize("spoil", ["cut", "garbage", "other"])
def test_a_spoilt_line_of_the_record_is_passed_over(
    origin: Copy, tmp_path: Path, spoil: str
) -> None:
    """What the other lines say counts, and the file of that one alone is read again."""
    place = fill(str(tmp_path / "data"), FILES)
    origin.repo.import_from(place, "in")
    (record,) = (Path(origin.repo.path) / "local" / "imports").glob("*.jsonl")
    data = record.read_bytes()
    record.write_bytes({
        "cut": data[:-9], "garbage": data + b"\n\0{]", "other": data + b"\n[1, 2]\n3\n\"x\"",
    }[spoil])  # fmt: skip
    report = origin.again().repo.import_from(place, "in")
    assert (report.files, report.fetched) == (4, 1 if spoil == "cut" else 0)


def test_labels_for_what_is_here_already(origin: Copy, tmp_path: Path) -> None:
    """An import again fetches nothing, and labels what has not changed, as a dry run tells before."""
    place = fill(str(tmp_path / "data"), FILES)
    origin.repo.import_from(place, "in", labels=["old"])
    origin.dataset.commit("imported")
    for dry_run in (True, False):
        report = origin.repo.import_from(place, "in", labels=["new"], dry_run=dry_run)
        assert (report.fetched, report.relabelled) == (0, 4)
        assert len(staged(origin)) == (0 if dry_run else 4)
    assert origin.repo.import_from(place, "in", labels=["old"]).relabelled == 0
    assert origin.dataset.status().clean


class Large(Backend):
    """Two large files and a small one; an answer comes when `together` others are asked for."""

    is_far = True
    state = "1"
    cut = 0

    def __init__(self, url: str, together: int = 1):
        super().__init__(url)
        self.files = {
            "a": random.Random(1).randbytes((12 << 20) + 5), "b": b"small",
            "c": random.Random(2).randbytes(6 << 20),
        }  # fmt: skip
        self.gate = threading.Barrier(together)
        self.now = self.most = 0
        self.read_names: list[str] = []
        self.lock = threading.Lock()

    def listing(self, prefix: str) -> Iterator[Entry]:
        yield from (Entry(name, len(data), 1.0, self.state) for name, data in self.files.items())

    def named(self, name: str) -> Iterator[Entry]:
        yield Entry(name, len(self.files[name]), 1.0, self.state)

    def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
        with self.lock:
            self.read_names.append(name)
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if len(self.read_names) <= self.gate.parties:
                self.gate.wait(60)
            data = self.files[name][start : None if size is None else start + size]
            half = len(data) // 2
            yield data[:half]
            with self.lock:
                self.cut -= 1
                if self.cut >= 0:
                    raise RemoteFailed("the line was cut")
            yield data[half:]
        finally:
            with self.lock:
                self.now -= 1

    put = put_file = create = delete = None  # type: ignore[assignment]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Large]:
    def make(**options: int) -> Large:
        made = Large("memory://large", **options)
        monkeypatch.setattr(importing, "open_backend", lambda url: made)
        return made

    monkeypatch.setattr(Large, "__abstractmethods__", frozenset())
    monkeypatch.setattr("dsm.remotes.backend.PAUSE_SECONDS", 0.0)
    return make


@pytest.mark.parametrize("spooled", [False, True])
def test_large_files_come_in_ranges_at_a_time(
    origin: Copy, large: Callable[..., Large], monkeypatch: pytest.MonkeyPatch, spooled: bool
) -> None:
    """Ranges of one file, and of the next ones meanwhile: none is answered before four are asked
    for. Bytes are what lies there, and told as they come."""
    if spooled:
        monkeypatch.setattr(import_files, "SPOOLED_BYTES", 8 << 20)
    place = large(together=4)
    told: list[tuple[int, int]] = []

    class Watch:
        def start(self, task: str, files: int | None = None, size: int | None = None) -> None: ...
        def advance(self, files: int = 0, size: int = 0) -> None:
            told.append((files, size))

        def finish(self) -> None: ...

    report = origin.repo.import_from("memory://large", "in", progress=Watch())
    assert (report.added, report.size) == (3, sum(map(len, place.files.values())))
    origin.dataset.commit("imported")
    assert {f"in/{name}": data for name, data in place.files.items()}.items() <= (
        origin.contents().items()
    )
    assert 4 <= place.most <= 16 + RANGES_AT_ONCE
    assert [sum(each) for each in zip(*told, strict=True)] == [3, report.size]
    assert max(size for _, size in told) <= 4 << 20


@pytest.mark.parametrize("cut", [1, 3])
def test_a_range_that_ends_early_is_asked_for_again(
    origin: Copy, large: Callable[..., Large], cut: int
) -> None:
    """From where it ended, and the file is whole."""
    place = large()
    place.cut = cut
    origin.repo.import_from("memory://large", "in")
    origin.dataset.commit("imported")
    assert place.files["a"] == origin.contents()["in/a"]
    assert len(place.read_names) == 7 + cut


def test_ranges_of_two_states_are_no_file(origin: Copy, large: Callable[..., Large]) -> None:
    """A file that is another one by the time its last range has come is not staged."""
    place = large()

    def changed(name: str) -> Iterator[Entry]:
        yield Entry(name, len(place.files[name]), 1.0, "2")

    place.named = changed  # type: ignore[method-assign]
    with pytest.raises(RemoteFailed, match=r"^a on .* was changed while it was read"):
        origin.repo.import_from("memory://large", "in")
    assert staged(origin) == {}


@pytest.mark.parametrize("by", [-3, 3])
def test_ranges_of_another_size_are_no_file(
    origin: Copy, large: Callable[..., Large], monkeypatch: pytest.MonkeyPatch, by: int
) -> None:
    """Nor is one that has become shorter or longer."""
    place = large()
    before = list(place.listing(""))
    place.files["a"] = place.files["a"][:by] if by < 0 else place.files["a"] + bytes(by)
    monkeypatch.setattr(place, "listing", lambda _: iter(before))
    with pytest.raises(RemoteFailed, match=r"^a on .* (was changed|was cut short|has 12,)"):
        origin.repo.import_from("memory://large", "in")
    assert staged(origin) == {}


def test_names_of_a_hostile_listing(origin: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that lead elsewhere, that no path can be, or that are long are left out, told by what a
    terminal can show; of a file and a folder of one name the file is; listings without end end."""
    odd = [
        "../up", "a/../../up", "/etc/passwd", "x\x1b[2Jy", "n" * 3000, "a//b", "./c", "nul\0l", "",
        "good", "Good", "good/below", "folder/", ".dsm/config", "d/.git/hooks/x", "\u202eevil",
    ]  # fmt: skip
    asked: list[str] = []

    class Odd(Backend):
        is_far = True
        ends = True

        def listing(self, prefix: str) -> Iterator[Entry]:
            yield from (Entry(name, 1, 1.0) for name in odd)
            yield from () if Odd.ends else (Entry(f"e{n}", 1, 1.0) for n in itertools.count())

        def read(self, name: str, start: int = 0, size: int | None = None) -> Iterator[bytes]:
            asked.append(self.checked(name))
            yield b"x"

        put = put_file = create = delete = None  # type: ignore[assignment]

    monkeypatch.setattr(Odd, "__abstractmethods__", frozenset())
    monkeypatch.setattr(importing, "open_backend", lambda url: Odd(url))
    report = origin.repo.import_from("memory://odd", "in")
    taken = {"Good", "good/below", "x\x1b[2Jy"}
    assert {path for path in staged(origin) if path.isascii()} == {f"in/{name}" for name in taken}
    assert set(asked) <= {*taken, "\u202eevil"}
    assert all(each.path.isprintable() for each in report.skipped)
    assert ("good", "is a folder of other files, too") in {
        (each.path, each.reason) for each in report.skipped
    }
    monkeypatch.setattr(importing, "ENTRIES_MAX", 1000)
    Odd.ends = False
    with pytest.raises(InvalidInput, match="has more than 1,000 files"):
        origin.repo.import_from("memory://odd", "in")


def test_a_full_disk_and_two_at_once(
    origin: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails is an error, and nothing half is staged, nor lost for the next run; two
    processes that import the same both come through."""
    monkeypatch.setattr("dsm.remotes.folder.FolderBackend.is_far", True)
    files = {f"{n}.txt": b"%d" % n for n in range(20)}
    place = fill(str(tmp_path / "data"), {"x.tar": tar_of(files)})
    failed, at = 0, 1
    while True:
        count = 0

        def full(operation: str, path: str) -> None:
            nonlocal count
            count += operation in ("write", "create", "append", "link")
            if count == at and operation in ("write", "create", "append", "link"):
                raise OSError(errno.ENOSPC, "No space left on device")

        try:
            with disk.observe(full):
                origin.repo.import_from(f"{place}/x.tar", "in")
            break
        except StorageFailed:
            failed, at = failed + 1, at + 1
            assert set(staged(origin)) in (set(), {f"in/{name}" for name in files})
    assert failed >= 3
    root = origin.root
    origin.dataset.commit("imported")
    origin.repo.close()
    children = []
    for _ in range(2):
        children.append(os.fork())
        if not children[-1]:
            status = 1
            try:
                with dsm.open(root) as repo:
                    repo.import_from(place, "both")
                    repo.import_from(f"{place}/x.tar", "both")
                status = 0
            finally:
                os._exit(status)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    with dsm.open(root) as repo:
        copy = Copy(repo)
        assert {p for p in staged(copy) if p.startswith("both")} == {
            f"both/{name}" for name in [*files, "x.tar"]
        }
        copy.dataset.commit("both")
        assert copy.sound()
