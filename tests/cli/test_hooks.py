"""dsm hooks: what runs when, what never runs, and how they live beside the hooks of others."""

from __future__ import annotations

import io
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image

from .conftest import Runner, write

ROOT = Path(__file__).parents[2]
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def here(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a staged example; settings of a user beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    root = tmp_path / "work"
    write(root / "a.txt", "a")
    monkeypatch.chdir(root)
    dsm("init", "-q", "--dataset", "data")
    dsm("add", "-q", "a.txt")
    return root


def hook(here: Path, name: str, text: str, mode: int = 0o755) -> Path:
    """Writes a hook of the repository."""
    path = here / ".dsm/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


def test_a_failing_hook_before_stops_the_command(dsm: Runner, here: Path) -> None:
    """pre-commit ends with 3: nothing is committed, and what is staged stays staged."""
    hook(here, "pre-commit", "exit 3")
    dsm("hooks", "trust", "pre-commit")
    assert "hook pre-commit ended with exit status 3" in dsm("commit", "-m", "x", status=1).err
    assert dsm("status", "--json").json["staged"] != []
    dsm("commit", "-q", "-m", "x", "--no-verify")


def test_a_failing_hook_after_undoes_nothing(dsm: Runner, here: Path) -> None:
    """post-commit fails: the changeset is there, and the exit status is 0."""
    hook(here, "post-commit", "exit 1")
    dsm("hooks", "trust", "post-commit")
    assert "what was done stays done" in dsm("commit", "-q", "-m", "x").err
    assert len(dsm("log", "--oneline").lines) == 1


def test_what_a_hook_is_told(dsm: Runner, here: Path) -> None:
    """It has JSON on standard input and names in the environment, and runs at the top."""
    hook(here, "pre-commit", "cat > told; env | grep ^DSM_ | sort > names; pwd > place; echo said")
    dsm("hooks", "trust", "pre-commit")
    said = dsm("commit", "--json", "-m", "a message", "a.txt")
    assert said.json["message"] == "a message"
    told = json.loads((here / "told").read_text())
    assert (told["hook"], told["dataset"], told["head"], told["staged"], told["message"]) == (
        "pre-commit", "data", 0, 1, "a message",
    )  # fmt: skip
    assert {f"DSM_DIR={here}/.dsm", "DSM_DATASET=data", "DSM_HOOK=pre-commit"} <= set(
        (here / "names").read_text().splitlines()
    )
    assert (here / "place").read_text() == f"{here}\n"


def test_hooks_around_other_commands(dsm: Runner, here: Path, tmp_path: Path) -> None:
    """pre-push can stop a push; post-checkout and post-merge are told what was done."""
    dsm("commit", "-q", "-m", "x")
    dsm("remote", "add", "origin", str(tmp_path / "remote"))
    hook(here, "pre-push", "cat > ../pre-push; exit 1")
    hook(here, "post-checkout", "cat > ../post-checkout")
    hook(here, "post-merge", "cat > ../post-merge")
    dsm("hooks", "trust", "pre-push", "post-checkout", "post-merge")
    dsm("push", "-q", status=1)
    dsm("push", "-q", "--no-verify")
    dsm("restore", "-q", "--source", "1")
    dsm("pull", "-q")
    told = {
        name: json.loads((tmp_path / name).read_text())
        for name in ("pre-push", "post-checkout", "post-merge")
    }
    assert (told["pre-push"]["remote"], told["pre-push"]["datasets"]) == ("origin", ["data"])
    assert told["post-checkout"]["sources"] == {"data": "1"}
    assert (told["post-merge"]["remote"], told["post-merge"]["datasets"]) == ("origin", [])


def linked(path: Path, root: Path) -> None:
    path.rename(root / "x")
    path.symlink_to(root / "x")


UNTRUSTED: dict[str, tuple[Callable[[Path, Path], object], int]] = {
    "never trusted": (lambda path, root: None, 6),
    "changed since": (lambda path, root: path.write_text("#!/bin/sh\ntouch ran; :\n"), 6),
    "written by others": (lambda path, root: path.chmod(0o777), 6),
    "a link": (linked, 6),
    "of another user": (lambda path, root: os.chown(path, 12345, -1), 6),
    "not executable": (lambda path, root: path.chmod(0o644), 0),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTRUSTED)
def test_what_is_not_trusted_never_runs(dsm: Runner, here: Path, name: str) -> None:
    """A hook before a command that may not run stops it with a hint; it does not run."""
    change, status = UNTRUSTED[name]
    path = hook(here, "pre-commit", "touch ran")
    if name != "never trusted":
        dsm("hooks", "trust", "pre-commit")
    if name == "of another user" and os.geteuid():
        pytest.skip("needs root")
    change(path, here)
    said = dsm("commit", "-m", "x", status=status)
    assert "hook" in said.err
    assert not (here / "ran").exists()


def test_hooks_of_a_copy_do_not_run(dsm: Runner, here: Path, tmp_path: Path) -> None:
    """A repository that is copied or moved has its hooks trusted again; clones have none."""
    hook(here, "pre-commit", "touch ran")
    dsm("hooks", "trust", "pre-commit")
    dsm("commit", "-q", "-m", "x")
    dsm("remote", "add", "origin", str(tmp_path / "remote"))
    dsm("push", "-q")
    shutil.copytree(here, tmp_path / "copy")
    os.unlink(tmp_path / "copy/ran")
    (tmp_path / "copy/a.txt").write_text("b")
    dsm("-C", str(tmp_path / "copy"), "commit", "-a", "-m", "y", status=6)
    assert not (tmp_path / "copy/ran").exists()
    os.chdir(tmp_path)
    (tmp_path / "remote/hooks").mkdir()
    shutil.copy(here / ".dsm/hooks/pre-commit", tmp_path / "remote/hooks")
    dsm("clone", "-q", str(tmp_path / "remote"), "clone")
    assert not (tmp_path / "clone/.dsm/hooks").exists()


def test_a_hook_does_not_run_within_itself(dsm: Runner, here: Path) -> None:
    """A hook may call dsm; it is not started again by what it calls."""
    call = f'"{sys.executable}" -m dsm commit -q -m again --allow-empty'
    hook(here, "post-commit", f"PYTHONPATH={ROOT} {call}")
    dsm("hooks", "trust", "post-commit")
    dsm("commit", "-q", "-m", "x")
    assert len(dsm("log", "--oneline").lines) == 2


def test_hooks_are_listed_and_distrusted(dsm: Runner, here: Path) -> None:
    """list says which run; distrust takes it back; a name that is none is told."""
    hook(here, "pre-commit", ":")
    assert dsm("hooks").lines == ["pre-commit  not trusted"]
    dsm("hooks", "trust", "pre-commit")
    (told,) = dsm("hooks", "list", "--json").json["hooks"]
    assert (told["name"], told["state"]) == ("pre-commit", "trusted")
    dsm("hooks", "distrust", "pre-commit")
    assert dsm("hooks", "list").lines == ["pre-commit  not trusted"]
    assert "did you mean pre-commit?" in dsm("hooks", "trust", "precommit", status=4).err
    dsm("fsck", "-q")


def test_trust_is_kept_outside_of_the_repository(
    dsm: Runner, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where settings lie in the repository, anybody could bring them along: nothing is trusted."""
    hook(here, "pre-commit", ":")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(here / "settings"))
    assert "no folder of yours" in dsm("hooks", "trust", "pre-commit", status=6).err


# --- hooks of git --------------------------------------------------------------------------------


@pytest.fixture
def git(dsm: Runner, here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """git in the repository, with a dsm that it finds, and a contract that refuses empty files."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    programs = here.parent / "bin"
    programs.mkdir()
    (programs / "dsm").write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m dsm "$@"\n'
    )
    (programs / "dsm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    run("init", "-q", ".")
    write(here / "dsm.toml", "[dataset.data.rules]\nsize = {}\n")
    write(here / ".gitignore", "*.txt\n/.dsm/\n")
    dsm("commit", "-q", "-m", "x")
    return run


@needs_git
def test_git_asks_dsm(dsm: Runner, here: Path, git: Callable[..., tuple[int, str]]) -> None:
    """A commit of git is stopped while what is staged breaks the contract; a hook that was there
    runs first and comes back; a checkout brings the files of its lock."""
    write(here / ".git/hooks/pre-commit", "#!/bin/sh\necho others >> ran\n")
    (here / ".git/hooks/pre-commit").chmod(0o755)
    assert "runs first" in dsm("hooks", "install").err
    assert "installed already" in dsm("hooks", "install").err
    dsm("lock", "-q")
    git("add", "-A")
    assert git("commit", "-q", "-m", "one")[0] == 0
    write(here / "empty.txt", "")
    dsm("add", "-q", "empty.txt")
    status, said = git("commit", "-q", "--allow-empty", "-m", "no")
    assert (status, "empty.txt: it has no bytes" in said, "size" in said) == (1, True, True)
    write(here / "empty.txt", "full")
    dsm("add", "-q", "empty.txt")
    dsm("commit", "-q", "-m", "two")
    dsm("lock", "-q")
    assert git("commit", "-q", "-a", "-m", "two")[0] == 0
    git("checkout", "-q", "HEAD~1")
    assert not (here / "empty.txt").exists()
    git("checkout", "-q", "-")
    assert (here / "empty.txt").read_text() == "full"
    assert (here / "ran").read_text() == "others\n" * 3
    # As in a clone that has no data yet.
    (here / ".dsm").rename(here / "elsewhere")
    status, said = git("commit", "-q", "--allow-empty", "-m", "code alone")
    assert (status, said) == (
        0, "dsm: there is no repository in ., so nothing is asked of pre-commit\n",
    )  # fmt: skip
    (here / "elsewhere").rename(here / ".dsm")
    assert "is back" in dsm("hooks", "uninstall").err
    assert (here / ".git/hooks/pre-commit").read_text() == "#!/bin/sh\necho others >> ran\n"
    left = {path.name for path in (here / ".git/hooks").iterdir() if ".sample" not in path.name}
    assert left == {"pre-commit"}


@needs_git
def test_a_conflict_is_not_committed(
    dsm: Runner, here: Path, git: Callable[..., tuple[int, str]]
) -> None:
    """Two branches lock other data: `git commit -a` does not take the marks of the merge, and says
    how to settle it; `dsm lock` settles it."""
    dsm("hooks", "install", "-q")
    git("checkout", "-q", "-b", "main")
    dsm("lock", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    for branch, start in (("other", "main"), ("more", "main")):
        git("checkout", "-q", "-b", branch, start)
        write(here / f"{branch}.txt", branch)
        dsm("add", "-q", f"{branch}.txt")
        dsm("commit", "-q", "-m", branch)
        dsm("lock", "-q")
        assert git("commit", "-q", "-a", "-m", branch)[0] == 0
    assert git("merge", "-q", "other")[0] == 1
    status, said = git("commit", "-a", "-m", "marks and all")
    assert (status, said.splitlines()) == (
        1,
        [
            f"error: {here}/dsm.lock holds a merge conflict",
            "  data: ours has changeset 3; theirs has changeset 2",
            "hint: both are in the history here: `dsm lock` names its head, then `git add dsm.lock`",
        ],
    )
    dsm("lock", "-q")
    git("add", "dsm.lock")
    assert git("commit", "-q", "-m", "merged")[0] == 0
    assert json.loads((here / "dsm.lock").read_text())["datasets"]["data"]["number"] == 3


@needs_git
def test_git_pushes_data_first(
    dsm: Runner, here: Path, tmp_path: Path, git: Callable[..., tuple[int, str]]
) -> None:
    """A push of code pushes the data that it names; where that fails, the code stays, too."""
    dsm("hooks", "install", "-q")
    git("init", "-q", "--bare", str(tmp_path / "code"))
    git("remote", "add", "origin", str(tmp_path / "code"))
    git("add", "dsm.toml")
    git("commit", "-q", "-m", "x")
    dsm("remote", "add", "origin", str(tmp_path / "remote"))
    assert git("push", "-q", "origin", "HEAD:main")[0] == 0
    assert (tmp_path / "remote/datasets/data/changesets/00000001.json").is_file()
    shutil.rmtree(tmp_path / "remote")
    (tmp_path / "remote").write_text("in the way")
    assert git("push", "-q", "origin", "HEAD:other")[0] != 0
    assert git("rev-parse", "--verify", "-q", "refs/remotes/origin/other")[0] != 0


@needs_git
def test_hooks_of_other_repositories_are_left_alone(
    dsm: Runner, here: Path, tmp_path: Path, git: Callable[..., tuple[int, str]]
) -> None:
    """A folder of hooks that all repositories share is not written; two repositories of dsm in one
    of git share their hooks."""
    git("config", "core.hooksPath", str(tmp_path / "all"))
    assert "belongs to other repositories" in dsm("hooks", "install", status=2).err
    assert not (tmp_path / "all").exists()
    git("config", "--unset", "core.hooksPath")
    (here / "more data").mkdir()
    dsm("init", "-q", "more data")
    for folder in (".", "more data"):
        dsm("-C", folder, "hooks", "install", "-q")
        os.chdir(here)
    text = (here / ".git/hooks/pre-commit").read_text()
    assert [line.split(" hooks ")[0] for line in text.splitlines() if "hooks run" in line] == [
        '"$dsm" -C .', "\"$dsm\" -C 'more data'",
    ]  # fmt: skip
    dsm("-C", "more data", "hooks", "uninstall", "-q")
    os.chdir(here)
    assert "more data" not in (here / ".git/hooks/pre-commit").read_text()
    dsm("hooks", "uninstall", "-q")
    assert not (here / ".git/hooks/pre-commit").exists()


def test_without_git(dsm: Runner, here: Path) -> None:
    """Outside of git there is nothing to install into, and what git does not ask is no hook."""
    assert "no git work tree" in dsm("hooks", "install", status=4).err
    assert "asks nothing of dsm" in dsm("hooks", "run", "commit-msg", status=2).err


def pictured(seed: int, quality: int = 90) -> bytes:
    """A JPEG of its own for each number."""
    out = io.BytesIO()
    spots = Image.frombytes("RGB", (8, 8), random.Random(seed).randbytes(192))
    spots.resize((64, 64), Image.Resampling.BICUBIC).save(out, "JPEG", quality=quality)
    return out.getvalue()


def place(here: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (here / path).parent.mkdir(exist_ok=True)
        (here / path).write_bytes(data)


STRICT = """\
[dataset.data.rules]
decodes = {}
labels = { vocabulary = ["cat", "dog"], min = 0 }
leakage = { by = "folder", near = true }
drift = { against = "v1", columns = ["labels"] }
"""
STOPPED = {
    "a corrupt picture": (
        {"train/cut.jpg": pictured(10)[:-50]}, "cat", "decodes", "train/cut.jpg: it is cut off",
    ),
    "a mislabelled one": (
        {"train/strange.jpg": pictured(11)}, "cta", "labels",
        "train/strange.jpg: label cta is not in the vocabulary; did you mean cat?",
    ),
    "a leaked one": (
        {"train/leaked.jpg": pictured(9)}, "cat", "leakage",
        "train/leaked.jpg: its content is on two sides of folder; this one is in train",
    ),
    "a leaked one, encoded anew": (
        {"train/anew.jpg": pictured(9, 60)}, "cat", "leakage",
        "train/anew.jpg: it is nearly the same as test/9.jpg, which is on another side of folder",
    ),
    "drifted labels": (
        {f"train/dog{n}.jpg": pictured(20 + n) for n in range(9)}, "dog", "drift",
        "labels has drifted from v1: cat: 100.0% → 0.0%; dog: 0.0% → 100.0%",
    ),
}  # fmt: skip


@needs_git
@pytest.mark.parametrize("tool", ["pre-commit", "prek"])
def test_the_tools_ask_dsm(
    dsm: Runner, here: Path, git: Callable[..., tuple[int, str]], tool: str,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """pre-commit and prek run the hooks of the configuration that dsm has written. Each way to break
    the data stops a commit, with the names of the example and of the rule; a good one passes."""
    program = shutil.which(tool, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"needs {tool}")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PREK_HOME", str(tmp_path / "cache"))
    dsm("hooks", "install", "-q", "--pre-commit-tool")
    assert "already" in dsm("hooks", "install", "--pre-commit-tool").err
    subprocess.run([program, "install"], check=True, capture_output=True)
    git("add", "dsm.toml", ".gitignore", ".pre-commit-config.yaml")
    status, said = git("commit", "-m", "yes")
    assert status == 0, said
    write(here / "dsm.toml", STRICT)
    git("add", "dsm.toml")  # the tools put aside what is not in git's index
    good = {f"{side}/{n}.jpg": pictured(n) for n, side in enumerate(["train"] * 8 + ["test"] * 2)}
    place(here, good)
    dsm("add", "-q", *good, "--label", "cat")
    dsm("commit", "-q", "-m", "good")
    dsm("tag", "-q", "v1")
    for name, (files, label, rule, told) in STOPPED.items():
        place(here, files)
        dsm("add", "-q", *files, "--label", label)
        status, said = git("commit", "--allow-empty", "-m", "no")
        found = (f"error: {rule}, " in said, told in said)
        assert (name, status, found) == (name, 1, (True, True))
        dsm("restore", "-q", "--staged")
    place(here, {"train/cut.jpg": pictured(11)})
    dsm("add", "-q", "train/cut.jpg", "--label", "cat")
    assert git("commit", "--allow-empty", "-m", "yes")[0] == 0
    # As in a clone that has no data yet.
    (here / ".dsm").rename(here / "elsewhere")
    assert git("commit", "--allow-empty", "-m", "code alone")[0] == 0
    (here / "elsewhere").rename(here / ".dsm")
    assert "removed" in dsm("hooks", "uninstall").err
    assert not (here / ".pre-commit-config.yaml").exists()


CONFIGURED = {
    "indented": "repos:\n  - repo: https://example.org/a\n    hooks: [{id: a}]\n",
    "not indented": "# ours\nrepos:\n- repo: https://example.org/a\n  hooks:\n  - id: a",
    "with more before": "fail_fast: true\nrepos:\n    - repo: x\n      hooks: []\n",
    "empty": "repos: []\n",
    "empty, between comments": "fail_fast: true\nrepos: []  # none yet\n# the end",
}


@needs_git
@pytest.mark.parametrize("name", CONFIGURED)
def test_a_configuration_is_added_to(
    dsm: Runner, here: Path, git: Callable[..., tuple[int, str]], name: str
) -> None:
    """What stands in it stays, and is all that is left after uninstall."""
    path = here / ".pre-commit-config.yaml"
    path.write_text(CONFIGURED[name])
    said = dsm("hooks", "install", "--pre-commit-tool").err
    assert "`pre-commit install -t pre-commit -t pre-push -t post-checkout` puts" in said
    before = CONFIGURED[name].replace("repos: []", "repos:")
    assert path.read_text().startswith(before)
    assert path.read_text().count("- repo:") == before.count("- repo:") + 1
    assert "dsm-pre-commit" in str(yaml.safe_load(path.read_text())["repos"])
    items = [line for line in path.read_text().splitlines() if "- repo" in line]
    assert len({line[: line.index("-")] for line in items}) == 1
    dsm("hooks", "uninstall", "-q")
    assert path.read_text().rstrip("\n") == CONFIGURED[name].rstrip("\n")
    path.write_text("repos: []\nfail_fast: true\n")
    assert (
        "does not end with its list" in dsm("hooks", "install", "--pre-commit-tool", status=2).err
    )


@needs_git
def test_repositories_of_one_work_tree_share_a_configuration(
    dsm: Runner, here: Path, git: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each adds its own hooks to it and takes only those away; the last one removes the file."""
    path = here / ".pre-commit-config.yaml"
    folders = ["", 'it\'s "more" data: #1', "-C"]
    for folder in folders:
        (here / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(here / folder)
        dsm("init", "-q")
        dsm("hooks", "install", "-q", "--pre-commit-tool")
        assert "already" in dsm("hooks", "install", "--pre-commit-tool").err
    repos = yaml.safe_load(path.read_text())["repos"]
    asked = [shlex.split(repo["hooks"][0]["entry"])[-1] for repo in repos]
    assert asked == [".", folders[1], "./-C"]
    for left, folder in enumerate(folders):
        monkeypatch.chdir(here / folder)
        dsm("hooks", "uninstall", "-q")
        assert path.exists() == (left < 2)
    for name in ("new\nline", os.fsdecode(b"latin\xe4")):
        (here / name).mkdir()
        monkeypatch.chdir(here / name)
        dsm("init", "-q")
        assert "no name that a hook can hold" in dsm("hooks", "install", status=2).err


@needs_git
def test_init_offers_lines_for_git(
    dsm: Runner, git: Callable[..., tuple[int, str]], here: Path
) -> None:
    """In a work tree of git, init says which lines .gitignore lacks, and adds them when asked."""
    (here / "new").mkdir()
    os.chdir(here / "new")
    assert "adds /.dsm/ to .gitignore" in dsm("init").err
    write(here / "new/.gitignore", "*.pyc")
    dsm("dataset", "create", "more", "--root", "my data")
    dsm("init", "-q", "--git-ignore")
    assert (here / "new/.gitignore").read_text() == "*.pyc\n/.dsm/\n/my\\ data/\n"
    assert "has it all" in dsm("init", "--git-ignore").err


def test_a_schema_is_listed_and_trusted_with_hooks(dsm: Runner, here: Path) -> None:
    """The contract names its file: it is listed, trusted and distrusted as hooks are; what is not
    trusted ends a check with the command that trusts it, and no commit passes by it."""
    write(
        here / "dsm.toml",
        '[dataset.data.rules]\npandera = { schema = "schemas:X", on = "commit" }\n',
    )
    write(here / "schemas.py", "print('x')\n")
    assert dsm("hooks", "list").lines == ["schemas.py  not trusted"]
    refused = dsm("check", "--staged", status=6)
    assert "then `dsm hooks trust schemas.py`" in refused.err
    dsm("commit", "-q", "-m", "x", status=6)
    dsm("hooks", "trust", "schemas.py")
    assert dsm("hooks", "list").lines == ["schemas.py  trusted"]
    write(here / "schemas.py", "print('y')\n")
    assert dsm("hooks", "list").lines == ["schemas.py  not trusted"]
    dsm("hooks", "trust", "schemas.py")
    assert "runs no more" in dsm("hooks", "distrust", "schemas.py").err
    dsm("hooks", "trust", "other.py", status=4)
