"""Every class of error of the package: its code, its name, its group, and where it is caught."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from documented_errors import OWNERS, named, verbs
from situations import Work

import dsm
from dsm import errors
from dsm.errors import AmbiguousName, DsmError
from dsm.maintenance.gc import explain

PACKAGE = Path(dsm.__file__).parent
GROUPS = DsmError.__subclasses__()


# Modules that need a library which is not everywhere: PyTorch, MLflow, and NumPy, which workers leave out.
LEFT_OUT = (
    "dsm.torch",
    "dsm.mlflow",
    "runs.to_mlflow",
    "views.writing.to_mlflow",
    "near.find",
    "near.images",
    "near.ranges",
    "near.texts",
    "near.fingerprints",
)


def error_classes() -> list[type[DsmError]]:
    """Returns the root and every class below it, of every module that can be imported here."""
    for module in pkgutil.walk_packages(dsm.__path__, "dsm."):
        if not module.name.endswith(("__main__", *LEFT_OUT)):
            importlib.import_module(module.name)
    found, waiting = [], [DsmError]
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].__subclasses__()
    ours = [each for each in dict.fromkeys(found) if each.__module__.startswith("dsm.")]
    assert len(ours) > 30
    return ours


def test_no_module_is_left_out() -> None:
    """The modules that the tests of classes do not import add no class of error."""
    names = {each.__name__ for each in error_classes()}
    for module in LEFT_OUT:
        path = PACKAGE / (module.removeprefix("dsm.").replace(".", "/") + ".py")
        found = [c for c in ast.walk(ast.parse(path.read_text())) if isinstance(c, ast.ClassDef)]
        assert {ast.unparse(base) for each in found for base in each.bases} & names == set()


def test_names_are_unique() -> None:
    """No two classes have one name, and none hides a class of Python."""
    shared = Counter(each.__name__ for each in error_classes())
    assert {name: count for name, count in shared.items() if count > 1} == {}
    assert [name for name in shared if hasattr(builtins, name)] == []


def test_a_class_leaves_as_its_group_does() -> None:
    """The groups have an exit status each; a class of a group has that of the group."""
    statuses = {group: group.exit_status for group in GROUPS}
    assert sorted(statuses.values()) == list(range(1, 10))
    for each in error_classes():
        groups = [group for group in GROUPS if issubclass(each, group)]
        if each is not DsmError:
            assert [each.exit_status] == [statuses[group] for group in groups], each


def test_groups_are_told_in_one_place() -> None:
    """What a caller tells apart first is all in dsm.errors, and every class says when it comes."""
    assert [group.__module__ for group in GROUPS] == ["dsm.errors"] * len(GROUPS)
    assert [each for each in error_classes() if not inspect.getdoc(each)] == []
    direct = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, DsmError)]
    assert set(direct) >= {DsmError, *GROUPS}


def handlers() -> Iterator[tuple[str, list[tuple[type[BaseException], ...]]]]:
    """Yields the place of each try and the classes of its handlers, as their modules name them."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name in ("__main__.py", "torch.py"):
            continue
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
        known = {each.__name__: each for each in error_classes()} | vars(builtins) | vars(module)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Try):
                caught = []
                for handler in node.handlers:
                    kinds = (
                        handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                    )
                    named = [each for each in kinds if each is not None]
                    values = [_value(ast.unparse(each), known) for each in named]
                    caught.append(tuple(each for each in values if each is not None))
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", caught


def _value(text: str, known: dict[str, object]) -> type[BaseException] | None:
    """Returns the class that a dotted name means; None for what a function imports for itself."""
    head, *rest = text.split(".")
    value: object = known.get(head)
    for name in rest:
        value = getattr(value, name, None)
    return value if isinstance(value, type) and issubclass(value, BaseException) else None


def test_no_handler_stands_behind_a_wider_one() -> None:
    """Where several errors are caught, a class comes before those that it is a kind of."""
    unreachable, seen = [], 0
    for place, caught in handlers():
        for number, kinds in enumerate(caught):
            before = tuple(each for earlier in caught[:number] for each in earlier)
            unreachable += [f"{place}: {k.__name__}" for k in kinds if issubclass(k, before)]
            seen += len(kinds)
    assert unreachable == []
    assert seen > 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dataset", "create", "a"], "error: there is a dataset 'a' already"),
        (["tag", "v1"], "error: there is a tag 'v1' already"),
        (["prepare", "--path", "x*", "--name", "all"],
         "error: the name 'all' stands for another view already"),
        (["source", "add", "s", "--driver", "sqlite", "--uri-env", "S"],
         "error: there is a source 's' already"),
    ],
)  # fmt: skip
def test_a_taken_name_is_one_kind_of_error(words: list[str], said: str, tmp_path: Path) -> None:
    """Datasets, tags, views and sources: the second of a name is refused with status 2, a hint."""
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "y.txt").write_text("y")

    def run(*line: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dsm", *line]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for line in (
        "init --dataset a", "add x.txt y.txt", "commit -m one", "tag v1", "prepare --name all",
        "source add s --driver sqlite --uri-env S",
    ):  # fmt: skip
        assert run(*line.split()).returncode == 0, line
    done = run(*words)
    assert (done.returncode, done.stdout.strip()[:1], done.stderr.splitlines()[0]) == (2, "", said)
    assert done.stderr.splitlines()[1].startswith("hint: ")


def alike() -> tuple[bytes, bytes]:
    """Returns two contents whose objects' ids begin with the same 8 digits."""
    seen: dict[bytes, bytes] = {}
    for number in range(1_000_000):
        content = b"%d" % number
        other = seen.setdefault(blake3(content).digest()[:4], content)
        if other != content:
            return other, content
    raise AssertionError("a million ids and no two begin alike")


def test_what_could_mean_several_things_is_one_kind_of_error(work: Work) -> None:
    """Objects, views by version and by name: refused with status 2, and all of them are named."""
    contents = alike()
    work.commit("one", a=contents[0].decode(), b=contents[1].decode())
    ids = sorted(blake3(content).hexdigest() for content in contents)
    repo = work.repo
    with pytest.raises(AmbiguousName, match=f"'{ids[0][:8]}' could be 2 objects") as caught:
        explain(repo, ids[0][:8])
    assert caught.value.items == tuple(ids)
    for content, path in zip(contents, "ab", strict=True):
        assert explain(repo, blake3(content).hexdigest()) == [f"changeset 1 of data: {path}"]

    other = repo.create_dataset("other")
    other.add({"c": b"c"})
    other.commit("one")
    versions = sorted(each.prepare(name="all").version for each in (work.ds, other))
    with pytest.raises(AmbiguousName, match="'all' could be 2 views") as caught:
        repo.view("all")
    assert (caught.value.items, caught.value.exit_status) == (tuple(versions), 2)
    assert caught.value.hint == "give the version of the one that is meant"
    twin = versions[0][:12] + "0" * 52
    (Path(repo.layout.views("data")) / f"{twin}.json").write_bytes(b"")
    with pytest.raises(AmbiguousName, match="could be 2 views") as caught:
        repo.view(versions[0][:12])
    assert (caught.value.items, caught.value.hint) == (
        tuple(sorted([twin, versions[0]])), "give more digits"
    )  # fmt: skip


def test_docstrings_name_classes_of_error() -> None:
    """What a public verb says that it raises is a class of error, imported where it is caught."""
    known = {each.__name__ for each in error_classes()}
    strays = [
        f"{owner.__name__}.{name}: {sorted(wrong)}"
        for owner in OWNERS for name, verb in verbs(owner).items()
        if (wrong := {each for each in named(verb) if each not in known})
    ]  # fmt: skip
    assert strays == []
    telling = [name for owner in OWNERS for name, verb in verbs(owner).items() if named(verb)]
    assert len(telling) > 25
