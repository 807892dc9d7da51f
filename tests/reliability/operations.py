"""Operations that change a repository, the states they start from, and what a repository says.

Every reliability test takes its operations from here: a starting state is built once, copied for
each fault, and compared by `tell`, which puts a whole repository into plain values.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3
from record_forms import FORMS, Fields
from situations import MOMENT

from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.repo.environment import Environment
from dsm.repo.repository import initialise
from dsm.store import disk
from dsm.store.chunks import Chunking
from dsm.store.pack_files import pack_paths

# Small chunks, so that a file of a few kilobytes goes the way of large ones.
CHUNKING = Chunking(256, 1024, 4096, 8192)
LARGE = b"".join(blake3(bytes([n])).digest(length=1024) for n in range(12))


def open_repo(root: Path) -> Catalog:
    """Opens a repository as a new process would, with a fixed clock and author."""
    environment = Environment(lambda: MOMENT, lambda _: "Ada", current_folder=lambda: str(root))
    return Catalog(str(root), environment)


def init(root: Path, dataset: str = "data") -> None:
    """What `dsm init` does, with one worker and small chunks."""
    initialise(
        str(root), "default",
        lambda: {
            "repository": "0" * 32, "org": "default", "created": MOMENT,
            "chunking": CHUNKING.to_json(),
        },
    )  # fmt: skip
    with open_repo(root) as repo:
        if repo.config.get("core.workers") is None:
            repo.config.set("core.workers", "1")
        if dataset not in repo.datasets():
            repo.create_dataset(dataset)


def write(root: Path, files: dict[str, bytes | str]) -> None:
    """Writes files of the work tree."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


# --- starting states -----------------------------------------------------------------------------


def untouched(root: Path) -> None:
    """Files, and no repository."""
    write(root, {"cat/1": "one", "cat/2": "two", "dog/1": "three", "dog/large": LARGE})


def initialised(root: Path) -> None:
    """Files, and a repository that knows none of them."""
    untouched(root)
    init(root)


def staged(root: Path) -> None:
    """Everything added, nothing committed."""
    initialised(root)
    with open_repo(root) as repo:
        repo.dataset().add(["."], labels=["new"])


def committed(root: Path) -> None:
    """Two changesets and a clean work tree."""
    staged(root)
    with open_repo(root) as repo:
        repo.dataset().commit("first")
        write(root, {"cat/1": "one again", "dog/2": "four", "dog/large": LARGE + b"tail"})
        (root / "cat/2").unlink()
        repo.dataset().add(["."], deletions=True)
        repo.dataset().commit("second")


def edited(root: Path) -> None:
    """Two changesets, and changes in the work tree that nobody has added."""
    committed(root)
    write(root, {"cat/1": "one, third time", "fish/1": "five", "dog/large": b"head" + LARGE})
    (root / "dog/1").unlink()


def lines_of(edition: str) -> bytes:
    """A records file of three groups, of which an edition changes the first line alone."""
    rows = (f'{{"id": {n}, "topic": "{"ab"[n % 2]}", "text": "{"x" * 700}"}}\n' for n in range(60))
    return f'{{"id": "first", "topic": "{edition}"}}\n'.encode() + "".join(rows).encode()


GIVEN = [{"id": 1, "topic": "a"}, {"id": 2, "topic": "c"}]


def with_records(root: Path) -> None:
    """Two changesets, a records file in the second one, which was edited since."""
    initialised(root)
    write(root, {"t.jsonl": lines_of("old")})
    with open_repo(root) as repo:
        repo.dataset().add(["cat"])
        repo.dataset().commit("first")
        asked = {"key_field": "id", "label_field": "topic"}
        repo.dataset().add([str(root / "t.jsonl")], records=True, **asked)  # type: ignore[arg-type]
        repo.dataset().commit("second")
    write(root, {"t.jsonl": lines_of("new")})


def with_records_of_each_form(root: Path) -> None:
    """A records file in each format, all of which were edited since they were committed."""
    initialised(root)
    old: dict[str, Fields] = {f"k{n}": (n, "ab"[n % 2]) for n in range(4)}
    write(root, {form.file: form.write(old) for form in FORMS.values()})
    with open_repo(root) as repo:
        for form in FORMS.values():
            repo.dataset().add([str(root / form.file)], records=True, **form.asked)  # type: ignore[arg-type]
        repo.dataset().commit("first")
    new = {**old, "k1": (9, "a"), "k9": (9, "b")}
    write(root, {form.file: form.write(new) for form in FORMS.values()})


def add_records(ds: Dataset, root: Path) -> object:
    return ds.add([str(root / form.file) for form in FORMS.values()])


def without_its_records_file(root: Path) -> None:
    """The same, but the file is gone."""
    with_records(root)
    (root / "t.jsonl").unlink()


def half_staged(root: Path) -> None:
    """Two changesets, a stage of two segments, and a file that is not in it."""
    committed(root)
    with open_repo(root) as repo:
        write(root, {"cat/1": "staged", "bird/1": "staged too"})
        repo.dataset().add(["cat/1", "bird"])
        repo.dataset().label(["dog"], add=["barks"])
    write(root, {"cat/1": "staged, and changed since", "fish/1": "five"})


def spoiled(root: Path) -> None:
    """A clean history whose files are partly gone."""
    committed(root)
    (root / "cat/1").unlink()
    shutil.rmtree(root / "dog")


def littered(root: Path) -> None:
    """Packs without references, a pack that is mostly garbage, leftovers of dead writers."""
    committed(root)
    with open_repo(root) as repo:
        write(root, {"rubbish/1": "1" * 900, "rubbish/2": os.urandom(900)})
        repo.dataset().add(["rubbish"])
        repo.dataset().unstage()
        mixed: dict[str, bytes] = {"kept/1": b"kept", "lost/1": os.urandom(5000)}
        repo.dataset().add(mixed)  # type: ignore[arg-type]
        repo.dataset().unstage([str(root / "lost")])
        repo.dataset().commit("third")
        shutil.rmtree(root / "rubbish")
        write(root, {".dsm/local/tmp/0123456789abcdef-1.pack": b"of a dead writer"})
        write(root, {".dsm/local/tmp/0123456789abcdef.lease": b""})
        name = "a" * 64
        write(root, {f".dsm/datasets/data/manifests/{name}.parquet": b"of a commit that died"})


# --- operations ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """Something that a user does: `run(root)`, from the state that `start(root)` makes.

    `touches` names the files of the work tree that it may write or remove. One that is not `whole`
    works in two steps, and may be met between them: then only its changesets are old or new, and
    running it again may find that its first half is done.
    """

    name: str
    start: Callable[[Path], None]
    run: Callable[[Path], object]
    touches: tuple[str, ...] = ()
    whole: bool = True


def on_dataset(work: Callable[[Dataset, Path], object]) -> Callable[[Path], object]:
    def run(root: Path) -> object:
        with open_repo(root) as repo:
            return work(repo.dataset("data"), root)

    return run


def collect_garbage(root: Path) -> object:
    with open_repo(root) as repo:
        return apply_gc(repo, plan_gc(repo))


def create_dataset(root: Path) -> object:
    with open_repo(root) as repo:
        return repo.create_dataset("other", pattern="{label}/{name}")


FILES = ("cat/1", "cat/2", "dog/1", "dog/2", "dog/large")

OPERATIONS = [
    Operation("init", untouched, init),
    Operation("dataset create", committed, create_dataset),
    Operation("add", initialised, on_dataset(lambda ds, _: ds.add(["."], labels=["new"]))),
    Operation("add again", edited, on_dataset(lambda ds, _: ds.add(["."], deletions=True))),
    Operation("add records again", with_records_of_each_form, on_dataset(add_records)),
    Operation(
        "add given records", with_records,
        on_dataset(lambda ds, _: ds.add_records(GIVEN, name="t.jsonl")),
    ),
    Operation(
        "revert records", without_its_records_file, on_dataset(lambda ds, _: ds.revert(2)),
        ("t.jsonl",),
    ),
    Operation("label", committed, on_dataset(lambda ds, root: ds.label([root / "dog"], set=["d"]))),
    Operation("commit", half_staged, on_dataset(lambda ds, _: ds.commit("third"))),
    Operation(
        "commit paths", half_staged,
        on_dataset(lambda ds, root: ds.commit("third", paths=[root / "cat", root / "fish"])),
    ),
    Operation(
        "commit all", half_staged, on_dataset(lambda ds, _: ds.commit("third", all=True)),
        whole=False,
    ),
    Operation("revert", committed, on_dataset(lambda ds, _: ds.revert(2)), FILES),
    Operation("rollback", committed, on_dataset(lambda ds, _: ds.rollback(1)), FILES),
    Operation("restore", spoiled, on_dataset(lambda ds, _: ds.restore()), FILES),
    Operation(
        "restore elsewhere", committed,
        on_dataset(lambda ds, root: ds.restore(source=1, to=str(root / "out"))),
        tuple(f"out/{name}" for name in FILES),
    ),
    Operation(
        "rm", committed, on_dataset(lambda ds, root: ds.remove([root / "dog"])), FILES, whole=False
    ),
    Operation(
        "mv", committed,
        on_dataset(lambda ds, root: ds.move(str(root / "dog"), str(root / "hound"))),
        ("hound", *FILES), whole=False,
    ),
    Operation("tag", committed, on_dataset(lambda ds, _: ds.tag("v1"))),
    Operation("prepare", committed, on_dataset(lambda ds, _: ds.prepare(labels=["new"], name="n"))),
    Operation(
        "get", committed,
        on_dataset(lambda ds, root: ds.prepare(labels=["new"]).get(str(root / "tars"))),
        ("tars",),
    ),
    Operation("gc --prune", littered, collect_garbage),
    Operation(
        "unstage", half_staged, on_dataset(lambda ds, root: ds.unstage([root / "cat"]))
    ),
    Operation("unstage all", half_staged, on_dataset(lambda ds, _: ds.unstage()), whole=False),
]  # fmt: skip


@cache
def _cached_start(start: Callable[[Path], None]) -> dict[str, bytes | None]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "work")
        root.mkdir()
        start(root)
        return {
            str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
            for path in sorted(root.rglob("*"))
        }


def lay_out(start: Callable[[Path], None], root: Path) -> Path:
    """Makes `root` hold a copy of a starting state, whatever was there."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, content in _cached_start(start).items():
        full = f"{root}/{name}"
        if content is None:
            os.mkdir(full)
        else:
            with open(full, "xb") as file:
                file.write(content)
            # The time of a file becomes that of its example: the same in every copy.
            os.utime(full, ns=(MOMENT * 1000, MOMENT * 1000))
    return root


# --- what a repository says ----------------------------------------------------------------------


def tell(root: Path) -> dict[str, Any]:
    """Puts a repository into plain values, so that two states can be compared.

    Reads through a fresh open, as the next process would.
    """
    if not (root / ".dsm" / "repo.json").exists():
        return {"datasets": {}}
    with open_repo(root) as repo:
        return {"datasets": {name: _tell_dataset(repo.dataset(name)) for name in repo.datasets()}}


def _tell_dataset(ds: Dataset) -> dict[str, Any]:
    staged_rows = {
        path: (segment.rows.kinds[row], segment.rows.oids[row], segment.rows.labels[row])
        for path, (segment, row) in ds.tree.stage.load().where.items()
    }
    return {
        # A manifest's id is the hash of its rows, which fsck checks.
        "changesets": [(c.number, c.message, c.kind, c.manifest, c.examples) for c in ds.log()],
        "stage": staged_rows,
        "tags": [(tag.name, tag.number) for tag in ds.tags()],
    }


def files_of(root: Path) -> dict[str, bytes]:
    """The work tree's files and their bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".dsm" not in path.parts
    }


def problems(root: Path) -> list[str]:
    """What `dsm fsck --full` finds; empty for a whole repository."""
    with open_repo(root) as repo:
        report = fsck(repo, full=True)
        return [f"{finding.kind} {finding.where}: {finding.what}" for finding in report.findings]


def leftovers(root: Path) -> list[str]:
    """Files in `.dsm` that nothing refers to: for gc to remove."""
    base = root / ".dsm" / "local"
    with open_repo(root) as repo:
        plan = plan_gc(repo)
    loose = [str(path) for name in ("tmp", "trash") for path in (base / name).iterdir()]
    return [*loose, *(name for name, _ in plan.packs), *(path for path, _ in plan.files)]


def pack_count(root: Path) -> int:
    return len(pack_paths(str(root / ".dsm" / "packs")))


def primitives_of(run: Callable[[Path], object], root: Path) -> list[tuple[str, str]]:
    """Runs an operation and returns every primitive that it made, in order."""
    seen: list[tuple[str, str]] = []
    with disk.observe(lambda operation, path: seen.append((operation, path))):
        run(root)
    return seen
