"""The programs under test: how dsm and each yardstick is called, and which are installed.

Invariant: all run with the same small environment and a home folder of their own, so that neither
settings of the person who measures nor caches of an earlier run take part.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .measure import Command

ROOT = Path(__file__).resolve().parents[2]
GIT_CONFIG = """\
[user]
\tname = Benchmark
\temail = benchmark@example.org
[init]
\tdefaultBranch = main
[gc]
\tauto = 0
[maintenance]
\tauto = false
"""
"""Git's own defaults, but no background repacking that would run into the next measurement."""
OXEN_VERSION = "import importlib.metadata as m, oxen; print(m.version('oxenai'))"
OXEN_INIT = """\
import sys
from oxen import Repo
from oxen.user import config_user
config_user("Benchmark", "benchmark@example.org")
Repo(sys.argv[1]).init()
"""
OXEN_ADD_AND_COMMIT = """\
import sys
from oxen import Repo
repo = Repo(sys.argv[1])
repo.add(sys.argv[2])
repo.commit("first")
"""


@dataclass(frozen=True, slots=True)
class Programs:
    """How to call each program; an empty tuple means that it is not installed."""

    dsm: tuple[str, ...]
    git: tuple[str, ...]
    dvc: tuple[str, ...]
    oxen: tuple[str, ...]
    state: Path
    """Folder for homes and caches of all of them."""
    env: dict[str, str] = field(default_factory=dict)
    dsm_env: dict[str, str] = field(default_factory=dict)

    def dsm_command(self, cwd: Path, *words: str) -> Command:
        """`dsm WORDS` in a folder."""
        return Command((*self.dsm, *words), cwd, self.env | self.dsm_env)

    def command(self, cwd: Path, *words: str) -> Command:
        """Any other program in a folder."""
        return Command(words, cwd, self.env)

    def git_command(self, project: Path, git_dir: Path, *words: str) -> Command:
        """`git WORDS` on a work tree whose repository lies elsewhere, out of dsm's sight."""
        where = (f"--git-dir={git_dir}", f"--work-tree={project}")
        return Command((*self.git, *where, *words), project, self.env)

    def dsm_save(self, project: Path, message: str) -> tuple[Command, Command]:
        """`dsm add data`, then `dsm commit`."""
        words = (("add", "data"), ("commit", "-m", message))
        return self.dsm_command(project, *words[0]), self.dsm_command(project, *words[1])

    def git_save(self, project: Path, git_dir: Path, message: str) -> tuple[Command, Command]:
        """`git add data`, then `git commit`."""
        words = (("add", "data"), ("commit", "-q", "-m", message))
        first, second = (self.git_command(project, git_dir, *each) for each in words)
        return first, second

    def dvc_command(self, cwd: Path, *words: str) -> Command:
        """`dvc WORDS` in a folder."""
        return Command((*self.dvc, *words), cwd, self.env)

    def oxen_command(self, cwd: Path, code: str, *words: str) -> Command:
        """A short Python program that uses the oxen package."""
        return Command((*self.oxen, "-c", code, *words), cwd, self.env)

    def python(self, cwd: Path, *words: str) -> Command | None:
        """The interpreter that runs dsm, in the same environment; None when dsm is no script."""
        found = interpreter_of(self.dsm)
        return Command((found, *words), cwd, self.env | self.dsm_env) if found else None

    def dvc_cache(self) -> Path:
        """Where DVC remembers hashes of files it has seen; empty it before each first add."""
        return self.state / "dvc-site-cache"

    def without_peers(self) -> Programs:
        """The same without DVC and Oxen, which take most of the time of a full run."""
        return replace(self, dvc=(), oxen=())

    def versions(self) -> dict[str, str]:
        """What each program says its version is."""
        cwd = self.state
        asked = {
            "dsm": self.dsm_command(cwd, "--version"),
            "cp": self.command(cwd, "cp", "--version"),
        }
        if self.git:
            asked["git"] = self.command(cwd, *self.git, "--version")
        if self.dvc:
            asked["dvc"] = self.dvc_command(cwd, "--version")
        if self.oxen:
            asked["oxen"] = self.oxen_command(cwd, OXEN_VERSION)
        said = {name: output_of(command) for name, command in asked.items()}
        absent = {n: "not installed" for n in ("git", "dvc", "oxen") if n not in said}
        return {name: (text.splitlines() or ["?"])[0] for name, text in said.items()} | absent


def find_programs(
    state: Path, dsm: str | None = None, dvc: str | None = None, oxen_python: str | None = None
) -> Programs:
    """Finds the programs: what is given, else what is on PATH or importable here."""
    home = state / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text(GIT_CONFIG)
    kept = {
        key: os.environ[key] for key in ("PATH", "USER", "LOGNAME", "TMPDIR") if key in os.environ
    }
    env = kept | {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(state / "dvc-site-cache"),
    }
    dsm_env: dict[str, str] = {}
    if dsm:
        dsm_words = tuple(shlex.split(dsm))
    elif (script := Path(sys.executable).parent / "dsm").exists():
        dsm_words = (str(script),)
    else:
        dsm_words = (sys.executable, "-m", "dsm")
        dsm_env["PYTHONPATH"] = str(ROOT)
    dvc_words = tuple(shlex.split(dvc)) if dvc else _on_path("dvc")
    oxen_words = tuple(shlex.split(oxen_python)) if oxen_python else (sys.executable,)
    probe = Command((*oxen_words, "-c", OXEN_VERSION), state, env)
    if not output_of(probe):
        oxen_words = ()
    return Programs(dsm_words, _on_path("git"), dvc_words, oxen_words, state, env, dsm_env)


def _on_path(name: str) -> tuple[str, ...]:
    found = shutil.which(name)
    return (found,) if found else ()


def output_of(command: Command) -> str:
    """What a command prints, stripped; empty when it fails or does not exist."""
    try:
        done = subprocess.run(
            command.argv, cwd=command.cwd, env=dict(command.env), capture_output=True, text=True
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def interpreter_of(words: Sequence[str]) -> str | None:
    """The Python that a command line starts: named outright, or by the script's first line."""
    program = shutil.which(words[0]) or words[0]
    if Path(program).name.startswith("python"):
        return program
    try:
        with open(program, "rb") as script:
            first = script.readline().decode(errors="replace").strip()
    except OSError:
        return None
    if first.startswith("#!") and "python" in first:
        return first[2:].split()[0] if "/env" not in first else shutil.which(first.split()[-1])
    return None
