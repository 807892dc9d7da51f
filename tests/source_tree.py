"""The source files of the package, parsed: what the tests of its shape look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


PACKAGE = ROOT / "dsm"
# The package itself (`dsm.open`) and `python -m dsm` stand above all layers.
ENTRANCES = {"__init__", "__main__"}


@dataclass(frozen=True)
class Import:
    """One imported module, as written; `for_types` when only a type checker sees it, `late` when a
    function imports it."""

    place: str
    line: int
    module: str
    for_types: bool
    late: bool = False


@cache
def sources() -> tuple[Path, ...]:
    return tuple(sorted(PACKAGE.rglob("*.py")))


@cache
def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_type_check(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def is_program(node: ast.AST) -> bool:
    """Whether it runs only where the file is started as a program, and not as a module."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Returns every import in a file, at any depth: in functions, and for type checkers only."""
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

    return tuple(walk(tree_of(path), False, False))


def layer_of(module: str) -> str | None:
    """`dsm.store.disk` -> `store`; None for the entrances and for other packages."""
    parts = module.split(".")
    if parts[0] != "dsm" or len(parts) < 2 or parts[1] in ENTRANCES:
        return None
    return parts[1]
