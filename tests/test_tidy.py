"""The shape of the code as a test: layers, confinement, names, sizes, what the library may ask."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dsm"

# Low to high: a module imports from its own layer and from those before it.
LAYERS = [
    "errors",
    "defects",
    "version",
    "imports",
    "progress",
    "model",
    "format",
    "store",
    "files",
    "repo",
    "history",
    "sources",
    "worktree",
    "views",
    "dataset_history",
    "datasets",
    "catalog",
    "maintenance",
    "answers",
    "api",
    "torch",
    "filesystem",
    "cli",
]
# The package itself (`dsm.open`) and `python -m dsm` stand above all layers.
ENTRANCES = {"__init__", "__main__"}
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
}  # fmt: skip

# Third-party package -> the places that may import it.
CONFINED = {
    "typer": ("cli/",),
    "rich": ("cli/",),
    "zstandard": ("store/codec.py", "views/writing/compression.py"),
    "pyfastcdc": ("store/chunks.py",),
    "tomlkit": ("repo/config.py",),
    "pyarrow": (
        "format/manifest.py", "history/", "sources/", "views/", "maintenance/references.py", "maintenance/spill.py",
        "worktree/label_file.py",  # a label file may be Parquet
        "answers/", "dataset_history.py", "datasets.py", "torch.py", "filesystem.py",  # for types only
    ),
    "blake3": (
        "format/", "store/", "files/", "repo/", "history/", "worktree/", "views/", "maintenance/",
        "sources/",
    ),
    "fsspec": ("filesystem.py",),
    "torch": ("torch.py",),
    "adbc_driver_manager": ("sources/",),
    "keyring": ("api.py",),
    "PIL": ("views/reading/decoded.py",),
}  # fmt: skip

# Files that import modules of ours in functions, and why not at their top; a folder stands for its
# files. Heavy libraries (CONFINED) may be imported late wherever they belong.
LATE = {
    "__init__.py": "`import dsm` loads nothing",
    "__main__.py": "--version loads nothing, and how failures are told is loaded after one",
    "api.py": "what init alone needs, or the secret of a source",
    "catalog.py": "a command that opens no view loads none",
    "dataset_history.py": "each verb loads its own layers: log and tags need no view, no Arrow",
    "datasets.py": "each verb loads its own layers: log no work tree, status no view",
    "filesystem.py": "fsspec imports it to look at its classes alone",
    "answers/comparison.py": "rows are read by Arrow",
    "answers/queries.py": "columns are told by Arrow, and most answers have none",
    "cli/": "a command loads what its options ask for",
    "history/": "rows are read and folded by Arrow; status and log need none",
    "repo/repository.py": "what reads no content opens no store",
    "views/": "a form, a comparison or the rows of sources are loaded where they are asked for",
    "worktree/": "status and add of what is unchanged need no Arrow, no store and no source",
}
# Parts of Python that may be imported late: slow to load, or for a rare branch.
LATE_STDLIB = {
    "_thread", "concurrent", "csv", "ctypes", "datetime", "decimal", "difflib", "gc", "hashlib",
    "importlib", "io", "json", "logging", "mmap", "pwd", "queue", "select", "signal", "subprocess",
    "threading", "time", "tomllib", "traceback", "unicodedata", "uuid",
}  # fmt: skip

BAG_NAMES = (
    "util", "utils", "helper", "helpers", "common", "misc", "base", "core", "manager", "handler",
    "service", "processor",
)  # fmt: skip
# A class of this name says what it is: the checked first part of an index file, beside its log.
NOT_BAGS = {"dsm/format/index.py Base"}

# Values that are made row by row, where keywords would cost as much again.
POSITIONAL = {"Example", "Rows"}

# Names with `_` that belong to other libraries and have no public form.
FOREIGN_PRIVATE = {
    "os._exit", "hashlib._Hash", "_replace", "_fields", "_import_from_c", "_driver_path",
    "_protected_args", "_main_shell_completion",
}  # fmt: skip

FILE_LINES_MAX = 500
POSITIONAL_MAX = 6
FUNCTION_LINES_MAX = 70
INIT_LINES_MAX = 40

# Below `api` nothing asks the terminal, the environment, the clock or the user: they are arguments.
OUTSIDE_WORLD = {
    "print", "input", "sys.stdin", "sys.stdout", "sys.stderr", "os.environ", "os.getenv", "os.environb", "os.getenvb", "os.putenv",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "datetime.now",
    "datetime.datetime.now", "datetime.utcnow", "datetime.datetime.utcnow", "datetime.today",
    "datetime.datetime.today", "date.today", "datetime.date.today", "getpass.getuser",
    "sys.__stdin__", "sys.__stdout__", "sys.__stderr__",
    "getpass.getpass", "os.getlogin", "os.path.expanduser", "pwd.getpwuid",
}  # fmt: skip


@dataclass(frozen=True)
class Import:
    """One imported module, as written; `for_types` when only a type checker sees it, `late` when a
    function imports it."""

    place: str
    line: int
    module: str
    for_types: bool
    late: bool = False


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def layer_of(module: str) -> str | None:
    """`dsm.store.disk` -> `store`; None for the entrances and for other packages."""
    parts = module.split(".")
    if parts[0] != "dsm" or len(parts) < 2 or parts[1] in ENTRANCES:
        return None
    return parts[1]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_type_check(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def is_program(node: ast.AST) -> bool:
    """Whether it runs only where the file is started as a program, and not as a module."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def imports_of(path: Path) -> Iterator[Import]:
    """Yields every import in a file, at any depth: in functions, and for type checkers only."""
    package = module_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]

    def walk(node: ast.AST, for_types: bool, late: bool) -> Iterator[Import]:
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, node.module] if node.module else above)
            # `from dsm import api` imports dsm.api
            modules = [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                modules = [name.value]
        for module in modules:
            yield Import(shown(path), getattr(node, "lineno", 0), module, for_types, late)
        late = late or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in [] if is_program(node) else ast.iter_child_nodes(node):
            yield from walk(child, for_types or is_type_check(node), late)

    return walk(tree_of(path), False, False)


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
    import sys

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
        for name in ("datasets.py", "dataset_history.py", "catalog.py")
        for found in imports_of(PACKAGE / name)
        if found.module.split(".")[0] == "pyarrow" and not found.for_types
    ]
    assert found == []


def test_no_bag_names() -> None:
    """Modules and classes are named for what they are: `utils` and `Manager` say nothing."""
    strays = []
    for path in sources():
        if path.stem.lower() in BAG_NAMES or path.parent.name.lower() in BAG_NAMES:
            strays.append(shown(path))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                last_word = re.findall(r"[A-Z][a-z0-9]*|[a-z0-9]+", node.name)[-1].lower()
                if last_word in BAG_NAMES and f"{shown(path)} {node.name}" not in NOT_BAGS:
                    strays.append(f"{shown(path)}:{node.lineno}: class {node.name}")
    assert strays == []


def test_files_are_short() -> None:
    """A file of more than 500 lines hides its shape: split it by noun."""
    lengths = {shown(path): len(path.read_text().splitlines()) for path in sources()}
    long = {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX}
    assert long == {}


def test_functions_are_short() -> None:
    """A function of more than 70 lines does more than one thing."""
    long = {}
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{shown(path)}:{node.lineno} {node.name}"] = lines
    assert long == {}


def private_uses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yields (line, what) where a file uses a private name of another file's class or module."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"):
            own.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dsm":
            names, own = [alias.name for alias in node.names], own - {a.name for a in node.names}
        for name in names:
            if name.startswith("_") and not name.endswith("__") and name not in own:
                yield node.lineno, ast.unparse(node)


def test_private_names_stay_in_their_file() -> None:
    """What begins with `_` is used in the file that has it, and nowhere else."""
    found = [
        f"{shown(path)}:{line}: {what}"
        for path in sources()
        for line, what in private_uses(tree_of(path))
        if what not in FOREIGN_PRIVATE and what.rpartition(".")[2] not in FOREIGN_PRIVATE
    ]
    assert found == []


def test_a_private_use_is_found() -> None:
    """Another object's private name is told, one of the same file is not."""
    text = "class A:\n  def f(self, other):\n    self._x = other._x\n    return other._y\n"
    assert list(private_uses(ast.parse(text))) == [(4, "other._y")]
    text = "from dsm.store.packs import _opened, Pack\n"
    assert [line for line, _ in private_uses(ast.parse(text))] == [1]


def test_large_values_are_made_by_keyword() -> None:
    """A class that takes more than six values is given them by name: a place in a row says little."""
    strays = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and len(node.args) > POSITIONAL_MAX:
                name = ast.unparse(node.func).split(".")[-1]
                if name.lstrip("_")[:1].isupper() and name not in POSITIONAL:
                    strays.append(f"{shown(path)}:{node.lineno}: {name}")
    assert strays == []


def test_every_module_says_what_it_hides() -> None:
    """A module begins with a docstring."""
    assert [shown(path) for path in sources() if not ast.get_docstring(tree_of(path))] == []


def test_packages_hold_no_code() -> None:
    """`__init__.py` is a docstring and re-exports; its functions are the lazy `__getattr__`, and
    `__dir__`, which tells of it."""
    strays = []
    for path in sources():
        if path.name == "__init__.py":
            if len(path.read_text().splitlines()) > INIT_LINES_MAX:
                strays.append(f"{shown(path)} is too long")
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.ClassDef) or (
                    isinstance(node, ast.FunctionDef)
                    and node.name not in ("__getattr__", "__dir__")
                ):
                    strays.append(f"{shown(path)}:{node.lineno}: {node.name}")
    assert strays == []


def test_the_library_asks_nobody() -> None:
    """Below `api` there is no terminal, environment, clock or user: they arrive as arguments."""
    strays = []
    for path in sources():
        if layer_of(module_of(path)) in (None, "api", "cli"):
            continue
        names: dict[str, str] = {}  # `from time import time as now` is found as well
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                names.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.Attribute, ast.Name)):
                text = ast.unparse(node)
                head, dot, rest = text.partition(".")
                if text in OUTSIDE_WORLD or names.get(head, head) + dot + rest in OUTSIDE_WORLD:
                    strays.append(f"{shown(path)}:{node.lineno}: {text}")
    assert strays == []


def test_codes_of_errors_are_unique() -> None:
    """Each class of error has a code of its own, in words joined by hyphens, and inherits none."""
    classes = [
        (path, node) for path in sources()
        for node in ast.walk(tree_of(path)) if isinstance(node, ast.ClassDef)
    ]  # fmt: skip
    known, codes, silent = {"DsmError"}, list[str](), list[str]()
    while more := {
        node.name for _, node in classes
        if node.name not in known and known & {ast.unparse(base).split(".")[-1] for base in node.bases}
    }:  # fmt: skip
        known |= more
    for path, node in classes:
        if node.name in known:
            code = next(filter(None, map(_code_of, node.body)), None)
            codes += [] if code is None else [code]
            silent += [f"{shown(path)}:{node.lineno}: {node.name}"] if code is None else []
    assert silent == []
    assert sorted(codes) == sorted(set(codes))
    assert [code for code in codes if not re.fullmatch("[a-z]+(-[a-z0-9]+)*", code)] == []
    assert len(codes) > 30


def _code_of(line: ast.stmt) -> str | None:
    """Returns the code that a line of a class sets, alone or with others."""
    if not isinstance(line, ast.Assign):
        return None
    (target,) = line.targets
    pairs = (
        zip(target.elts, line.value.elts, strict=True)
        if isinstance(target, ast.Tuple) and isinstance(line.value, ast.Tuple)
        else [(target, line.value)]
    )
    for name, value in pairs:
        if ast.unparse(name) == "code" and isinstance(value, ast.Constant):
            return str(value.value)
    return None


def test_no_error_is_swallowed_whole() -> None:
    """No bare `except:`, and none that catches everything and passes."""
    strays = []
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ExceptHandler):
                kind = "" if node.type is None else ast.unparse(node.type)
                swallows = all(isinstance(line, (ast.Pass, ast.Continue)) for line in node.body)
                if kind == "" or (kind in ("Exception", "BaseException") and swallows):
                    strays.append(f"{shown(path)}:{node.lineno}")
    assert strays == []


def test_public_library_code_is_told() -> None:
    """Public functions and classes of the library have a docstring, but for what is plain."""
    # A property or a two-line accessor is its name; what a protocol asks for is told there.
    silent = []
    for path in sources():
        if layer_of(module_of(path)) in (None, "cli"):
            continue
        for node in tree_of(path).body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or node.name[0] == "_":
                continue
            if not ast.get_docstring(node) and len(ast.unparse(node).splitlines()) > 4:
                silent.append(f"{shown(path)}:{node.lineno}: {node.name}")
    assert silent == []


def test_format_golden_files_and_pages_go_together() -> None:
    """A module of `dsm.format` has golden bytes; a golden file has its module."""
    files = (ROOT / "tests/golden/format").glob("*.hex")
    golden = {path.name.split("-v")[0].replace("-", "_") for path in files}
    modules = {p.stem for p in (PACKAGE / "format").glob("*.py") if p.stem != "__init__"}
    assert modules == golden
