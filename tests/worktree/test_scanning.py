"""What a walk of the work tree takes, follows, skips and warns of."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from situations import Work

from dsm.datasets import Dataset
from dsm.errors import AnswerIsNo, InvalidInput, NotFound, StorageFailed
from dsm.model.reports import AddReport


def paths(work: Work) -> list[str]:
    return sorted(work.ds.tree.index(work.ds.tree.stage.load()).below(""))


def skipped(report: AddReport) -> dict[str, str]:
    return {problem.path: problem.reason for problem in report.skipped}


def test_hidden_and_ordinary_files(work: Work) -> None:
    """Hidden files are files; `.dsm`, `.git` and the ignore files are not examples."""
    work.write({".hidden": "h", "dir/.hidden": "h", ".git/config": "x", "dir/.git/x": "x",
                ".dsmignore": "*.tmp\n", "dir/.dsmignore": "", "x.tmp": "t", "a": "a"})  # fmt: skip
    (work.root / "empty" / "folders").mkdir(parents=True)
    work.ds.add(["."])
    assert paths(work) == [".hidden", "a", "dir/.hidden"]
    assert work.state()[2] == []


def test_ignored_files(work: Work) -> None:
    """What is ignored is not added by folder and not untracked; forced, it is added and stays."""
    work.write({".dsmignore": "*.tmp\nbuild/\n", "a": "a", "b.tmp": "b", "build/x": "x"})
    work.ds.add(["."])
    work.ds.commit("one")
    assert paths(work) == ["a"]
    assert work.state() == ([], [], [])
    work.ds.add(["b.tmp"], force=True)
    work.ds.commit("two")
    assert work.state() == ([], [], [])
    work.write({"b.tmp": "changed"})
    assert work.state() == ([], [("m", "b.tmp")], [])
    assert work.ds.commit("three", all=True).counts.modified == 1
    work.path("b.tmp").unlink()
    assert work.state() == ([], [("d", "b.tmp")], [])
    work.ds.add(["."], deletions=True)
    assert work.state()[0] == [("d", "b.tmp")]


def test_tracked_files_that_are_ignored_later(work: Work) -> None:
    """An ignore rule does not make tracked files look deleted."""
    work.commit("one", **{"data/a": "a", "data/b": "b"})
    work.write({".dsmignore": "data/\n"})
    assert work.state() == ([], [], [])
    work.write({"data/a": "A"})
    assert work.state() == ([], [("m", "data/a")], [])
    work.ds.add(["."], deletions=True)
    assert work.state()[0] == [("m", "data/a")] or work.state()[1] == [("m", "data/a")]


def test_links_to_files_are_followed_within_the_root(work: Work) -> None:
    """A link to a file of the dataset's folder stands for its content; the others are named."""
    outside = work.root.parent / "outside.txt"
    outside.write_bytes(b"outside")
    work.write({"real": "real", "dir/real": "deep"})
    os.symlink("real", work.path("near"))
    os.symlink("../real", work.path("dir/up"))
    os.symlink(work.path("dir/real"), work.path("absolute"))
    os.symlink("near", work.path("chain"))
    os.symlink(outside, work.path("out"))
    os.symlink("nowhere", work.path("broken"))
    os.symlink("loop", work.path("loop"))
    os.symlink(".dsm/repo.json", work.path("inner"))
    os.symlink("dir", work.path("folder"))
    report = work.ds.add(["."])
    assert paths(work) == ["absolute", "chain", "dir/real", "dir/up", "near", "real"]
    assert set(skipped(report)) == {"out", "broken", "loop", "inner", "folder"}
    assert "--follow-symlinks" in skipped(report)["out"]
    assert "--follow-symlinks" in skipped(report)["folder"]
    assert "broken link" in skipped(report)["broken"]
    work.ds.commit("one")
    assert work.contents()["chain"] == b"real"
    assert work.state() == ([], [], [])
    # The link's target changes: so does the example.
    work.write({"real": "changed"})
    assert [path for _, path in work.state()[1]] == ["chain", "dir/up", "near", "real"]


def test_links_named_by_hand(work: Work) -> None:
    """A link that is not followed is skipped with its reason also when it is named."""
    outside = work.root.parent / "outside.txt"
    outside.write_bytes(b"outside")
    os.symlink(outside, work.path("out"))
    (work.root.parent / "folder").mkdir()
    (work.root.parent / "folder" / "f").write_bytes(b"f")
    os.symlink(work.root.parent / "folder", work.path("folder"))
    report = work.ds.add(["out", "folder"])
    assert set(skipped(report)) == {"out", "folder"}
    assert paths(work) == []
    work.ds.add(["out", "folder"], follow_symlinks=True)
    assert paths(work) == ["folder/f", "out"]


def test_links_into_our_own_folders(work: Work) -> None:
    """No link leads into .dsm or .git, named or met, itself or above, followed or not."""
    work.write({"a": "a", ".git/config": "x", "sub/b": "b"})
    for name, target in {
        "store": ".dsm", "inner": ".dsm/datasets", "chain": "store", "git": ".git",
        "file": ".dsm/repo.json", "sub/up": "..",
    }.items():  # fmt: skip
        os.symlink(target, work.path(name))
    links = ["store", "inner", "chain", "git", "file", "sub/up/store", "sub/up/file"]
    behind = ["store/repo.json", "chain/repo.json", "store/datasets", "git/config"]
    for named, reason in (
        (links, "a link into .dsm or .git"), (behind, "behind a link into .dsm or .git")
    ):  # fmt: skip
        report = work.ds.add(named, follow_symlinks=True)
        assert skipped(report) == dict.fromkeys(named, reason)
        assert set(skipped(work.ds.add(named))) == set(named)
    assert paths(work) == []
    work.ds.add(["sub/up"], follow_symlinks=True)
    assert paths(work) == ["sub/up/a", "sub/up/sub/b"]
    for path in ("sub/up/.dsm", "sub/up/.dsm/repo.json"):
        with pytest.raises(InvalidInput, match="never part of a dataset"):
            work.ds.add([path], follow_symlinks=True)
    work.ds.add(["."], follow_symlinks=True)
    assert paths(work) == ["a", "sub/b", "sub/up/a", "sub/up/sub/b"]


def test_a_dataset_inside_of_our_own_folders(tmp_path: Path) -> None:
    """Where the dataset's folder itself lies makes no link a forbidden one."""
    (tmp_path / ".git/modules").mkdir(parents=True)
    work = Work(tmp_path / ".git/modules")
    work.write({"dir/real": "real"})
    os.symlink("real", work.path("dir/link"))
    os.symlink("dir", work.path("again"))
    assert skipped(work.ds.add(["dir", "again"], follow_symlinks=True)) == {}
    assert paths(work) == ["again/link", "again/real", "dir/link", "dir/real"]


def test_names_behind_links(work: Work) -> None:
    """A path through a link to a folder outside is followed on request only, tracked or not."""
    outside = work.root.parent / "folder"
    (outside / "deep").mkdir(parents=True)
    (outside / "f").write_bytes(b"f")
    (outside / "deep" / "g").write_bytes(b"g")
    os.symlink(outside, work.path("link"))
    report = work.ds.add(["link/f", "link/deep"])
    assert set(skipped(report)) == {"link/f", "link/deep"}
    assert "--follow-symlinks" in skipped(report)["link/f"]
    assert paths(work) == []
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        work.ds.commit("none", paths=["link/f"])
    with pytest.raises(NotFound, match="link/none"):
        work.ds.add(["link/none"])
    work.ds.add(["link/f", "link/deep"], follow_symlinks=True)
    work.ds.commit("one")
    assert paths(work) == ["link/deep/g", "link/f"]
    (outside / "f").write_bytes(b"F")
    (outside / "deep" / "g").write_bytes(b"G")
    (outside / "deep" / "new").write_bytes(b"n")
    report = work.ds.add(["link/f", "link/deep"])
    reason = "behind a link out of the dataset's folder (use --follow-symlinks)"
    assert set(skipped(report)) == {"link/f", "link/deep", "link/deep/g"}
    assert skipped(report)["link/deep/g"] == reason
    assert work.state()[0] == []
    work.ds.add(["link/f", "link/deep/g"], follow_symlinks=True)
    assert work.state()[0] == [("m", "link/deep/g"), ("m", "link/f")]


ENTRIES: dict[str, Callable[[Dataset], object]] = {
    "add all": lambda ds: ds.add(["."]),
    "add by name": lambda ds: ds.add(["x", "dir/y", "chain", "dir/sub/z"]),
    "add by folder": lambda ds: ds.add(["x", "dir", "chain"]),
    "add with deletions": lambda ds: ds.add(["."], deletions=True),
    "add with labels": lambda ds: ds.add(["."], labels=["mine"]),
    "add with a pattern": lambda ds: ds.add(["."], pattern="{name}"),
    "commit all": lambda ds: ds.commit("two", all=True),
    "commit paths": lambda ds: ds.commit("two", paths=["x", "dir", "chain"]),
    "commit files": lambda ds: ds.commit("two", paths=["x", "dir/y", "chain", "dir/sub/z"]),
    "commit the root": lambda ds: ds.commit("two", paths=["."]),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_what_became_a_link_to_the_outside_is_not_stored(work: Work, entry: str) -> None:
    """A tracked file or folder that is replaced by a link out of the dataset brings nothing in."""
    outside = work.root.parent / "outside"
    (outside / "sub").mkdir(parents=True)
    for name in ("x", "y", "sub/z"):
        (outside / name).write_bytes(b"of another project")
    work.commit("one", x="mine", chain="mine", **{"dir/y": "mine", "dir/sub/z": "mine"})
    before = work.contents()
    for name in ("x", "chain"):
        work.path(name).unlink()
    shutil.rmtree(work.path("dir"))
    os.symlink("../outside/x", work.path("x"))
    os.symlink("x", work.path("chain"))
    os.symlink(outside, work.path("dir"))
    with contextlib.suppress(AnswerIsNo):
        ENTRIES[entry](work.ds)
    if work.state()[0]:
        work.ds.commit("three")
    assert work.contents() == before
    work.ds.add(["."], follow_symlinks=True)
    work.ds.commit("on request")
    assert set(work.contents().values()) == {b"of another project"}


def test_what_became_a_link_within_the_dataset_is_stored(work: Work) -> None:
    """A tracked file or folder that is replaced by a link to another of the dataset follows it."""
    work.commit("one", x="old", **{"dir/y": "old", "new/y": "new", "other": "new"})
    work.path("x").unlink()
    shutil.rmtree(work.path("dir"))
    os.symlink("other", work.path("x"))
    os.symlink("new", work.path("dir"))
    work.ds.commit("two", all=True)
    assert set(work.contents().values()) == {b"new"}


def test_a_folder_that_is_not_there(work: Work) -> None:
    """A dataset whose folder is gone has not lost its examples: it says what is missing."""
    other = work.repo.create_dataset("other", root="far/off")
    for ask in (other.status, lambda: other.add(["far/off"]), lambda: other.commit("x", all=True)):
        with pytest.raises(NotFound, match="far/off is not there"):
            ask()
    other.add({"a": b"a"})
    other.commit("one")
    assert other.restore().written == 1
    assert other.status().clean


def test_following_links_to_folders(work: Work) -> None:
    """On request folders behind links are walked, each loop is caught, and nothing comes twice."""
    outside = work.root.parent / "outside"
    outside.mkdir()
    (outside / "o").write_bytes(b"o")
    work.write({"dir/a": "a"})
    os.symlink(outside, work.path("out"))
    os.symlink("..", work.path("dir/up"))
    os.symlink(".", work.path("self"))
    os.symlink(work.root, outside / "back")
    os.symlink("dir", work.path("again"))
    report = work.ds.add(["."], follow_symlinks=True)
    assert paths(work) == ["again/a", "dir/a", "out/o"]
    assert set(skipped(report)) == {"dir/up", "self", "out/back", "again/up"}
    assert {r for r in skipped(report).values()} == {"a link to a folder above it"}
    work.ds.commit("one")
    assert work.contents() == {"again/a": b"a", "dir/a": b"a", "out/o": b"o"}


def test_examples_behind_links_stay_known(work: Work) -> None:
    """What was added through a link is neither untracked nor deleted for those who do not follow."""
    outside = work.root.parent / "outside"
    outside.mkdir()
    (outside / "o").write_bytes(b"o")
    os.symlink(outside, work.path("out"))
    work.ds.add(["."], follow_symlinks=True)
    work.ds.commit("one")
    assert work.state() == ([], [], [])
    (outside / "o").write_bytes(b"changed")
    assert work.state() == ([], [("m", "out/o")], [])
    with pytest.raises(Exception, match="behind a link"):
        work.ds.remove(["out"], force=True)
    assert (outside / "o").exists()
    work.ds.remove(["out"], keep_files=True)
    assert (outside / "o").read_bytes() == b"changed"


def test_what_is_no_file_is_skipped_with_a_line(work: Work) -> None:
    """Pipes, sockets and devices are named, never opened, and stop nothing."""
    work.write({"a": "a"})
    os.mkfifo(work.path("pipe"))
    os.chdir(work.root)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    expected = {"pipe": "a named pipe", "socket": "a socket"}
    if os.getuid() == 0:
        os.mknod(work.path("device"), 0o600 | 0o020000, os.makedev(1, 3))
        expected["device"] = "a device"
    os.symlink("pipe", work.path("to-pipe"))
    report = work.ds.add(["."])
    assert skipped(report) == {**expected, "to-pipe": "a link to something that is not a file"}
    assert paths(work) == ["a"]
    assert skipped(work.ds.add(list(expected))) == expected
    assert work.state() == ([("a", "a")], [], [])


def test_a_file_that_became_a_pipe(work: Work) -> None:
    """A tracked file whose place a pipe has taken is deleted, and never waited for."""
    work.commit("one", a="a", b="b")
    work.path("a").unlink()
    os.mkfifo(work.path("a"))
    assert work.state() == ([], [("d", "a")], [])
    assert work.ds.diff().changes[0].kind == "deleted"
    work.ds.add(["."], deletions=True)
    assert work.state()[0] == [("d", "a")]


# --- names ------------------------------------------------------------------------------------------

NAMES = [
    "with space", " leading", "trailing ", "new\nline", "tab\there", "quo'te", 'double"quote',
    "back\\slash", "\x1b[31mred", "\x07bell", "*", "?", "[x]", "-n", "--", "#", "~", "$HOME", "`x`",
    "猫", "\U0001f408", "e\u0301", "\u202egnp.jpg", "ﬁ", "a" * 255, "é" * 127, "%s%n", "{label}",
    "CON", "nul.txt", "a:b", "a|b", "\ufeffbom", "\u00a0", "...", "..a", "a..",
]  # fmt: skip


def test_every_legal_name(work: Work) -> None:
    """Any name that a file system and UTF-8 allow is added, listed, diffed, restored, removed."""
    files = {name: f"{number}" for number, name in enumerate(NAMES)}
    files |= {f"dir/{name}": f"d{number}" for number, name in enumerate(NAMES)}
    work.write(files)
    report = work.ds.add(["."])
    assert report.counts.added == len(files)
    assert report.failed == ()
    work.ds.commit("one")
    expected = {name: content.encode() for name, content in files.items()}
    assert work.contents() == expected
    assert [e.path for e in work.ds.ls()] == sorted(files)
    assert work.state() == ([], [], [])
    for name in NAMES:
        assert work.ds.read(name) == expected[name]
    work.ds.restore(to="out")
    assert work.files(work.path("out")) == expected
    view = work.ds.prepare()
    assert {e.path for e in view} == set(files)
    work.ds.remove([str(work.path("dir"))])
    assert work.ds.commit("two").counts.deleted == len(NAMES)


@pytest.mark.parametrize("name", [".DSM", ".Git", ".git ", ".d\u200bsm", "．dsm"])
def test_names_that_some_system_takes_for_our_own(work: Work, name: str) -> None:
    """An alias of `.dsm` or `.git` is refused by name."""
    work.write({f"{name}/config": "x", "a": "a"})
    with pytest.raises(StorageFailed) as caught:
        work.ds.add(["."])
    assert "some file systems take" in caught.value.message
    assert work.ds.add(["."], keep_going=True).counts.added == 1


@pytest.mark.parametrize("where", ["file", "folder"])
def test_names_that_are_not_utf8(work: Work, where: str) -> None:
    """Such a name is refused in words that show its bytes; status shows it and goes on."""
    base = os.fsencode(work.root)
    if where == "file":
        bad = base + b"/caf\xe9.jpg"
    else:
        os.mkdir(base + b"/caf\xe9")
        bad = base + b"/caf\xe9/x"
    with open(bad, "wb"):
        pass
    work.write({"a": "a"})
    with pytest.raises(StorageFailed) as caught:
        work.ds.add(["."])
    assert r"caf\xe9" in caught.value.message
    assert "UTF-8" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(work.state()[2]) == 2
    with pytest.raises(InvalidInput, match=r"caf\\xe9"):
        work.ds.add([os.fsdecode(bad)])
    with pytest.raises(StorageFailed, match="1 file could not be read, so nothing was staged"):
        work.ds.add(["."], dry_run=True)


def test_deep_trees(work: Work) -> None:
    """A tree of 1500 levels, as deep as a path may be long, is added, restored and removed."""
    deep = "/".join("d" for _ in range(1500)) + "/file"
    fd = os.open(work.root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    leaf = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(leaf, b"deep")
    os.close(leaf)
    os.close(fd)
    work.ds.add(["."])
    work.ds.commit("one")
    assert work.contents() == {deep: b"deep"}
    assert work.state() == ([], [], [])
    work.ds.restore(to="o")
    assert work.ds.diff().changes == ()
    work.ds.remove(["d"])
    work.ds.commit("two")
    assert not work.path("d").exists()
    work.ds.revert(2)
    assert work.path(deep).read_bytes() == b"deep"
    subprocess.run(["rm", "-rf", work.path("d"), work.path("o")], check=True)


def test_paths_that_are_too_long(work: Work) -> None:
    """A path beyond 4096 bytes is refused by name, not lost."""
    fd = os.open(work.root, os.O_RDONLY)
    for _ in range(17):
        os.mkdir("d" * 250, dir_fd=fd)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)
    work.write({"a": "a"})
    with pytest.raises(StorageFailed, match="1 file could not be read, so nothing was staged"):
        work.ds.add(["."])
    assert work.ds.add(["."], keep_going=True).counts.added == 1
    subprocess.run(["rm", "-rf", work.path("d" * 250)], check=True)


def test_look_alikes_are_warned_of(work: Work) -> None:
    """Names that some system or reader cannot tell apart are added with a warning."""
    work.write({"Cat.jpg": "1", "cat.jpg": "2", "dog": "3"})
    report = work.ds.add(["."])
    assert {w.path for w in report.warnings} == {"cat.jpg"}
    assert "Cat.jpg" in report.warnings[0].reason
    work.ds.commit("one")
    work.write({"d\u043eg": "cyrillic o"})
    assert [w.path for w in work.ds.add(["."]).warnings][-1] == "d\u043eg"
    work.write({"x/é": "1", "x/e\u0301": "2", "Sub/a": "1", "sub/a": "2"})
    assert {w.path for w in work.ds.add(["x", "Sub", "sub"]).warnings} >= {"x/é", "sub"}
    assert work.ds.add(["."]).warnings == ()


# --- as a user without privileges -------------------------------------------------------------------

UNREADABLE = """
import importlib, os, pkgutil, sys
import dsm, pyarrow.compute, pyarrow.parquet, encodings.idna, zstandard.backend_c
for module in pkgutil.walk_packages(dsm.__path__, "dsm."):
    if module.name not in ("dsm.__main__", "dsm.torch"):  # PyTorch need not be there
        importlib.import_module(module.name)
"".encode("utf-16-be")
from dsm.errors import StorageFailed
if os.getuid() == 0:  # root may read everything: be nobody
    os.chown(sys.argv[1], 65534, 65534)
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.chdir(sys.argv[1])
repo = dsm.init(".", dataset="data")
ds = repo.dataset()
for name in ("a", "b", "dir/c", "dir/d", "locked/e"):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    open(name, "w").write(name)
os.symlink("locked/e", "link")
ds.add(["locked/e", "link"]); ds.commit("zero")
os.chmod("b", 0); os.chmod("dir", 0); os.chmod("locked", 0)
try:
    ds.add(["."])
except StorageFailed as error:
    print(sorted(error.items), error.exit_status)
seen = ds.status()
print(seen.staged, seen.unstaged, [p.path for p in seen.failed], seen.clean)
try:
    ds.add(["."], dry_run=True)
except StorageFailed as error:
    print(sorted(error.items))
report = ds.add(["."], keep_going=True, deletions=True)
print(report.counts.added, report.counts.deleted, sorted(p.path for p in report.failed))
print([c.path for c in ds.status().staged])
for mode in 0, 0o555:
    os.chmod("locked", mode)
    try:
        ds.remove(["locked/e"])
    except StorageFailed as error:
        print(error.message.replace(os.getcwd(), "."), error.hint is not None)
    os.chmod("locked", 0o755)
    print(os.listdir("locked"), [c.path for c in ds.status().staged])
os.chmod("b", 0o644); os.chmod("dir", 0o755)
report = ds.add(["."])
print(report.counts.added, [c.path for c in ds.status().unstaged])
"""


def test_unreadable_files_and_folders(tmp_path: Path) -> None:
    """What may not be read is named and stops everything; `keep_going` takes the rest and deletes
    nothing that it could not see. No removal is staged of a file that has to stay."""
    folder = tmp_path / "work"
    folder.mkdir()
    for above in (tmp_path, *tmp_path.parents):
        if os.getuid() == 0 and above.stat().st_mode & 0o001 == 0:
            os.chmod(above, above.stat().st_mode | 0o011)
    answer = subprocess.run(
        [sys.executable, "-c", UNREADABLE, folder], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [
        "['b', 'dir', 'locked'] 8", "() () ['dir', 'locked', 'link'] False",
        "['b', 'dir', 'locked']", "1 0 ['b', 'dir', 'link', 'locked']", "['a']",
        "cannot look at locked/e: Permission denied True", "['e'] ['a']",
        "cannot remove ./locked/e: Permission denied True", "['e'] ['a']", "3 []",
    ]  # fmt: skip
