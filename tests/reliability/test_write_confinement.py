"""Only `dsm/store/disk.py` changes a disk: what the other tests fail and record is all there is."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dsm

PACKAGE = Path(dsm.__file__).parent
# The modules that write; memory, which is no disk; the demo, which makes the files that a person would
# make; the message that a person writes in an editor, in a temporary folder of the system; and what people
# ask for in a file: a list of failing paths, a report.
WRITERS = {
    "store/disk.py", "store/disk_at.py", "store/memory.py", "cli/demo.py", "cli/check.py", "cli/editor.py", "cli/report.py",
}  # fmt: skip
# Calls that change a disk, whatever module they are looked up in.
FORBIDDEN = {
    "os": {
        "rename", "renames", "replace", "unlink", "remove", "rmdir", "removedirs", "mkdir",
        "makedirs", "link", "symlink", "truncate", "ftruncate", "fsync", "fdatasync", "sync",
        "write", "writev", "pwrite", "pwritev", "chmod", "fchmod", "lchmod", "chown", "fchown",
        "lchown", "utime", "mkfifo", "mknod", "posix_fallocate", "sendfile", "copy_file_range",
        "fdopen", "splice", "setxattr", "removexattr",
    },
    "shutil": {"*"},
    "tempfile": {"*"},
    "mmap": {"*"},
    "sqlite3": {"connect"},
    "fcntl": {"*"},
}  # fmt: skip
METHODS = {
    "write_text", "write_bytes", "touch", "mkdir", "rmdir", "unlink", "rename", "hardlink_to",
    "symlink_to", "chmod",
}  # fmt: skip
WRITING_FLAGS = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE|EXCL)")
# Arrow writes into memory and hands the bytes over; nothing of it may open a file for writing.
ARROW = {"OSFile", "output_stream", "OutputStream", "write_table_to_file", "memory_map"}
# Pipes to worker processes and standard output are no disks.
ALLOWED = {
    ("store/workers.py", "os.write"),
    ("history/snapshot_file.py", "pa.memory_map"),
    ("history/merge.py", "pa.OSFile"),
    ("worktree/hub_dataset.py", "pa.memory_map"),  # for reading
    ("cli/run.py", "shutil.which"),  # looks for a program
    ("cli/git_hooks.py", "shutil.which"),
    # In memory, or read-only: queries are compiled there under an authorizer.
    ("sources/sqlite_rules.py", "sqlite3.connect"),
}


def modules() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if shown(path) not in WRITERS]


def shown(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def names_of(tree: ast.Module) -> dict[str, str]:
    """Returns what each imported name stands for: `from os import rename as r` is found as well."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({(a.asname or a.name): a.name for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            names.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
    return names


def strays(path: Path) -> Iterator[str]:
    """Yields every call of a module that changes, or may change, a disk."""
    tree = ast.parse(path.read_text())
    names = names_of(tree)
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Attribute, ast.Name)):
            continue
        text = ast.unparse(node)
        head, dot, rest = text.partition(".")
        module, _, name = (names.get(head, head) + dot + rest).partition(".")
        forbidden = FORBIDDEN.get(module, set())
        found = name in forbidden or ("*" in forbidden and name)
        found = found or text.split(".")[-1] in ARROW
        if found and (shown(path), text) not in ALLOWED:
            yield f"{shown(path)}:{node.lineno}: {text}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _opens_for_writing(node, names):
            yield f"{shown(path)}:{node.lineno}: {ast.unparse(node)}"


def _opens_for_writing(call: ast.Call, names: dict[str, str]) -> bool:
    function = ast.unparse(call.func)
    if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
        # `disk.rename_away` and the like are functions of the one module that writes; a segment is
        # renamed by creating and removing documents.
        return not function.startswith("disk.") and function not in (
            "s.dataset.segments.rename", "s.repo.remotes.rename", "s.repo.remotes.remove"
        )  # fmt: skip
    if names.get(function, function) in ("os.open", "posix.open"):
        return bool(WRITING_FLAGS.search(text := ast.unparse(call))) and "os.devnull" not in text
    if function in ("open", "io.open") or function.endswith(".open"):
        mode = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
        return any(
            not isinstance(m, ast.Constant) or (isinstance(m.value, str) and set(m.value) & set("wax+"))
            for m in mode if function in ("open", "io.open")
        )  # fmt: skip
    return False


def test_one_module_writes() -> None:
    """No module but `store/disk.py` and `disk_at.py` creates, writes, syncs, renames, links or removes anything."""
    assert [stray for path in modules() for stray in strays(path)] == []


def test_the_exceptions_are_still_needed() -> None:
    """A call that was allowed and is gone leaves the list."""
    gone = [(place, name) for place, name in ALLOWED if name not in (PACKAGE / place).read_text()]
    assert gone == []


@pytest.mark.parametrize(
    "line",
    [
        "import os\nos.rename('a', 'b')", "from os import replace as r\nr('a', 'b')",
        "open('x', 'w')", "open('x', mode='ab')", "import os\nos.open('x', os.O_CREAT)",
        "import shutil\nshutil.rmtree('x')", "from pathlib import Path\nPath('x').write_text('')",
        "import os as o\no.fsync(1)", "mode = 'w'\nopen('x', mode)",
    ],
)  # fmt: skip
def test_the_lint_sees(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lint finds each way of writing past the module."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "bad.py").write_text(line)
    assert len(list(strays(tmp_path / "bad.py"))) >= 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_sees_no_other_write(tmp_path: Path) -> None:
    """Every write system call below `.dsm` was one that the observer of the disk saw."""
    for number in range(20):
        path = tmp_path / "work" / f"{number % 2}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{number}\n" * 500)
    seen, calls = tmp_path / "seen", tmp_path / "calls"
    script = (
        "import os, sys, dsm\n"
        "from dsm.store import disk\n"
        f"log = open({str(seen)!r}, 'w', buffering=1)\n"
        "def say(operation, path): log.write(operation + ' ' + os.path.abspath(path) + '\\n')\n"
        "with disk.observe(say):\n"
        f"    repo = dsm.init({str(tmp_path / 'work')!r}); ds = repo.dataset()\n"
        "    ds.add([repo.root]); ds.commit('first'); ds.tag('v1'); repo.close()\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DSM_AUTHOR": "Ada"}
    traced = "openat,rename,renameat2,link,linkat,unlink,unlinkat,mkdir,fsync,write,writev"
    done = subprocess.run(
        ["strace", "-f", "-qqq", "-y", "-s", "1", "-e", f"trace={traced}", "-o", calls,
         sys.executable, "-B", "-c", script],
        env=environment, capture_output=True,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"strace cannot trace here: {done.stderr.decode()[-200:]}")
    observed = {line.partition(" /")[2].rstrip() for line in seen.read_text().splitlines()}
    unseen = [
        line for line in calls.read_text(errors="replace").splitlines()
        if "/.dsm/" in line and _writes(line) and "= -1 " not in line
        and not any(path in line for path in observed)
    ]  # fmt: skip
    assert unseen == []
    assert any("fsync" in line for line in calls.read_text(errors="replace").splitlines())


def _writes(line: str) -> bool:
    if "openat(" in line:
        return bool(WRITING_FLAGS.search(line))
    return True
