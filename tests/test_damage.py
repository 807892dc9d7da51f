"""Any file of `.dsm` flipped, cut, stretched, emptied, swapped, deleted or renamed: it is found, no
wrong byte is handed out, and the examples that are hit are named."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from record_forms import FORMS, Fields
from situations import Clock, Work
from tiers import LONG

from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import DsmError
from dsm.history import snapshot as snapshot_module
from dsm.maintenance.fsck import fsck
from dsm.maintenance.reports import FsckReport
from dsm.model.status_report import Status
from dsm.repo.environment import Environment

CASES = 500 if LONG else 49
HOWS = ["flip", "cut", "stretch", "empty", "swap", "delete", "rename"]
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF" + random.Random("tables").randbytes(400)


@dataclass
class Truth:
    """A repository and all that it should answer."""

    root: Path
    snapshots: dict[int, dict[str, tuple[bytes, tuple[str, ...]]]] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    tags: dict[str, int] = field(default_factory=dict)
    views: dict[str, tuple[str, dict[str, bytes]]] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)  # the records files
    status: Status | None = None
    files: list[str] = field(default_factory=list)  # of .dsm, relative


def built(folder: Path) -> Truth:
    """Small files that are compressed together, media, a large file, records, labels, tags, views."""
    source = random.Random("damage")
    work, truth = Work(folder), Truth(folder)
    words = [source.randbytes(3).hex() for _ in range(50)]
    files = {f"text/{n}.txt": " ".join(source.choices(words, k=40)).encode() for n in range(60)}
    files |= {f"img/{n}.jpg": JPEG + source.randbytes(300) for n in range(40)}
    files |= {
        "large.bin": source.randbytes(2 << 20),
        "empty": b"",
        "medium": source.randbytes(30_000),
    }
    work.write(files)
    work.ds.add(["."], labels=["first"])
    lines = [b'{"id": %d, "text": "%s"}' % (n, source.randbytes(300).hex().encode())
             for n in range(60)]  # fmt: skip
    truth.records = {"t.jsonl": b"\n".join(lines)}
    said: dict[str, Fields] = {f"k{n}": (source.getrandbits(60), "ab"[n % 2]) for n in range(9)}
    for form in FORMS.values():
        truth.records.setdefault(form.file, form.write(said))
    work.write(truth.records)
    for form in FORMS.values():
        asked = {"key_field": "id"} if form.file == "t.jsonl" else form.asked
        work.ds.add([form.file], records=True, labels=["first"], **asked)  # type: ignore[arg-type]
    work.ds.commit("one")
    work.ds.tag("v1")
    changed = bytearray(files["large.bin"])
    changed[1 << 20] ^= 1
    work.write({"large.bin": bytes(changed), "text/0.txt": "new", "text/1.txt": "newer"})
    work.ds.remove(["img/3.jpg"])
    work.commit("two")
    work.ds.label(["img"], add=["photo"])
    work.ds.commit("three")
    work.ds.add({"late": b"late"}, labels=["late"])
    work.ds.commit("four")
    work.ds.tag("v4", message="the latest")
    work.write({"staged": "staged", "text/2.txt": "staged too"})
    work.ds.add(["staged", "text/2.txt"])
    work.ds.label(["text/5.txt"], set=["staged"])
    work.write({"text/9.txt": "unsaved", "untracked": "u"})
    for number in range(1, 5):
        truth.snapshots[number] = work.snapshot(number)
        truth.ids[number] = work.ds.changeset(number).id
    truth.tags = {"v1": 1, "v4": 4}
    for name, query in {"photos": ["photo"], "old": ["first"]}.items():
        view = work.ds.prepare(labels=query, at=3, name=name)
        content = {example.path: example.bytes for example in view}
        truth.views[name] = (view.version, content)
    truth.status = work.ds.status()
    work.repo.close()
    base = folder / ".dsm"
    truth.files = sorted(
        path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()
    )
    return truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Truth]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot_module, "OVERLAY_CHANGESETS", 1)  # so that there are caches
        yield built(tmp_path_factory.mktemp("truth") / "work")


def opened(root: Path) -> Catalog:
    environment = Environment(Clock(), author=lambda _: "tester", current_folder=lambda: str(root))
    return Catalog(str(root), environment)


def damage(base: Path, name: str, how: str, source: random.Random, others: list[str]) -> bool:
    """Damages one file; False when that leaves it as it is."""
    path = base / name
    data = path.read_bytes()
    changed = bytearray(data)
    if how == "flip" and data:
        changed[source.randrange(len(data))] ^= 1 << source.randrange(8)
    elif how == "cut" and data:
        del changed[source.randrange(len(data)) :]
    elif how == "stretch":
        changed += source.randbytes(source.randint(1, 100))
    elif how == "empty":
        changed.clear()
    elif how == "swap":
        changed = bytearray((base / source.choice(others)).read_bytes())
    elif how == "delete":
        path.unlink()
        return True
    elif how == "rename":
        stem, dot, end = path.name.rpartition(".")
        at = source.randrange(len(stem or end))
        letter = source.choice("0123456789abcdef")
        new = (stem or end)[:at] + letter + (stem or end)[at + 1 :] + (dot + end if stem else "")
        if source.random() < 0.2:
            new = path.name + "~"
        if (path.parent / new).exists():
            return False
        path.rename(path.parent / new)
        return True
    if bytes(changed) == data:
        return False
    path.chmod(0o644)
    path.write_bytes(changed)
    return True


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Whatever goes wrong is an error of ours."""
    with contextlib.suppress(DsmError):
        yield


def check_answers(root: Path, truth: Truth, lacking: bool) -> tuple[set[tuple[int, str]], bool]:
    """Asks everything; each answer is right or refused. Returns what could not be read, and whether
    all answers were given. `lacking` allows that something is not there."""
    unreadable: set[tuple[int, str]] = set()
    complete = False
    with refused():
        repo = opened(root)
        try:
            unreadable, complete = _ask(repo, root, truth, lacking)
        finally:
            repo.close()
    return unreadable, complete


def _ask(
    repo: Catalog, root: Path, truth: Truth, lacking: bool
) -> tuple[set[tuple[int, str]], bool]:
    unreadable: set[tuple[int, str]] = set()
    answered = 0
    ds = repo.dataset("data")
    for number, state in truth.snapshots.items():
        with refused():
            assert ds.changeset(number).id == truth.ids[number]
            rows = ds.snapshot(number).select(["path", "labels", "object"]).to_pylist()
            assert [(row["path"], tuple(row["labels"])) for row in rows] == [
                (path, labels) for path, (_, labels) in sorted(state.items())
            ]
            for row in rows:
                try:
                    assert repo.store.read(row["object"]) == state[row["path"]][0]
                except DsmError:
                    unreadable.add((number, row["path"]))
            answered += 1
        with refused():
            out = root / f"out{number}"
            try:
                ds.restore(source=number, to=str(out))
                answered += 1
            finally:
                for path in out.rglob("*"):
                    if path.is_file():
                        name = str(path.relative_to(out))
                        known = truth.records.get(name) or state[name][0]
                        assert path.read_bytes() == known
    with refused():
        assert [c.id for c in ds.log()] == list(truth.ids.values())[::-1] or lacking
        answered += 1
    for tag, number in truth.tags.items():
        with refused():
            assert ds.resolve(tag) == number
            answered += 1
    for name, (version, content) in truth.views.items():
        with refused():
            view = repo.view(version)
            assert repo.view(name).version == version or lacking
            with tarfile.open(view.get(str(root / "tars"), format="tar").path) as reader:
                found = {m.name: reader.extractfile(m).read() for m in reader}  # type: ignore[union-attr]
            assert found == content
            answered += 1
    with refused():
        assert _same_status(ds, truth) or lacking
        answered += 1
    return unreadable, answered == 2 * len(truth.snapshots) + len(truth.tags) + len(truth.views) + 2


def _same_status(ds: Dataset, truth: Truth) -> bool:
    assert truth.status is not None
    status = ds.status()
    outside = {path for path in status.untracked if not path.startswith(("out", "tars/"))}
    return (status.head, status.staged, status.unstaged, outside) == (
        truth.status.head, truth.status.staged, truth.status.unstaged, set(truth.status.untracked)
    )  # fmt: skip


def check_found(root: Path) -> FsckReport | None:
    """Runs a full fsck; None when the repository cannot even be opened, which is a finding."""
    try:
        repo = opened(root)
    except DsmError:
        return None
    try:
        return fsck(repo, full=True)
    finally:
        repo.close()


def named(report: FsckReport) -> set[tuple[int, str]]:
    return {(number, path) for f in report.findings for _, number, path in f.examples}


# Files that may go without anybody being wronged: tags are deleted by a command, a view that nobody
# named is asked for by nobody, a name is kept by its document too, and all but the stage of `local`
# is derived. Without its log, the record of absent examples is an older one, which is allowed: what
# it does not know of is taken for never been here, and not for deleted.
def may_vanish(name: str, how: str) -> bool:
    if name.endswith("/.absent/log"):
        return how in ("delete", "rename")
    shared = any(folder in name for folder in ("/tags/", "/views/"))
    return how == "delete" and (shared or name.startswith(("local/", "names/")))


def is_derived(name: str) -> bool:
    return name.startswith("local/") and "/stage/" not in name


@pytest.mark.parametrize("case", range(CASES))
def test_damage_is_found_and_hands_out_nothing_wrong(
    truth: Truth, tmp_path: Path, case: int
) -> None:
    """Whatever happens to whichever file, fsck finds it and every answer is right or refused."""
    source = random.Random(f"case {case}")
    how = HOWS[case % len(HOWS)]
    kinds: dict[str, list[str]] = {}
    for name in truth.files:
        if "/settings/" in name:
            continue  # a case each of its own
        kinds.setdefault(os.path.dirname(name).partition("packs/")[1] or os.path.dirname(name), [])
        kinds[os.path.dirname(name).partition("packs/")[1] or os.path.dirname(name)].append(name)
    groups = sorted(kinds)
    name = source.choice(kinds[groups[(case // len(HOWS)) % len(groups)]])
    root = tmp_path / "work"
    shutil.copytree(truth.root, root, symlinks=True)
    if damage(root / ".dsm", name, how, source, truth.files):
        check_damaged(root, truth, name, how)
    shutil.rmtree(root)  # what 500 cases leave fills a small disk


def test_every_document_that_is_lost_or_cut_is_found(truth: Truth, tmp_path: Path) -> None:
    """Each in turn: cut, it is a finding of a quick fsck; deleted, too, unless it may vanish."""
    base = tmp_path / "work" / ".dsm"
    shutil.copytree(truth.root, base.parent, symlinks=True)
    unseen = set()
    for name in truth.files:
        path = base / name
        if path.suffix != ".json" or name.startswith("local/"):
            continue
        data = path.read_bytes()
        for how in ("delete", "cut"):
            path.unlink(missing_ok=True)
            if how == "cut":
                path.write_bytes(data[: len(data) // 2])
            try:
                with opened(base.parent) as repo:
                    found = bool(fsck(repo).findings)
            except DsmError:
                found = True
            if not found and not may_vanish(name, how):
                unseen.add((how, name))
        path.write_bytes(data)
    assert unseen == set()


def test_the_number_of_lost_settings_is_not_given_again(truth: Truth, tmp_path: Path) -> None:
    """What is set after the newest settings were lost leaves their number to them, and the gap."""
    root = tmp_path / "work"
    shutil.copytree(truth.root, root, symlinks=True)
    lost = [name for name in truth.files if "/settings/" in name][-1]
    (root / ".dsm" / lost).unlink()
    number = int(Path(lost).stem)
    with opened(root) as repo:
        repo.dataset("data").set_pattern("{label}/*")
        assert (root / ".dsm" / lost).with_name(f"{number + 1:08d}.json").exists()
        assert [(f.where, f.what) for f in fsck(repo).findings] == [
            (f".dsm/{lost}", f"settings {number} of dataset data are missing")
        ]


@pytest.mark.parametrize("how", HOWS)
def test_damaged_settings_are_found(truth: Truth, tmp_path: Path, how: str) -> None:
    """How files of records are read is said by a document, and no damage to it goes unseen."""
    name = [name for name in truth.files if "/settings/" in name][-1]
    root = tmp_path / "work"
    shutil.copytree(truth.root, root, symlinks=True)
    others = [each for each in truth.files if each != name]
    if damage(root / ".dsm", name, how, random.Random(how), others):
        check_damaged(root, truth, name, how)


def check_damaged(root: Path, truth: Truth, name: str, how: str) -> None:
    about = f"{how} {name}"
    report = check_found(root)
    # A log may end in the middle of a record, as a power cut leaves it: that is told, and no more.
    torn = name.endswith("/log") and report is not None and "unfinished record" in str(report.notes)
    is_found = report is None or bool(report.findings) or torn
    if not is_derived(name) and not may_vanish(name, how):
        assert is_found, about
    lacking = how in ("delete", "rename")
    unreadable, complete = check_answers(root, truth, lacking)
    if is_derived(name):
        assert complete, about
    if report is not None and name.startswith("packs/"):
        assert {_put_by(truth, pair) for pair in unreadable} <= named(report), about
    assert not unreadable or is_found, about


def test_an_undamaged_repository_is_clean(truth: Truth, tmp_path: Path) -> None:
    """The same questions of an undamaged copy are all answered, and fsck finds nothing."""
    root = tmp_path / "work"
    shutil.copytree(truth.root, root, symlinks=True)
    report = check_found(root)
    assert report is not None and report.findings == ()
    assert check_answers(root, truth, False) == (set(), True)


def test_every_object_of_a_lost_pack_is_named(truth: Truth, tmp_path: Path) -> None:
    """For each pack: without it, exactly the examples that it held are named."""
    for name in [name for name in truth.files if name.startswith("packs/")]:
        root = tmp_path / name.replace("/", "-")
        shutil.copytree(truth.root, root, symlinks=True)
        (root / ".dsm" / name).unlink()
        unreadable, _ = check_answers(root, truth, False)
        for full in (False, True):
            repo = opened(root)
            report = fsck(repo, full=full)
            repo.close()
            found = {pair for pair in named(report) if pair[0]}
            # The files of the records are named with them.
            found = {pair for pair in found if pair[1] not in truth.records}
            assert found == {_put_by(truth, pair) for pair in unreadable}


def test_a_lost_dataset_is_found(truth: Truth, tmp_path: Path) -> None:
    """No changeset is left to tell of it, but this machine has seen its head."""
    root = tmp_path / "work"
    shutil.copytree(truth.root, root, symlinks=True)
    shutil.rmtree(root / ".dsm/datasets/data")
    report = check_found(root)
    assert report is not None
    assert [(f.where, f.what) for f in report.findings] == [
        (".dsm/datasets/data/changesets/00000004.json", "changeset 4 was here and is missing")
    ]


def _put_by(truth: Truth, pair: tuple[int, str]) -> tuple[int, str]:
    """The changeset that last put an example, which is the one that fsck names."""
    number, path = pair
    while number > 1 and truth.snapshots[number - 1].get(path) == truth.snapshots[number][path]:
        number -= 1
    return number, path
