"""The shape of the code as a test: names, sizes, what the library may ask, what is told."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from source_tree import (
    PACKAGE,
    ROOT,
    layer_of,
    module_of,
    shown,
    sources,
    tree_of,
)

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
    """Below the edges there is no terminal, environment, clock or user: they arrive as arguments."""
    strays = []
    for path in sources():
        if layer_of(module_of(path)) in (None, "api", "tracking", "cli"):
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
