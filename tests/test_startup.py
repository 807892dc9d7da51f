"""What a command line imports: everyday ones load little, and none loads what it does not need.

Asserts on the modules that are loaded, never on time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsm.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"pyarrow", "rich", "fsspec", "numpy", "pydantic", "pygments", "mlflow"}
# Runs a command line in a process of its own and prints what was loaded by then.
PROBE = """
import sys
before = set(sys.modules)
from dsm.__main__ import main
status = main(sys.argv[1:])
print("\\n".join(sorted(set(sys.modules) - before)), file=sys.stderr)
sys.exit(status)
"""


def loaded_by(*words: str, folder: Path, code: str = PROBE) -> set[str]:
    """The modules that a command line loads."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "DSM_AUTHOR": "Ada"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=env, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("\n"))


def roots(modules: set[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


@pytest.fixture(scope="module")
def small_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a changeset, a staged file and a new one."""
    folder = tmp_path_factory.mktemp("small")
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text(name)
    loaded_by("init", folder=folder)
    loaded_by("add", ".", folder=folder)
    loaded_by("commit", "-m", "first", folder=folder)
    (folder / "c.txt").write_text("c")
    loaded_by("add", "c.txt", folder=folder)
    (folder / "d.txt").write_text("d")
    return folder


def test_the_version_needs_nothing(tmp_path: Path) -> None:
    """--version loads the entrance and the literal, nothing else of dsm."""
    loaded = loaded_by("--version", folder=tmp_path)
    own = {"dsm", "dsm.__main__", "dsm.imports", "dsm.version"}
    assert own == {m for m in loaded if m.startswith("dsm")}
    assert set() == roots(loaded) & (HEAVY | {"typer", "re", "dataclasses", "typing"})


EVERYDAY = [
    "status", "status --short", "status --porcelain -z", "status --json", "-C . status",
    "log", "log --oneline -n 3", "log --json",
]  # fmt: skip


@pytest.mark.parametrize("line", EVERYDAY)
def test_everyday_commands_are_lean(line: str, small_repo: Path) -> None:
    """status and log load neither typer nor anything heavier, and no other command."""
    loaded = loaded_by(*line.split(), folder=small_repo)
    assert roots(loaded) & (HEAVY | {"typer"}) == set()
    assert loaded & {"importlib.metadata", "asyncio"} == set()
    asked = next(word for word in line.split() if word in COMMANDS)
    assert loaded & {module for module, _ in COMMANDS.values()} == {COMMANDS[asked][0]}


def test_a_check_of_nothing_needs_no_arrow(tmp_path: Path) -> None:
    """As a hook of git, a check where nothing is staged costs a start."""
    loaded_by("init", "-q", folder=tmp_path)
    loaded = loaded_by("check", "--staged", folder=tmp_path)
    assert "pyarrow" not in roots(loaded)


@pytest.mark.parametrize("line", ["log", "prepare --name x", "get x -o - --format tar"])
def test_what_reads_no_work_tree_does_not_import_it(line: str, small_repo: Path) -> None:
    """History and views are told without the modules that compare and stage files."""
    loaded = loaded_by(*line.split(), folder=small_repo)
    assert {m for m in loaded if m.startswith(("dsm.worktree", "dsm.model.reports"))} == set()


@pytest.mark.parametrize("line", ["status", "add -n .", "rm -n a.txt"])
def test_steps_that_nobody_asked_for_load_no_logging(line: str, small_repo: Path) -> None:
    """The library logs its steps for `--verbose`, and without it does not even load logging."""
    code = PROBE.replace("sys.exit(status)", "")
    assert "logging" not in loaded_by(*line.split(), folder=small_repo, code=code)
    assert "logging" in loaded_by(*line.split(), "--verbose", folder=small_repo, code=code)


def test_status_of_a_changed_file_is_lean(small_repo: Path) -> None:
    """A file that differs from what is committed is found without Arrow, too."""
    (small_repo / "a.txt").write_text("other")
    loaded = loaded_by("status", folder=small_repo)
    (small_repo / "a.txt").write_text("a")
    assert roots(loaded) & (HEAVY | {"typer"}) == set()


@pytest.mark.parametrize("line", ["add -n .", "add -A -q ."])
def test_add_needs_neither_typer_nor_rich(line: str, small_repo: Path) -> None:
    """Staging is part of hooks and scripts: it loads no more than it must."""
    assert set() == roots(loaded_by(*line.split(), folder=small_repo)) & {"typer", "rich", "fsspec"}


@pytest.mark.parametrize("line", ["--help", "dataset --help", "commit --help"])
def test_help_is_plain(line: str, tmp_path: Path) -> None:
    """Help loads typer, but neither rich nor anything of the library that is heavy."""
    assert set() == roots(loaded_by(*line.split(), folder=tmp_path)) & HEAVY


def test_help_imports_no_command(tmp_path: Path) -> None:
    """`dsm --help` works from the table alone."""
    loaded = loaded_by("--help", folder=tmp_path)
    assert set() == loaded & {module for module, _ in COMMANDS.values()}


def test_the_package_is_lazy(tmp_path: Path) -> None:
    """`import dsm` loads nothing, and `dsm.open` is there all the same."""
    code = (
        "import sys, dsm; print('\\n'.join(sys.modules), file=sys.stderr);"
        "assert callable(dsm.open) and callable(dsm.init) and dsm.__version__"
    )
    loaded = loaded_by(folder=tmp_path, code=code)
    assert {"dsm", "dsm.version"} == {module for module in loaded if module.startswith("dsm")}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_imports_alone(name: str, tmp_path: Path) -> None:
    """A command's module loads first in a fresh process: no import cycle hides behind another."""
    code = f"import sys, {COMMANDS[name][0]}; print('\\n'.join(sys.modules), file=sys.stderr)"
    assert set() == roots(loaded_by(folder=tmp_path, code=code)) & HEAVY


def test_arrow_comes_without_numpy(small_repo: Path) -> None:
    """A command that needs Arrow leaves out the large packages that Arrow would import with it."""
    command = [sys.executable, "-X", "importtime", "-m", "dsm", "prepare", "--path", "*.txt"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=small_repo, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    imported = {row.split("|")[-1].strip() for row in done.stderr.splitlines() if "|" in row}
    assert "pyarrow" in imported
    # The attempt itself may be listed; what such a package consists of may not.
    assert {name for name in imported if name.startswith(("numpy.", "pandas."))} == set()


EVERY_KIND = """
import sys
from dsm.__main__ import _own_the_process
_own_the_process()
import datetime, decimal, uuid
import pyarrow as pa
moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)
values = [
    1, 1.5, "a", b"a", True, None, [1], {"a": 1}, decimal.Decimal("1.5"), moment.date(),
    moment.time(), moment, moment.replace(tzinfo=datetime.timezone.utc), datetime.timedelta(1),
    pa.MonthDayNano([1, 2, 3]),
]
for value in values:
    for array in (pa.array([value]), pa.array([value, None]), pa.array([[value]])):
        read = array[0].as_py(), array.to_pylist(), pa.table({"a": array}).to_pylist()
        assert array.to_pylist()[0] in (value, [value]), value
assert pa.array([moment], pa.timestamp("ns"))[0].as_py() == moment
for name in ("numpy", "pandas", "numpy.linalg"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(name)
"""


def test_arrow_reads_every_kind_of_value_without_numpy(tmp_path: Path) -> None:
    """In a process of dsm's own a value of Arrow's is read as in any other."""
    loaded_by(folder=tmp_path, code=EVERY_KIND)


def test_workers_start_before_arrow_is_imported(small_repo: Path, tmp_path: Path) -> None:
    """`dsm get` starts who helps it first: Arrow takes as long as they do to come up."""
    code = """
import sys
from dsm.__main__ import main
from dsm.views.writing import worker_count
start = worker_count.started_ahead
def watched(count, module):
    print("\\n".join(["started", *sys.modules]), file=sys.stderr)
    return start(count, module)
worker_count.started_ahead = watched
sys.exit(main(sys.argv[1:]))
"""
    loaded_by("prepare", "--name", "all", folder=small_repo)
    line = ["get", "all", "-q", "--format", "tar", "-o", str(tmp_path / "out")]
    loaded = loaded_by(*line, folder=small_repo, code=code)
    assert "started" in loaded
    assert roots(loaded) & (HEAVY | {"typer"}) == set()


def test_who_lays_out_a_tar_needs_no_arrow(tmp_path: Path) -> None:
    """It is done before Arrow would be there."""
    code = (
        "import sys, dsm.views.writing.tar_layout; print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    assert set() == roots(loaded_by(folder=tmp_path, code=code)) & HEAVY
