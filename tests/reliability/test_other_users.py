"""Repositories of other users: read as permissions allow, and neither written nor run for unasked."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Runner, Said
from test_errors import error_classes

import dsm
from dsm.api import trusts
from dsm.maintenance.fsck import fsck

OWNER, OTHER, GROUP = 61_001, 61_002, 61_000
READING = [
    "log", "status", "ls", "cat a/1", "diff", "show", "fsck --full", "dataset list", "view list",
    "prepare --path a/1", "get base -o - --format tar", "get base -q -o {home}/out", "gc", "add -n .",
    "restore --to {home}/back",
]  # fmt: skip
WRITING = [
    "add a/1 --label x", "commit -m 2", "commit -am 2", "tag t", "restore", "gc --prune", "rm a/1",
    "mv a/1 a/2", "label a/1 --add y", "config set user.name x", "dataset create q", "revert 1 -m no",
    "prepare --name z", "view rm base", "source add s --driver sqlite --uri-env X", "restore --staged",
]  # fmt: skip

SOURCES = ["source add s --driver sqlite --uri-env ADDRESS", "source test s"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else"),
]


class Shared:
    """A folder that two users of one group see, each with a home of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.root = folder / "data"

    def home(self, user: int) -> Path:
        return self.folder / f"home{user}"

    def make(self, path: str, text: str, user: int) -> None:
        full = self.root / path
        full.parent.mkdir(exist_ok=True)
        full.write_text(text)
        for each in (full, full.parent):
            os.chown(each, user, GROUP)

    def run(self, user: int, line: str, **env: str) -> Said:
        """Runs a command line as another user, in a fork: its modules are loaded already."""
        out = self.folder / "said"
        child = os.fork()
        if not child:
            status = 70
            try:
                os.umask(0o022)
                os.setgroups([])
                os.setgid(GROUP)
                os.setuid(user)
                home = str(self.home(user))
                os.environ.update(
                    HOME=home,
                    DSM_AUTHOR=str(user),
                    XDG_CACHE_HOME=f"{home}/cache",
                    XDG_CONFIG_HOME=f"{home}/config",
                    **env,
                )
                os.chdir(self.root)
                said = Runner().run(line.format(home=home).split())
                Path(home, "err").write_text(said.err)
                status = said.status
            finally:
                os._exit(status)
        _, code = os.waitpid(child, 0)
        said_path = self.home(user) / "err"
        out = said_path.read_text() if said_path.exists() else ""
        return Said(os.waitstatus_to_exitcode(code), b"", out)

    def does(self, user: int, line: str, **env: str) -> None:
        said = self.run(user, line, **env)
        assert said.status == 0, (line, said.err)

    def made_by(self, user: int) -> list[str]:
        found = (path for path in self.root.rglob("*") if path.lstat().st_uid == user)
        return sorted(str(path.relative_to(self.root)) for path in found)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Loads what the commands need: other users may not be able to read Python's own files."""
    error_classes()
    folder = tmp_path_factory.mktemp("rehearsal")
    (folder / "a").mkdir()
    (folder / "a/1").write_text("1")
    first = ["init", "add .", "commit -m 1", "prepare --name base", "nonsense"]
    with contextlib.chdir(folder):
        for line in [*first, *READING, *WRITING, *SOURCES]:
            Runner().run(line.format(home=folder).split())


@pytest.fixture
def shared(rehearsed: None) -> Iterator[Shared]:
    """A repository that its owner made in a folder where a group works."""
    folder = Path(tempfile.mkdtemp(prefix="dsm-shared-"))
    try:
        os.chmod(folder, 0o755)
        here = Shared(folder)
        here.root.mkdir()
        os.chown(here.root, OWNER, GROUP)
        os.chmod(here.root, 0o2775)
        for user in (OWNER, OTHER):
            here.home(user).mkdir()
            os.chown(here.home(user), user, GROUP)
        for name in ("1", "3"):
            here.make(f"a/{name}", name, OWNER)
        os.chmod(here.root / "a", 0o2775)
        for line in ("init -q", "add -q .", "commit -q -m 1", "prepare -q --name base"):
            here.does(OWNER, line)
        yield here
    finally:
        shutil.rmtree(folder)


def test_reading_follows_permissions(shared: Shared) -> None:
    """Another user reads everything, and leaves nothing in the repository."""
    for line in READING:
        shared.does(OTHER, line)
    assert shared.made_by(OTHER) == []
    assert (shared.home(OTHER) / "back/a/1").read_text() == "1"


def test_nothing_is_written_for_another_user(shared: Shared) -> None:
    """Every writing command is refused in one line, with what to do, before anything is changed."""
    before = sorted(str(path) for path in shared.root.rglob("*"))
    for line in WRITING:
        said = shared.run(OTHER, line)
        lines = said.err.splitlines()
        assert (said.status, len(lines)) == (6, 2), (line, said.err)
        assert lines[0].startswith(
            f"error: {shared.root}/.dsm belongs to another user (uid {OWNER})"
        )
        assert lines[1].endswith(f"export DSM_SAFE_DIRECTORY={shared.root}")
    assert before == sorted(str(path) for path in shared.root.rglob("*"))


def test_a_group_works_in_a_repository_that_its_members_trust(shared: Shared) -> None:
    """Two users in turn, with a umask that keeps others from writing; then gc and fsck."""
    trust = {"DSM_SAFE_DIRECTORY": str(shared.root)}
    for number in range(12):
        for user in (OTHER, OWNER):
            shared.make(f"a/{number}-{user}", f"{number} of {user}", user)
            for line in ("add -q a", f"commit -q -m {number}", "status"):
                shared.does(user, line, **trust)
    for user in (OTHER, OWNER):
        for line in (f"tag t{user}", f"prepare -q --path a/*-{user} --name v{user}", "gc --prune"):
            shared.does(user, line, **trust)
    with dsm.open(shared.root) as repo:
        assert len(list(repo.dataset().ls())) == 26
        assert list(fsck(repo, full=True).findings) == []
    folders = [path for path in (shared.root / ".dsm").rglob("*") if path.is_dir()]
    wanted = stat.S_ISGID | stat.S_IRWXG
    assert [path for path in folders if path.stat().st_mode & wanted != wanted] == []


def test_queries_of_another_user_do_not_run(shared: Shared) -> None:
    """No address is given to a source that somebody else has chosen, until they are trusted."""
    shared.does(OWNER, SOURCES[0])
    given = {"ADDRESS": "file::memory:", "DSM_TRUST_SOURCES": "*"}
    said = shared.run(OTHER, "source test s", **given)
    assert (said.status, "belongs to another user" in said.err) == (6, True)
    said = shared.run(OTHER, "source test s", **given, DSM_SAFE_DIRECTORY="*")
    assert said.status != 6


def test_whom_a_user_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, all below one, or all; in the environment or in the user's own settings."""
    root = tmp_path / "data/set"
    root.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def trusted(value: str) -> bool:
        monkeypatch.setenv("DSM_SAFE_DIRECTORY", value)
        return trusts(str(root))

    yes = [str(root), f"/nowhere:{root}", f"{tmp_path}/*", f"{tmp_path}/link/set", "*", f"{root}/*"]
    no = [
        "",
        ".",
        "data/set",
        str(tmp_path),
        str(tmp_path / "data/se"),
        f"{tmp_path}/data/se/*",
        "/",
    ]
    assert [True] * len(yes) == [trusted(value) for value in yes]
    with contextlib.chdir(tmp_path):
        assert [False] * len(no) == [trusted(value) for value in no]
    settings = tmp_path / "config/dsm/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[safe]\ndirectory = ["{tmp_path}/*"]\n')
    assert trusted("")
    settings.write_text(f'[safe]\ndirectory = "{root}"\n')
    assert trusted("")
    settings.write_text("[safe]\ndirectory = 1\n")
    with pytest.raises(dsm.errors.InvalidInput, match="safe.directory is a list of folders"):
        trusted("")
