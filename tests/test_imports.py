"""What imports what: layers, rooms, circles, confined packages, and what is imported late."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from source_tree import (
    PACKAGE,
    ROOT,
    Import,
    imports_of,
    layer_of,
    module_of,
    shown,
    sources,
)

# Low to high: a module imports from its own layer and from those before it.
LAYERS = [
    "errors",
    "defects",
    "version",
    "imports",
    "progress",
    "steps",
    "posting",
    "model",
    "format",
    "store",
    "records",
    "files",
    "repo",
    "history",
    "sources",
    "worktree",
    "statistics",
    "near",
    "views",
    "runs",
    "evaluation",
    "checks",
    "dataset_history",
    "dataset_undo",
    "dataset_checks",
    "datasets",
    "example_sets",
    "report",
    "lineage",
    "remotes",
    "catalog",
    "maintenance",
    "answers",
    "alerts",
    "api",
    "torch",
    "filesystem",
    "mlflow",
    "tracking",
    "cli",
]

# Imports that only a type checker sees may point up where they are listed here.
UPWARD_FOR_TYPES: set[tuple[str, str]] = set()

# Files that import each other in a circle, in functions or for types: none of them can be understood
# without the others.
KNOWN_CIRCLES: set[frozenset[str]] = set()

# Within `views`, low to high: a room imports from its own, and from those before it. Reading and
# writing stand side by side, and comparison beside whatever is above a selection.
VIEW_ROOMS: dict[str, set[str]] = {
    "filters": set(),
    "query": {"filters"},
    "selection": {"filters", "query"},
    "source_rows": {"filters", "query", "selection"},
    "reading": {"filters", "query", "selection", "source_rows"},
    "writing": {"filters", "query", "selection", "source_rows"},
    "comparison": {"filters", "query", "selection"},
    "view": {"filters", "query", "selection", "source_rows", "reading", "writing", "comparison"},
    "prepare": {"filters", "query", "selection", "view"},
    "split": {"filters", "query", "selection", "comparison", "view", "prepare"},
    "segment": {"filters", "query", "selection", "comparison", "view", "prepare"},
    "series": {"filters", "query", "selection", "view"},
}  # fmt: skip

# Third-party package -> the places that may import it.
CONFINED = {
    "typer": ("cli/",),
    "rich": ("cli/",),
    "zstandard": ("store/codec.py", "records/compressed.py", "views/writing/compression.py"),
    "pyfastcdc": ("store/chunks.py",),
    "tomlkit": ("repo/config.py",),
    "pyarrow": (
        "format/manifest.py", "format/predictions.py", "evaluation/", "lineage/", "records/", "history/", "sources/", "statistics/", "near/", "report/", "views/", "checks/", "maintenance/uses.py", "maintenance/spill.py",
        "worktree/pick_file.py",
        "worktree/label_file.py",  # a label file may be Parquet
        "worktree/hub_dataset.py",  # datasets of Hugging Face are
        "remotes/incoming.py", "answers/", "dataset_history.py", "datasets.py", "example_sets.py", "torch.py", "filesystem.py",  # for types only
    ),
    "blake3": (
        "format/", "store/", "records/", "files/", "repo/", "model/record_path.py", "history/", "worktree/", "views/", "maintenance/",
        "sources/", "remotes/", "checks/contract.py", "runs/",
    ),
    "fsspec": ("filesystem.py", "remotes/fsspec_files.py"),
    "obstore": ("remotes/object_store.py",),
    "botocore": ("remotes/object_store.py", "remotes/forked_s3.py"),
    "asyncssh": ("remotes/sftp.py",),
    "webdav4": ("remotes/webdav.py",),
    "torch": ("torch.py",),
    "adbc_driver_manager": ("sources/",),
    "keyring": ("api.py",),
    "PIL": ("views/reading/decoded.py", "near/images.py", "checks/probes/image.py", "checks/probes/brightness.py"),
    "numpy": ("evaluation/", "near/", "checks/isolation_forest.py"),
    "pandas": ("views/reading/data_frame.py",),
    "pandera": ("checks/schema_job.py",),
    "sklearn": ("checks/isolation_forest.py",),
    "soundfile": ("views/reading/decoded.py", "checks/probes/audio.py"),
    "datasets": ("views/writing/to_hf.py",),
    "apprise": ("alerts/send.py",),
    "yaml": ("runs/parameters_file.py",),
    "mlflow": ("mlflow.py", "views/writing/to_mlflow.py", "runs/to_mlflow.py"),
}  # fmt: skip

# Files that import modules of ours in functions, and why not at their top; a folder stands for its
# files. Heavy libraries (CONFINED) may be imported late wherever they belong.
LATE = {
    "__init__.py": "`import dsm` loads nothing",
    "__main__.py": "--version loads nothing, and how failures are told is loaded after one",
    "api.py": "what init alone needs, or the secret of a source",
    "catalog.py": "a command that opens no view loads none",
    "dataset_checks.py": "few commands ask the rules of a contract, or for figures",
    "dataset_history.py": "each verb loads its own layers: log and tags need no view, no Arrow",
    "dataset_undo.py": "who goes back loads what goes back",
    "datasets.py": "each verb loads its own layers: log no work tree, status no view",
    "filesystem.py": "fsspec imports it to look at its classes alone",
    "answers/comparison.py": "rows are read by Arrow",
    "answers/queries.py": "columns are told by Arrow, and most answers have none",
    "checks/subjects.py": "few rules read content",
    "checks/rule.py": "what is staged is judged without Arrow when it is nothing",
    "cli/": "a command loads what its options ask for",
    "evaluation/predictions.py": "predictions are added without NumPy",
    "example_sets.py": "few figures are of content, which probes decode",
    "format/header.py": "few changesets have trailers or a verdict",
    "history/": "rows are read and folded by Arrow; status and log need none",
    "mlflow.py": "MLflow loads its plug-ins to look at their classes alone",
    "near/door.py": "NumPy and Pillow are an extra, and slow to load",
    "model/example.py": "a time as datetime is made for who asks for one",
    "repo/dataset_settings.py": "few datasets have records",
    "repo/repository.py": "what reads no content opens no store",
    "remotes/": "a command loads the library of the place that it reaches",
    "tracking.py": "few runs tell OpenLineage",
    "views/": "a form, a comparison or the rows of sources are loaded where they are asked for",
    "worktree/": "status and add of what is unchanged need no Arrow, no store and no source",
}

# Parts of Python that may be imported late: slow to load, or for a rare branch.
LATE_STDLIB = {
    "_thread", "concurrent", "csv", "ctypes", "datetime", "decimal", "difflib", "gc", "hashlib",
    "importlib", "io", "json", "logging", "mmap", "pwd", "queue", "select", "signal", "subprocess",
    "threading", "time", "tomllib", "traceback", "unicodedata", "uuid",
}  # fmt: skip


def test_every_layer_is_in_the_list() -> None:
    """A new folder or module at the top says where it stands."""
    found = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.name[0] != "_"}
    found -= {"py.typed"}
    assert sorted(LAYERS) == sorted(found)


def test_imports_point_down() -> None:
    """No module imports from a layer above its own, not in a function and not for types either."""
    upward = []
    for path in sources():
        mine = layer_of(module_of(path))
        if mine is None:
            continue
        for found in imports_of(path):
            theirs = layer_of(found.module)
            if theirs not in LAYERS or LAYERS.index(theirs) <= LAYERS.index(mine):
                continue
            if not (found.for_types and (mine, theirs) in UPWARD_FOR_TYPES):
                upward.append(f"{found.place}:{found.line}: {mine} must not import {theirs}")
    assert sorted(set(upward)) == []


def test_rooms_of_views_import_down() -> None:
    """A query knows no data, a selection nothing that reads or writes it, and none knows a view."""
    folder = PACKAGE / "views"
    rooms = {path.name.removesuffix(".py") for path in folder.iterdir() if path.name[0] != "_"}
    assert set(VIEW_ROOMS) == rooms
    upward = {
        f"{found.place}:{found.line}: {mine} must not import {theirs}"
        for path in sources() if (folder in path.parents and path.parent.name != "views") or path in
        (folder / "view.py", folder / "prepare.py")
        for found in imports_of(path) if found.module.startswith("dsm.views.")
        for mine in [path.relative_to(folder).parts[0].removesuffix(".py")]
        for theirs in [found.module.split(".")[2]]
        if theirs in VIEW_ROOMS and theirs != mine and theirs not in VIEW_ROOMS[mine]
    }  # fmt: skip
    assert sorted(upward) == []


def imported_files(path: Path) -> set[str]:
    """The files of the package that a file imports: in functions and for type checkers, too."""
    found = set()
    for imported in imports_of(path):
        place = ROOT / imported.module.replace(".", "/")
        found.add(shown(place.with_suffix(".py")))
    return found & {shown(path) for path in sources()}


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The files that reach each other, circle by circle (Tarjan's strong components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    found = set()

    def visit(file: str) -> None:
        order[file] = lowest[file] = len(order)
        open_.append(file)
        for other in graph[file]:
            if other not in order:
                visit(other)
                lowest[file] = min(lowest[file], lowest[other])
            elif other in open_:
                lowest[file] = min(lowest[file], order[other])
        if lowest[file] == order[file]:
            at = open_.index(file)
            circle = frozenset(open_[at:])
            del open_[at:]
            if len(circle) > 1:
                found.add(circle)

    for file in graph:
        if file not in order:
            visit(file)
    return found


def test_files_import_in_no_circle() -> None:
    """A file can be read from what it imports upwards: no two need each other."""
    found = circles({shown(path): imported_files(path) for path in sources()})
    assert found == KNOWN_CIRCLES


def test_a_circle_is_found() -> None:
    """Circles of two, of three and through a shared file are seen; what only leads there is not."""
    graph = {"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"e"}, "e": {"c"}, "f": {"c"}}
    assert {frozenset("ab"), frozenset("cde")} == circles(graph)


@cache
def loads(module: str) -> frozenset[str]:
    """Returns the modules of ours that are loaded with one, itself among them."""
    found, waiting = set(), [module]
    while waiting:
        path = ROOT / (waiting[-1].replace(".", "/") + ".py")
        name = waiting.pop()
        if name in found or not path.is_file():
            continue
        found.add(name)
        waiting += [i.module for i in imports_of(path) if not (i.late or i.for_types)]
    return frozenset(found)


def late_imports() -> Iterator[tuple[Path, Import]]:
    for path in sources():
        for found in imports_of(path):
            if found.late and not found.for_types:
                yield path, found


def test_modules_are_imported_at_the_top() -> None:
    """What a function imports stands on a list with the reason, and nothing is there in vain."""
    places, modules, strays = set(), set(), []
    for path, found in late_imports():
        root = found.module.split(".")[0]
        place = path.relative_to(PACKAGE).as_posix()
        if root == "dsm":
            listed = [each for each in LATE if place == each or place.startswith(each[:-1] + "/")]
            places.update(listed)
            strays += [] if listed else [f"{found.place}:{found.line}: {found.module}"]
        elif root in CONFINED:
            continue
        elif root in LATE_STDLIB:
            modules.add(root)
        else:
            strays.append(f"{found.place}:{found.line}: {found.module}")
    assert strays == []
    assert (set(LATE) - places, LATE_STDLIB - modules) == (set(), set())


def test_no_import_is_late_in_vain() -> None:
    """A function imports no module that its file has loaded already."""
    vain = [
        f"{found.place}:{found.line}: {found.module}"
        for path, found in late_imports()
        if found.module in loads(module_of(path))
    ]
    assert vain == []


def test_nothing_imports_the_package_itself() -> None:
    """Inside the package modules are named in full: `import dsm` would hide the layer."""
    found = [
        f"{imported.place}:{imported.line}"
        for path in sources() if path.parent != PACKAGE
        for imported in imports_of(path) if imported.module == "dsm"
        and not imported.place.startswith("dsm/cli/")
    ]  # fmt: skip
    assert found == []


def test_history_does_not_know_the_work_tree() -> None:
    """History is served without files: the work tree stands on it, not beside it."""
    assert LAYERS.index("history") < LAYERS.index("worktree")
    found = [
        f"{imported.place}:{imported.line}"
        for path in sources() if layer_of(module_of(path)) == "history"
        for imported in imports_of(path) if layer_of(imported.module) == "worktree"
    ]  # fmt: skip
    assert found == []


@pytest.mark.parametrize("package", CONFINED)
def test_third_party_packages_stay_where_they_belong(package: str) -> None:
    """Each library is behind one door: it can be replaced, and nothing loads it by accident."""
    folders = tuple(f"dsm/{place}" for place in CONFINED[package] if place.endswith("/"))
    files = {f"dsm/{place}" for place in CONFINED[package]}
    strays = [
        f"{found.place}:{found.line}"
        for path in sources()
        for found in imports_of(path)
        if found.module.split(".")[0] == package
        and found.place not in files
        and not found.place.startswith(folders or ("nowhere",))
    ]
    assert sorted(set(strays)) == []


def test_no_other_third_party_package_is_used() -> None:
    """Whatever is imported is part of Python, of this package, or in the table above."""

    known = {*sys.stdlib_module_names, "dsm", *CONFINED}
    strays = {
        f"{found.place}:{found.line}: {found.module}"
        for path in sources()
        for found in imports_of(path)
        if found.module.split(".")[0] not in known
    }
    assert sorted(strays) == []


def test_datasets_import_pyarrow_for_types_only() -> None:
    """The nouns that people use load without Arrow."""
    found = [
        f"{found.place}:{found.line}"
        for name in ("datasets.py", "dataset_history.py", "dataset_checks.py", "catalog.py")
        for found in imports_of(PACKAGE / name)
        if found.module.split(".")[0] == "pyarrow" and not found.for_types
    ]
    assert found == []
