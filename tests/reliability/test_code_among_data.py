"""Code among the data is never run: a file named like a module is only a file.

Every module that Python or its packages could want is planted in the data, and everyday commands
run there, in this process's children and in their workers.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dsm
from dsm.imports import safe_path

ROOT = Path(dsm.__file__).parents[1]
FILES = 2_100  # more than what is restored, or added, in one process
COMMANDS = [
    "init -q", "add -q .", "status", "commit -q -m one", "log", "ls", "diff", "prepare --name all",
    "get -q all --format files -o ../files", "get -q all --format webdataset -o ../shards",
    "get -q all --format parquet -o ../parquet", "restore -q", "rm -q 7.txt", "commit -q -m two",
    "gc --prune", "fsck --full", "why --view all 3.txt", "dataset list", "--help", "config list",
]  # fmt: skip

# Prints what an interpreter has loaded before the first line of a program.
PROBE = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"


def everything() -> set[str]:
    """Names of all modules that can be imported here, and of some that cannot."""
    found = {module.name for module in pkgutil.iter_modules(sys.path)}
    wanted = {"keyring", "cffi", "brotli", "numpy", "pandas", "torch", "adbc_driver_manager"}
    names = {*found, *sys.stdlib_module_names, *wanted, "dsm", "rich", "typer", "pyarrow"}
    return {name for name in names if name.isidentifier()}


@pytest.fixture(scope="module")
def launchers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], set[str]]]:
    """The two ways to start dsm, each with what Python itself loads before: out of our reach."""
    folder = tmp_path_factory.mktemp("bin")
    shutil.copy(ROOT / "dsm/imports.py", folder / "dsm")
    (folder / "probe.py").write_text(PROBE)
    early = {}
    for way in (["probe.py"], ["-m", "probe"]):
        done = subprocess.run(
            [sys.executable, *way], cwd=folder, capture_output=True, text=True, check=True
        )
        early[way[0]] = {*done.stdout.split(), "encodings", "sitecustomize", "usercustomize"}
    return {
        "dsm": ([sys.executable, str(folder / "dsm")], early["probe.py"]),
        "-m": ([sys.executable, "-m", "dsm"], {*early["-m"], "dsm"}),
    }


def plant(folder: Path, names: set[str], log: Path) -> None:
    """Writes modules and, one folder down, packages that leave their name in the log."""
    code = f"open({str(log)!r}, 'a').write(__file__ + '\\n')\n"
    (folder / "sub").mkdir(parents=True)
    for name in sorted(names):
        (folder / f"{name}.py").write_text(code)
        (folder / "sub" / name).mkdir()
        (folder / "sub" / name / "__init__.py").write_text(code)


@pytest.mark.parametrize("way", ["dsm", "-m"])
def test_no_file_of_the_data_is_run(
    way: str, launchers: dict[str, tuple[list[str], set[str]]], tmp_path: Path
) -> None:
    """Neither from the current folder nor where PYTHONPATH leads into it; and dsm still works."""
    launcher, early = launchers[way]
    data, log = tmp_path / "data", tmp_path / "log"
    plant(data, everything() - early, log)
    for number in range(FILES):
        (data / f"{number}.txt").write_text(str(number))
    log.write_text("")
    (tmp_path / "link").symlink_to(data)
    leads = [".", "", "sub", data, data / "sub", tmp_path / "link", ROOT]
    env = {**os.environ, "PYTHONPATH": ":".join(map(str, leads)), "DSM_AUTHOR": "Ada"}
    env.pop("PYTHONSAFEPATH", None)
    for line in COMMANDS:
        if line == "restore -q":
            for path in data.glob("*.txt"):
                path.unlink()
        if line == "init -q":
            # Before there is a work tree, what lies below the current folder is not known as data.
            env["PYTHONPATH"] = ":".join(map(str, [".", "", data, tmp_path / "link", ROOT]))
        done = subprocess.run(
            [*launcher, *line.split()], cwd=data, env=env, capture_output=True, text=True
        )
        assert (done.returncode, log.read_text()) == (0, ""), (line, done.stderr)
        env["PYTHONPATH"] = ":".join(map(str, leads))
    assert (data / "3.txt").read_text() == "3"


def test_workers_of_a_program_run_no_file_of_the_data(
    launchers: dict[str, tuple[list[str], set[str]]], tmp_path: Path
) -> None:
    """A program that lies among the data finds modules there, as Python has it; its workers do not."""
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    code = (
        "import sys, dsm; from pathlib import Path; import pyarrow, pyarrow.parquet\n"
        "repo = dsm.init(sys.argv[1]); folder = Path(sys.argv[1]); ds = repo.dataset()\n"
        f"for n in range({FILES}): (folder / f'{{n}}.txt').write_text(str(n))\n"
        "from importlib import import_module\n"
        "for name in ['store.ingest', 'files.restore', 'worktree.add', 'history.commit']:\n"
        "    import_module('dsm.' + name)\n"
        "ds.add(['.']); ds.commit('one')\n"
        "sys.path[:0] = ['', '.', str(folder), str(folder / 'sub')]\n"
        "from tests.reliability.test_code_among_data import plant, everything\n"
        "plant(folder, everything() - set(sys.modules), Path(sys.argv[2]))\n"
        "for path in folder.glob('*.txt'): path.unlink()\n"
        "from dsm.store import workers; started = workers.start; counts = []\n"
        "import dsm.files.restore as restore\n"
        "restore.start = lambda jobs: (counts.append(len(jobs)), started(jobs))[1]\n"
        "ds.restore(); assert counts == [2], counts\n"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "DSM_AUTHOR": "Ada"}
    log.write_text("")
    done = subprocess.run(
        [sys.executable, "-c", code, str(data), str(log)],
        cwd=data, env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, log.read_text()) == (0, ""), done.stderr
    assert (data / "3.txt").read_text() == "3"


def test_code_comes_from_the_interpreter_and_from_outside(tmp_path: Path) -> None:
    """What is left of a search path: Python's folders, this package's, and those that are no data."""
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / ".dsm").mkdir(parents=True)
    (tree / "deep/er").mkdir(parents=True)
    other.mkdir()
    (other / "into").symlink_to(tree / "deep")
    python = [entry for entry in sys.path if entry.startswith((sys.prefix, sys.base_prefix))]
    assert python
    kept = [*python, str(other), str(ROOT), "/nowhere/at/all"]
    data = ["", ".", "sub", str(tree), str(tree / "deep/er"), str(other / "into"), str(tmp_path)]
    mixed = [entry for pair in zip(data * 9, kept, strict=False) for entry in pair]
    assert kept == safe_path(mixed, [str(tmp_path)])


def test_an_environment_may_lie_among_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in the work tree is Python's, also where it is the work tree."""
    packages = tmp_path / ".venv/lib/python3.11/site-packages"
    (tmp_path / ".dsm").mkdir()
    packages.mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    assert [str(packages)] == safe_path([str(packages), str(tmp_path)], [str(tmp_path)])
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    own = str(tmp_path / "lib/python3.11/site-packages")
    assert [own] == safe_path([own, str(tmp_path), str(packages)], [])


def test_the_command_is_found_where_it_was_installed(tmp_path: Path) -> None:
    """PYTHONPATH holds all of it, outside of the data; run from a checkout, that is the current folder."""
    shutil.copy(ROOT / "dsm/imports.py", tmp_path / "dsm")
    for cwd, path in ((tmp_path, str(ROOT)), (ROOT, str(ROOT)), (ROOT, "")):
        done = subprocess.run(
            [sys.executable, str(tmp_path / "dsm"), "--version"],
            cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        assert (0, f"dsm {dsm.__version__}\n") == (done.returncode, done.stdout), done.stderr


def test_the_installed_command_is_that_file() -> None:
    """It can be executed, its first line asks for the interpreter, and it imports nothing early."""
    assert os.access(ROOT / "dsm/imports.py", os.X_OK)
    text = (ROOT / "dsm/imports.py").read_text()
    assert text.startswith("#!python\n")
    assert 'shared-scripts]\n"dsm/imports.py" = "dsm"' in (ROOT / "pyproject.toml").read_text()
    for name in ("imports", "__init__", "version", "__main__"):
        assert "import annotations" not in (ROOT / f"dsm/{name}.py").read_text()
