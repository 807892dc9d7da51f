"""get under kill -9, a full disk and many processes: no half shard is ever taken for a whole one."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from situations import Work
from tiers import LONG

from dsm.errors import StorageFailed
from dsm.store import disk
from dsm.views.view import View
from reliability.mounts import tmpfs, why_no_tmpfs

LAYOUTS = ("webdataset", "tar", "files", "parquet")
SHARD = 30_000


@pytest.fixture
def view(work: Work) -> View:
    """A view of 60 files in about ten shards."""
    source = random.Random(5)
    work.ds.add(
        {f"{n % 7}/{n:03d}.txt": source.randbytes(n * 40).hex().encode() for n in range(60)},
        labels=["x"],
    )
    work.ds.commit("files")
    return work.ds.prepare()


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def get(view: View, out: Path, layout: str, **options: Any) -> Any:
    return view.get(str(out), format=layout, shard_size=SHARD, workers=1, **options)


def check_nothing_half(out: Path, whole: dict[str, bytes]) -> None:
    """Whatever stands under a final name is what will stand there in the end."""
    for name, data in tree(out).items():
        if ".dsm-get" not in name and not Path(name).name.startswith(".dsm-restore-"):
            assert data == whole[name], name


@pytest.mark.parametrize("layout", LAYOUTS)
def test_killed_at_every_primitive(view: View, tmp_path: Path, layout: str) -> None:
    """Death before any single write leaves whole files only; the next get ends it."""
    get(view, tmp_path / "whole", layout)
    whole = tree(tmp_path / "whole")
    count = 0

    def see(_operation: str, _path: str) -> None:
        nonlocal count
        count += 1

    with disk.observe(see):
        get(view, tmp_path / "counted", layout)
    out = tmp_path / "out"
    step = 1 if LONG or count < 40 else count // 15
    for at in range(1, count + 1, step):
        shutil.rmtree(out, ignore_errors=True)
        child = os.fork()
        if not child:
            done = 0

            def die(_operation: str, _path: str, at: int = at) -> None:
                nonlocal done
                done += 1
                if done == at:
                    os.kill(os.getpid(), signal.SIGKILL)

            try:
                with disk.observe(die):
                    get(view, out, layout)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), at
        if out.is_dir():
            check_nothing_half(out, whole)
        get(view, out, layout)
        assert tree(out) == whole, at
        assert not get(view, out, layout, verify=True).fresh


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_write_fails_once(view: View, tmp_path: Path, layout: str) -> None:
    """A write that fails ends get with an error; what is whole stays, the next get ends it."""
    import errno

    get(view, tmp_path / "whole", layout)
    whole = tree(tmp_path / "whole")
    seen: list[str] = []
    with disk.observe(lambda operation, _path: seen.append(operation)):
        get(view, tmp_path / "counted", layout)
    out = tmp_path / "out"
    step = 1 if LONG or len(seen) < 40 else len(seen) // 15
    for at in range(1, len(seen) + 1, step):
        shutil.rmtree(out, ignore_errors=True)
        done = 0

        def fail(_operation: str, _path: str, at: int = at) -> None:
            nonlocal done
            done += 1
            if done == at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        try:
            with disk.observe(fail):
                get(view, out, layout)
        except StorageFailed:
            pass
        if out.is_dir():
            check_nothing_half(out, whole)
        get(view, out, layout)
        assert tree(out) == whole, (at, seen[at - 1])


def test_finished_shards_are_kept(view: View, tmp_path: Path) -> None:
    """What an interrupted get has finished is not written again."""
    out = tmp_path / "out"
    renamed = 0

    def die(operation: str, path: str) -> None:
        nonlocal renamed
        renamed += operation == "rename" and "shard-" in path
        if renamed == 4:
            raise OSError(5, "the disk is gone")

    with pytest.raises(StorageFailed, match="the disk is gone"), disk.observe(die):
        get(view, out, "webdataset")
    stamps = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    assert len(stamps) == 3
    report = get(view, out, "webdataset")
    assert (report.fresh, report.kept) == (True, 3)
    now = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*")}
    assert {name: now[name] for name in stamps} == stamps


def test_a_kept_shard_that_was_damaged_is_written_again(view: View, tmp_path: Path) -> None:
    """What the journal lists is read and compared before it is kept."""
    out = tmp_path / "out"
    get(view, tmp_path / "whole", "webdataset")

    def die(operation: str, path: str) -> None:
        if operation == "rename" and "shard-000004" in path:
            raise OSError(5, "the disk is gone")

    with pytest.raises(StorageFailed, match="the disk is gone"), disk.observe(die):
        get(view, out, "webdataset")
    shard = out / "shard-000001.tar"
    shard.write_bytes(bytes(len(shard.read_bytes())))
    with (out / ".dsm-get" / "journal").open("ab") as journal:
        journal.write(b'{"name":"shard-000')  # the line that was being written
    assert get(view, out, "webdataset").kept == 3
    assert tree(out) == tree(tmp_path / "whole")


@pytest.fixture
def megabytes(work: Work, monkeypatch: pytest.MonkeyPatch) -> View:
    """A view whose tar takes more than one write."""
    monkeypatch.setattr("dsm.views.writing.tar_runs.RUN_BYTES", 1 << 20)
    source = random.Random(6)
    work.ds.add({f"{n:05d}.bin": source.randbytes(30_000) for n in range(400)}, labels=["x"])
    work.ds.commit("files")
    return work.ds.prepare()


def interrupt(view: View, out: Path, writes: int) -> Path:
    """Presses Ctrl-C when the tar is written to for the n-th time; returns what is left of it."""
    seen = 0

    def press(operation: str, path: str) -> None:
        nonlocal seen
        seen += operation == "write" and path.endswith(".tar")
        if seen == writes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), disk.observe(press):
        get(view, out, "tar")
    (partial,) = (out / f".dsm-get-{view.dataset}-{view.version[:16]}").glob("partial-*")
    return partial


def test_an_interrupted_tar_goes_on(megabytes: View, tmp_path: Path) -> None:
    """What is there of a tar is compared and kept; only the rest is written."""
    get(megabytes, tmp_path / "whole", "tar")
    out = tmp_path / "out"
    partial = interrupt(megabytes, out, 3)
    begun, there = partial.stat().st_size, partial.stat().st_ino
    assert begun > 8 << 20
    cut: list[int] = []

    def see(operation: str, path: str) -> None:
        if operation == "cut":
            cut.append(os.stat(path).st_ino)

    with disk.observe(see):
        report = get(megabytes, out, "tar")
    assert cut == [there]
    assert os.stat(report.path).st_ino == there
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("at", [0, 100, 700, 4_000_000])
def test_damage_to_an_interrupted_tar_is_not_kept(megabytes: View, tmp_path: Path, at: int) -> None:
    """Other bytes in a header or a content: from there on everything is written again."""
    get(megabytes, tmp_path / "whole", "tar")
    out = tmp_path / "out"
    partial = interrupt(megabytes, out, 3)
    with partial.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    get(megabytes, out, "tar")
    assert tree(out) == tree(tmp_path / "whole")


def test_force_takes_nothing_up(megabytes: View, tmp_path: Path) -> None:
    """With --force a tar is begun anew."""
    out = tmp_path / "out"
    # Held open, for the number of a file that is gone may be given to the next one.
    with interrupt(megabytes, out, 3).open("rb") as partial:
        report = get(megabytes, out, "tar", force=True)
        assert not os.path.samestat(os.stat(report.path), os.fstat(partial.fileno()))
    assert not [name for name in tree(out) if ".dsm-get" in name]


# --- real processes -----------------------------------------------------------------------------


def start(root: Path, *words: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "dsm", "get", *words], cwd=root, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def large(make_work: Callable[..., Work]) -> tuple[Path, str]:
    """A repository whose view is worth several workers, and the view's version."""
    work = make_work("large")
    source = random.Random(6)
    work.ds.add({f"{n:05d}.bin": source.randbytes(2500) for n in range(2500)}, labels=["x"])
    work.ds.commit("files")
    work.repo.config.set("core.workers", "3")
    return work.root, work.ds.prepare().version


def check_whole(out: Path) -> None:
    told = json.loads((out / "dataset.json").read_bytes())
    for item in told["files"]:
        data = (out / item["name"]).read_bytes()
        assert (len(data), blake3(data).hexdigest()) == (item["size"], item["blake3"])
        with tarfile.open(out / item["name"]) as reader:
            assert sum(1 for _ in reader) == 3 * item["examples"]
    assert sum(item["examples"] for item in told["files"]) == 2500


@pytest.mark.slow
def test_killed_at_random_moments(large: tuple[Path, str], tmp_path: Path) -> None:
    """Real gets with workers die at random moments; whoever finds dataset.json finds all of it."""
    root, version = large
    out = tmp_path / "out"
    source = random.Random(7)
    killed = 0
    for _ in range(60 if LONG else 10):
        process = start(root, version, "-o", str(out), "--shard-size", "1MB")
        time.sleep(source.uniform(0.1, 1.0))
        killed += process.poll() is None
        process.kill()
        process.communicate()
        if (out / "dataset.json").exists():
            check_whole(out)
            shutil.rmtree(out)
    process = start(root, version, "-o", str(out), "--shard-size", "1MB")
    assert process.wait() == 0
    check_whole(out)
    assert not (out / ".dsm-get").exists()
    assert killed


@pytest.mark.slow
def test_a_tar_killed_at_random_moments(large: tuple[Path, str], tmp_path: Path) -> None:
    """However often the processes that write one tar die, its bytes are those of one run."""
    root, version = large
    assert start(root, version, "-o", str(tmp_path / "whole"), "--format", "tar").wait() == 0
    source = random.Random(8)
    for _ in range(40 if LONG else 6):
        process = start(root, version, "-o", str(tmp_path / "out"), "--format", "tar")
        time.sleep(source.uniform(0.15, 0.6))
        process.kill()
        process.communicate()
    assert start(root, version, "-o", str(tmp_path / "out"), "--format", "tar").wait() == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


CROWD = 16 if LONG else 5


@pytest.mark.slow
def test_many_at_once(large: tuple[Path, str], tmp_path: Path) -> None:
    """Many trainers get one version into one folder: one builds, the others find it whole."""
    root, version = large
    out = tmp_path / "out"
    crowd = [
        start(root, version, "-o", str(out), "--shard-size", "1MB", "--json") for _ in range(CROWD)
    ]
    said = [process.communicate() for process in crowd]
    assert [process.returncode for process in crowd] == [0] * CROWD, said
    told = [json.loads(out_) for out_, _ in said]
    assert sum(answer["fresh"] for answer in told) == 1
    check_whole(out)
    assert not (out / ".dsm-get").exists()


def test_a_reader_that_leaves(large: tuple[Path, str]) -> None:
    """Whoever reads only the beginning of `-o -` ends get quietly."""
    root, version = large
    process = start(root, version, "-o", "-")
    assert process.stdout is not None and process.stderr is not None
    assert len(process.stdout.read(2000)) == 2000
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.root
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_disk_that_is_really_full(view: View, tmp_path: Path, layout: str) -> None:
    """On disks of every size get fails or is whole; with room again it goes on."""
    reason = why_no_tmpfs(tmp_path / "probe")
    if reason:
        pytest.skip(reason)
    get(view, tmp_path / "whole", layout)
    whole = tree(tmp_path / "whole")
    for size in range(40, 400, 10 if LONG else 45):
        with tmpfs(tmp_path / "disk", size << 10) as small:
            try:
                get(view, small / "out", layout)
                assert tree(small / "out") == whole
            except StorageFailed:
                if (small / "out").is_dir():
                    check_nothing_half(small / "out", whole)
                    assert not (small / "out" / "dataset.json").exists()
                subprocess.run(["mount", "-o", "remount,size=4m", small], check=True)
                get(view, small / "out", layout)
                assert tree(small / "out") == whole
