"""Names and places that are hard to reach or to write to: told by name, and nothing half done."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import StorageFailed
from dsm.files.folders import Folders, Obstructed, encoded
from dsm.files.restore import UnsavedWork
from dsm.files.writing import UnsafeTarget

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


# --- folders ------------------------------------------------------------------------------------------


def test_no_way_leads_through_links_or_upwards(tmp_path: Path) -> None:
    """A path with a link, a file, `..` or an empty component on its way is not followed."""
    (tmp_path / "root/d").mkdir(parents=True)
    (tmp_path / "root/file").write_bytes(b"")
    (tmp_path / "root/link").symlink_to("d")
    with Folders(str(tmp_path / "root")) as folders:
        for path in ("link/x", "file/x", "../root/d/x", "d/../x", "d//x", "./d/x", "d/.", "..", ""):
            with pytest.raises(
                Obstructed, match=r"\[Errno 20\] a link or a file is where a folder must"
            ):
                folders.look(path)
            assert not (path.endswith("x") and folders.is_reachable(path))
        assert folders.look("missing/x") is None
        assert folders.look("d/x") is None
        assert folders.is_reachable("d/x")
        found = folders.look("link")
        assert found is not None
        assert (found.is_link, found.is_file, found.is_folder, found.hash()) == (
            True,
            False,
            False,
            None,
        )


def folders_open(top: Path) -> int:
    """How many folders at or below this one are open; others of this process come and go."""
    found = []
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one of this listing
            found.append(Path(os.readlink(f"/proc/self/fd/{fd}")))
    return sum(each.is_relative_to(top) for each in found)


def test_open_folders_do_not_pile_up(tmp_path: Path) -> None:
    """However many folders are entered, one is open."""
    with Folders(str(tmp_path)) as folders:
        for number in range(50):
            folders.enter(f"a{number % 3}/b{number}/c", make=True)
            folders.enter(f"a{number % 3}/b{number}/c/d/e", make=True)
            with pytest.raises(
                FileNotFoundError, match=r"\[Errno 2\] No such file or directory: b"
            ):
                folders.enter("not/there")
        assert folders_open(tmp_path) == 0
        folders.enter("a0")
        assert folders_open(tmp_path) == 1
    assert folders_open(tmp_path) == 0


def test_names_are_utf8_and_nothing_else() -> None:
    """A name becomes the same bytes whatever the locale; bytes that are not UTF-8 survive."""
    assert encoded("Été 日本") == "Été 日本".encode()
    assert encoded(b"\xff\xe9".decode("utf-8", "surrogateescape")) == b"\xff\xe9"


# --- what is in the way --------------------------------------------------------------------------------


def pipe(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def device(path: Path) -> None:
    os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))


@pytest.mark.parametrize(
    "make", [pipe, bound, pytest.param(device, marks=[AS_ROOT, pytest.mark.root])]
)
def test_what_is_no_file_is_in_the_way(work: Work, make: object) -> None:
    """Pipes, sockets and devices are never opened; they go by force, and `rm` leaves them."""
    work.commit("one", a="a", b="b")
    work.path("a").unlink()
    make(work.path("a"))  # type: ignore[operator]
    with pytest.raises(UnsavedWork) as caught:
        work.ds.restore()
    assert caught.value.items == ("a",)
    assert work.ds.remove(["a"]) == ("a",)
    assert os.path.lexists(work.path("a"))
    work.ds.unstage()
    assert work.ds.restore(force=True).written == 1
    assert work.path("a").read_bytes() == b"a"


def test_one_of_several_names(work: Work) -> None:
    """A file that has another name elsewhere is replaced here and keeps its content there."""
    work.commit("one", a="a1")
    work.commit("two", a="a2")
    os.link(work.path("a"), work.root.parent / "elsewhere")
    work.ds.restore(source=1)
    assert work.path("a").read_bytes() == b"a1"
    work.ds.remove(["a"], force=True)
    assert (work.root.parent / "elsewhere").read_bytes() == b"a2"


@pytest.fixture
def fixed(work: Work) -> Iterator[Work]:
    """A file and a folder that the file system lets nobody change."""
    work.commit("one", a="a1", b="b1", **{"d/c": "c1"})
    work.commit("two", a="a2", b="b2", **{"d/c": "c2"})
    paths = [str(work.path("a")), str(work.path("d"))]
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", *paths]).returncode:
        pytest.skip("no immutable files here")
    yield work
    subprocess.run(["chattr", "-i", *paths], check=True)


@AS_ROOT
@pytest.mark.root
def test_immutable_files_and_folders(fixed: Work) -> None:
    """What may not be changed is named, nothing else is half done, and no temporary file stays."""
    before = fixed.files()
    for name in ("a", "d/c"):
        with pytest.raises(StorageFailed, match=f"cannot write {name}: Operation not permitted"):
            fixed.ds.restore([name], source=1)
        with pytest.raises(
            StorageFailed, match=f"cannot remove .*/{name}: Operation not permitted"
        ):
            fixed.ds.remove([name])
        with pytest.raises(StorageFailed, match="Operation not permitted"):
            fixed.ds.move(name, "moved")
    assert fixed.files() == before
    assert fixed.state() == ([], [], [])
    assert fixed.ds.restore(["b"], source=1).written == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_read_only_folders(work: Work) -> None:
    """A folder without write permission is named by every verb that would change it."""
    work.commit("one", **{"d/c": "c1", "gone/x": "x"})
    work.commit("two", **{"d/c": "c2"})
    work.path("gone/x").unlink()
    for name in ("d", "gone"):
        work.path(name).chmod(0o555)
    verbs: list[Callable[[], object]] = [
        lambda: work.ds.restore(["d"], source=1), lambda: work.ds.remove(["d"]),
        lambda: work.ds.move("d/c", "e"), lambda: work.ds.restore(["gone"]),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(StorageFailed, match="Permission denied"):
            verb()
    assert work.files() == {"d/c": b"c2"}
    for name in ("d", "gone"):
        work.path(name).chmod(0o755)


# --- paths that are long -------------------------------------------------------------------------------


def test_paths_longer_than_the_system_takes(work: Work) -> None:
    """An example 4,000 bytes below a root that is deep itself is written, compared and replaced."""
    path = "/".join(["d" * 99] * 40)
    work.ds.add({path: b"one", "a": b"a"})
    work.ds.commit("one")
    work.ds.add({path: b"two"})
    work.ds.commit("two")
    target = "out/" + "/".join(["t" * 99] * 5)
    try:
        assert work.ds.restore(source=1, to=target).written == 2
        assert work.ds.restore(source=1, to=target).unchanged == 2
        with pytest.raises(UnsavedWork, match="1 file with content that is in no changeset would"):
            work.ds.restore(to=target)
        assert work.ds.restore(to=target, force=True).written == 1
        with Folders(str(work.path(target))) as folders:
            where, name = folders.at(path)
            fd = os.open(name, os.O_RDONLY, dir_fd=where)
            assert os.read(fd, 10) == b"two"
            os.close(fd)
    finally:
        subprocess.run(["rm", "-rf", str(work.path("out"))], check=True)


# --- where one stands ----------------------------------------------------------------------------------


def shell_in(work: Work, folder: str, *verbs: str) -> subprocess.CompletedProcess[str]:
    """Runs verbs of a dataset in a process whose current folder is below its root."""
    script = (
        "import dsm, os\nrepo = dsm.open(); ds = repo.dataset()\n"
        + "".join(f"ds.{verb}\n" for verb in verbs)
        + "print(os.path.relpath(os.getcwd(), repo.root))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=work.path(folder), capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "DSM_AUTHOR": "Ada"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "verbs",
    [
        ["remove(['f'])"], ["remove(['../..'])"], ["move('f', '../../g')"], ["revert(2)"],
        ["move('f', '../../g')", "unstage()"],
    ],
)  # fmt: skip
def test_the_current_folder_stays(work: Work, verbs: list[str]) -> None:
    """No verb takes the folder away that one stands in, empty though it be, nor those above it."""
    work.commit("one", **{"a": "a", "x/y/f": "f", "x/z/f": "f"})
    work.commit("two", **{"b/c/f": "c"})
    done = shell_in(work, "b/c", *verbs)
    assert (done.returncode, done.stdout) == (0, "b/c\n"), done.stderr
    assert work.path("b/c").is_dir()


def test_a_folder_that_one_stands_in_becomes_no_file(work: Work) -> None:
    """A restore to where the current folder was a file is refused before anything is done."""
    work.commit("one", x="a file", other="1")
    work.path("x").unlink()
    work.commit("two", **{"x/y/f": "f", "other": "2"})
    before = work.files()
    done = shell_in(work, "x/y", "restore(source=1)")
    assert "UnsafeTarget: x is a folder where a file must be, and you are in it" in done.stderr
    assert work.files() == before
    done = shell_in(work, ".", "restore(source=1)")
    assert done.returncode == 0, done.stderr
    assert work.files() == {"x": b"a file", "other": b"1"}


# --- files and folders that change places --------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": "file"}, {"a/b": "below", "a/c/d": "deeper"}),
        ({"a/b": "below", "a/c/d": "deeper"}, {"a": "file"}),
        ({"a": "1", "b/c": "2"}, {"a/c": "2", "b": "1"}),
        ({"a/b": "1", "c": "3"}, {"a/b/d": "1", "c": "4"}),
    ],
)
def test_a_revert_of_a_file_that_became_a_folder(
    work: Work, before: dict[str, str], after: dict[str, str]
) -> None:
    """Each example has its file after the revert, in either direction, and again."""
    work.commit("one", **before)
    for name in before:
        work.path(name).unlink()
    for name in sorted(before, reverse=True):
        folder = work.path(name).parent
        while folder != work.root and folder.is_dir() and not os.listdir(folder):
            folder.rmdir()
            folder = folder.parent
    work.commit("two", **after)
    for number, expected in ((2, before), (3, after), (4, before)):
        work.ds.revert(number)
        assert work.files() == {name: text.encode() for name, text in expected.items()}
        assert work.state() == ([], [], [])


def test_a_revert_makes_no_room_by_force(work: Work) -> None:
    """A folder with a file of the user's in it stays where a file would come back."""
    work.commit("one", a="file", z="1")
    work.path("a").unlink()
    work.commit("two", z="2", **{"a/b": "below"})
    work.write({"a/mine": "mine"})
    work.ds.revert(2)
    assert work.files() == {"a/mine": b"mine", "z": b"1"}
    assert work.contents() == {"a": b"file", "z": b"1"}


def test_keeping_files_writes_none(work: Work) -> None:
    """A revert with `keep_files` leaves the work tree alone, also where a file would come back."""
    work.commit("one", a="a", b="b")
    work.ds.remove(["a"])
    work.ds.commit("two")
    work.ds.revert(2, keep_files=True)
    assert work.files() == {"b": b"b"}
    assert (work.contents(), work.ds.status().absent) == ({"a": b"a", "b": b"b"}, 1)


def test_what_cannot_go_is_named(work: Work) -> None:
    """A folder where a file must be is refused with what is in it."""
    work.commit("one", a="a")
    work.path("a").unlink()
    work.write({"a/mine": "mine"})
    os.mkfifo(work.path("a/pipe"))
    with pytest.raises(UnsafeTarget) as caught:
        work.ds.restore(force=True)
    assert caught.value.items == ("a/mine", "a/pipe")
