"""Workloads on remotes: a folder, and a bucket on a server that speaks S3 on this machine.

Invariant: requests and bytes are those that the server counted; what went up in a round is removed
after it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import corpus
from .bench import Bench
from .measure import Command, Side, Step, always, run
from .programs import Programs, interpreter_of, output_of
from .report import Goal, Row, compared_row, seconds_text

WORKLOAD = "remotes"
FILES, FILE_BYTES, DVC_FILES = 100_000, 8192, 10_000
EXAMPLES, CHANGESETS, CHANGED = 1_000_000, 100, 10
COMMITS, COMMIT_FILES = 500, 10
LINE = 125_000_000
"""Bytes a second: a line of 1 Gbit/s."""
PROGRAM = str(Path(__file__).with_name("remote_programs.py"))
SERVER = str(Path(__file__).with_name("s3_server.py"))


def remotes(bench: Bench) -> Iterator[Row]:
    """Pushes, clones, fetches and epochs; a folder first, then the bucket."""
    project = _project(bench, "remote-files", bench.count(FILES, 200))
    yield _push_to_folder(bench, project)
    history = _history(bench)
    yield _clone_of_history(bench, history)
    yield _many_commits(bench)
    with _server(bench) as served:
        if served is None:
            yield Row(WORKLOAD, "everything by S3", skipped="moto[server] or obstore is missing")
            return
        bucket = Bucket(served)
        yield from _push_to_bucket(served, bucket, project)
        yield _against_dvc(served, bucket)
        yield _clone_from_bucket(served, bucket, project)
        yield from _few_requests(served, bucket, history)
        yield _part_of_a_view(served, bucket)
        yield from _epochs(served, bucket, project)


# --- what they are measured on ---


class Bucket:
    """The bucket of the server, and what was asked of it."""

    def __init__(self, bench: Bench):
        self._bench = bench
        self._address = bench.programs.env["AWS_ENDPOINT_URL"]

    def counts(self) -> tuple[int, int]:
        """How many requests the server has answered, and with how many bytes."""
        with urllib.request.urlopen(f"{self._address}/counts") as answer:
            told = json.loads(answer.read())
        return told["requests"], told["sent"]

    def line(self, rate: int) -> None:
        """Lets it answer with so many bytes a second; 0 is as fast as it can."""
        urllib.request.urlopen(f"{self._address}/line/{rate}").close()

    def url(self, prefix: str) -> str:
        """The address of a prefix."""
        return f"s3://bucket/{prefix}"

    def forget(self, prefix: str) -> None:
        """Removes what lies below a prefix."""
        _seconds(self._bench, "forget", prefix)


@contextlib.contextmanager
def _server(bench: Bench) -> Iterator[Bench | None]:
    """Runs the server; gives the bench with its address in the environment of all programs."""
    command = bench.programs.python(bench.scratch.root, SERVER)
    needed = bench.programs.python(
        bench.scratch.root, "-c", "import obstore, moto.server; print(1)"
    )
    if command is None or needed is None or not output_of(needed):
        yield None
        return
    server = subprocess.Popen(
        command.argv, cwd=command.cwd, env=dict(command.env), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert server.stdout is not None and server.stdin is not None
        port = server.stdout.readline().strip()
        env = bench.programs.env | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield replace(bench, programs=replace(bench.programs, env=env))
    finally:
        server.stdin.close()  # type: ignore[union-attr]
        server.wait()


def _program(bench: Bench, *words: str) -> Command:
    command = bench.programs.python(bench.scratch.root, PROGRAM, *words)
    assert command is not None, "dsm is no script of a Python here"
    return command


def _seconds(bench: Bench, *words: str) -> float:
    """What a program of ours measured."""
    text = output_of(_program(bench, *words))
    assert text, f"{' '.join(words)} failed"
    return float(text.splitlines()[-1])


def _project(bench: Bench, name: str, files: int) -> Path:
    """A project with so many committed files, and a view of all of them."""
    project = bench.scratch.folder(name)
    bench.say(f"writing {files} files of {FILE_BYTES} bytes")
    corpus.write_equal_files(project / "data", files, max(1, min(100, files // 10)), FILE_BYTES)
    for words in (("init",), ("add", "data"), ("commit", "-m", "first"),
                  ("prepare", "--name", "everything")):  # fmt: skip
        bench.dsm(WORKLOAD, project, *words)
    return project


def _history(bench: Bench) -> Path:
    """A repository of many examples and changesets, without files."""
    project = bench.scratch.folder("remote-history")
    count = bench.count(EXAMPLES, 2_000)
    bench.say(f"writing a history of {count} examples")
    _seconds(bench, "history", str(project), str(count), str(CHANGESETS))
    return project


def _remote_is(bench: Bench, project: Path, url: str) -> None:
    """Makes an address the only remote of a project, of which nothing is known."""
    shutil.rmtree(project / ".dsm" / "local" / "remotes", ignore_errors=True)
    if output_of(bench.programs.dsm_command(project, "remote", "list")):
        bench.dsm(WORKLOAD, project, "remote", "remove", "origin")
    bench.dsm(WORKLOAD, project, "remote", "add", "-q", "origin", url)


# --- to and from a folder ---


def _push_to_folder(bench: Bench, project: Path) -> Row:
    remote, copied = bench.scratch.root / "remote-folder", bench.scratch.root / "remote-copy"
    packs = project / ".dsm" / "packs"
    words = ("sh", "-c", 'cp -r "$1" "$2" && sync "$2"/*/*', "sh", str(packs), str(copied))

    def clean(_: int) -> None:
        bench.scratch.discard(remote)
        bench.scratch.discard(copied)

    trials = bench.compare(WORKLOAD, [
        Side(
            "dsm push", always(bench.programs.dsm_command(project, "push", "-q")),
            lambda _: _remote_is(bench, project, str(remote)), clean, reads=(packs,),
        ),
        Side("cp", always(bench.programs.command(project, *words)), clean, clean, reads=(packs,)),
    ])  # fmt: skip
    what = f"push of {bench.count(FILES, 200):,} files of 8 KB to a folder / cp of the packs + sync"
    return compared_row(
        WORKLOAD, what, trials["dsm push"].seconds(), trials["cp"].seconds(), Goal(1.3)
    )


def _clone_of_history(bench: Bench, history: Path) -> Row:
    remote, copy = bench.scratch.root / "remote-of-history", bench.scratch.root / "clone"
    _remote_is(bench, history, str(remote))
    bench.dsm(WORKLOAD, history, "push", "-q")
    command = bench.programs.dsm_command(
        bench.scratch.root, "clone", "-q", "--no-objects", str(remote), str(copy)
    )

    def clean(_: int) -> None:
        bench.scratch.discard(copy)

    trials = bench.compare(WORKLOAD, [Side("dsm clone", always(command), clean, clean)])
    taken = trials["dsm clone"]
    count = bench.count(EXAMPLES, 2_000)
    what = f"clone --no-objects, {count:,} examples in {CHANGESETS} changesets, from a folder"
    seconds = taken.seconds()
    return Row(
        WORKLOAD, what, seconds_text(seconds), "", statistics.median(seconds), Goal(3, 1, "s"),
        note=f"processor {statistics.median(s.steps[0].cpu for s in taken.samples):.2f} s",
        dsm_runs=tuple(seconds),
    )  # fmt: skip


def _many_commits(bench: Bench) -> Row:
    commits = bench.count(COMMITS, 20)
    project = _project(bench, "remote-commits", 100)
    _remote_is(bench, project, str(bench.scratch.root / "remote-of-commits"))
    seconds = _seconds(bench, "small_commits", str(project), str(commits), str(COMMIT_FILES))
    told = json.loads(output_of(bench.programs.dsm_command(project, "remote", "stats", "--json")))
    what = f"files on a remote after {commits} commits of {COMMIT_FILES} files, each pushed"
    shown = f"{told['files']:,}, of them {told['packs']:,} packs"
    bench.dsm(WORKLOAD, project, "remote", "merge-packs", "-q")
    merged = json.loads(output_of(bench.programs.dsm_command(project, "remote", "stats", "--json")))
    shown += f"; {merged['files']:,}, {merged['packs']:,} after merge-packs"
    note = f"{seconds / commits:.2f} s for each commit and push"
    return Row(WORKLOAD, what, shown, "", told["packs"], None, note=note)


# --- to and from a bucket ---


def _push_to_bucket(bench: Bench, bucket: Bucket, project: Path) -> Iterator[Row]:
    packs = project / ".dsm" / "packs"
    asked: list[int] = []

    def ready(number: int) -> None:
        _remote_is(bench, project, bucket.url(f"push-{number}"))
        asked.append(-bucket.counts()[0])

    def done(number: int) -> None:
        asked[-1] += bucket.counts()[0]
        bucket.forget(f"push-{number}")

    program = _uploader(bench.programs)
    upload = (program, PROGRAM, "upload", str(packs), "put")
    trials = bench.compare(WORKLOAD, [
        Side(
            "dsm push to S3", always(bench.programs.dsm_command(project, "push", "-q")),
            ready, done, reads=(packs,),
        ),
        Side(
            "s3fs.put", always(bench.programs.command(project, *upload)),
            finish=lambda _: bucket.forget("put"), reads=(packs,),
        ),
    ], min(bench.repeat, 3))  # fmt: skip
    what = f"push of {bench.count(FILES, 200):,} files of 8 KB to S3"
    requests = statistics.median(asked)
    yield Row(
        WORKLOAD, f"{what}: requests", f"{requests:.0f}", "", requests, Goal(100, 40, "requests")
    )
    ours, theirs = trials["dsm push to S3"], trials["s3fs.put"]
    version = output_of(bench.programs.command(project, program, "-c",
                                               "import s3fs; print(s3fs.__version__)"))  # fmt: skip
    yield compared_row(
        WORKLOAD, f"{what} / s3fs.put of the packs", ours.seconds(), theirs.seconds(), Goal(1.5),
        note=f"s3fs {version}",
    )  # fmt: skip


def _uploader(programs: Programs) -> str:
    """The Python whose s3fs is newest: that of DVC, where DVC is there."""
    own = interpreter_of(programs.dsm)
    theirs = interpreter_of(programs.dvc) if programs.dvc else None
    found = theirs or own
    assert found is not None
    return found


def _against_dvc(bench: Bench, bucket: Bucket) -> Row:
    count = bench.count(DVC_FILES, 100)
    what, goal = (
        f"push of {count:,} files of 8 KB to S3 / dvc push",
        Goal(10, None, "x faster", True),
    )
    if not bench.programs.dvc:
        return Row(WORKLOAD, what, goal=goal, skipped="DVC is not installed")
    project = _project(bench, "remote-dvc", count)
    address = bench.programs.env["AWS_ENDPOINT_URL"]
    for words in (
        ("init", "--no-scm", "-q"), ("config", "core.analytics", "false"),
        ("config", "core.check_update", "false"),
        ("remote", "add", "-q", "-d", "bucket", bucket.url("dvc")),
        ("remote", "modify", "-q", "bucket", "endpointurl", address), ("add", "-q", "data"),
    ):  # fmt: skip
        bench.run(bench.programs.dvc_command(project, *words))
    ours, theirs = [], []
    for number in range(min(bench.repeat, 2)):
        _remote_is(bench, project, bucket.url(f"few-{number}"))
        ours.append(bench.dsm(WORKLOAD, project, "push", "-q").seconds)
        bucket.forget(f"few-{number}")
        bucket.forget("dvc")
        shutil.rmtree(bench.programs.dvc_cache(), ignore_errors=True)
        theirs.append(bench.run(bench.programs.dvc_command(project, "push", "-q")).seconds)
    bucket.forget("dvc")
    return compared_row(WORKLOAD, what, ours, theirs, goal)


def _clone_from_bucket(bench: Bench, bucket: Bucket, project: Path) -> Row:
    _remote_is(bench, project, bucket.url("files"))
    bench.dsm(WORKLOAD, project, "push", "-q")
    root = bench.scratch.root
    copy, packs, whole = root / "clone", root / "download", root / "restored"
    bench.run(bench.programs.dsm_command(
        root, "clone", "-q", "--no-files", bucket.url("files"), str(whole)
    ))  # fmt: skip

    def clean(_: int) -> None:
        for path in (copy, packs, whole / "data"):
            bench.scratch.discard(path)

    trials = bench.compare(WORKLOAD, [
        Side(
            "dsm clone from S3",
            always(bench.programs.dsm_command(root, "clone", "-q", bucket.url("files"), str(copy))),
            clean, clean,
        ),
        Side(
            "download, restore",
            always(_program(bench, "download", "files", str(packs)),
                   bench.programs.dsm_command(whole, "restore", "-q")),
            clean, clean,
        ),
    ], min(bench.repeat, 3))  # fmt: skip
    what = f"clone of {bench.count(FILES, 200):,} files of 8 KB from S3 / download + dsm restore"
    bench.scratch.discard(whole)
    ours, theirs = trials["dsm clone from S3"], trials["download, restore"]
    return compared_row(WORKLOAD, what, ours.seconds(), theirs.seconds(), Goal(1.5))


def _few_requests(bench: Bench, bucket: Bucket, history: Path) -> Iterator[Row]:
    """A commit of a few changes on many examples, and a fetch of nothing."""
    _remote_is(bench, history, bucket.url("history"))
    bench.dsm(WORKLOAD, history, "push", "-q")
    corpus.write_equal_files(history / "data", CHANGED, 1, FILE_BYTES, seed="few")
    for command in bench.programs.dsm_save(history, "few"):  # not of remotes: not in the ledger
        bench.run(command)
    count = f"{bench.count(EXAMPLES, 2_000):,}"
    for words, what, goal in (
        ("push", f"push of one commit of {CHANGED} changes on {count} examples", Goal(12, 8, "requests")),
        ("fetch", "fetch when nothing is new", Goal(3, 1, "requests")),
    ):  # fmt: skip
        before = bucket.counts()[0]
        step = bench.dsm(WORKLOAD, history, words, "-q")
        asked = bucket.counts()[0] - before
        yield Row(
            WORKLOAD, what, f"{asked} in {step.seconds:.2f} s", "", asked, goal,
            note=f"processor {step.cpu:.2f} s",
        )  # fmt: skip
    bucket.forget("history")


def _part_of_a_view(bench: Bench, bucket: Bucket) -> Row:
    copy, out = bench.scratch.root / "metadata", bench.scratch.root / "one-percent"
    for path in (copy, out):
        bench.scratch.discard(path)
    words = ("clone", "-q", "--no-objects", bucket.url("files"), str(copy))
    bench.dsm(WORKLOAD, bench.scratch.root, *words)
    bench.dsm(WORKLOAD, copy, "prepare", "--sample", "1%", "--name", "part")
    before = bucket.counts()
    text = output_of(_program(bench, "get_view", str(copy), "part", str(out))).split()
    asked, moved = (now - then for now, then in zip(bucket.counts(), before, strict=True))
    size = int(text[0])
    what = "get of a random 1 % from a clone without objects: bytes moved / bytes of the view"
    return Row(
        WORKLOAD, what, f"{moved / 1e6:.1f} MB in {float(text[1]):.2f} s", f"{size / 1e6:.1f} MB",
        moved / size, Goal(1.5), note=f"{asked} requests",
    )  # fmt: skip


def _epochs(bench: Bench, bucket: Bucket, project: Path) -> Iterator[Row]:
    """A shuffled epoch by two workers from the bucket, the cache empty and full."""
    cache, packs = bench.scratch.root / "cache", bench.scratch.root / "download"
    own = replace(bench.programs, env=bench.programs.env | {"XDG_CACHE_HOME": str(cache)})
    caching = replace(bench, programs=own)
    needed = bench.programs.python(bench.scratch.root, "-c", "import torch; print(1)")
    what = f"epoch of {bench.count(FILES, 200):,} files of 8 KB, shuffled, 2 workers, from S3"
    if needed is None or not output_of(needed):
        yield Row(WORKLOAD, what, skipped="PyTorch is not installed")
        return
    download = ("download", "files", str(packs))
    remote = ("epoch", bucket.url("files"), "everything")
    sides = {
        "download": download, "empty": remote, "full": remote,
        "local": ("epoch", str(project), "everything"),
        "download by a line": download, "by a line": remote,
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    peak = 0
    _timed(caching, *download)  # the server has read its files by then
    for number in range(min(bench.repeat, 3)):
        for name, words in sides.items():
            bench.scratch.discard(packs)
            if name in ("empty", "by a line"):
                bench.scratch.discard(cache)
            bucket.line(LINE if name.endswith("line") else 0)
            seconds, step = _timed(caching, *words)
            bench.say(f"round {number + 1} {name}: {seconds:.2f} s, processor {step.cpu:.2f} s")
            times[name].append(seconds)
            cpu[name].append(step.cpu)
            peak = max(peak, step.peak_one)
    bucket.line(0)
    note = "processor, with the start: " + ", ".join(
        f"{name} {statistics.median(taken):.1f} s" for name, taken in cpu.items()
    )
    yield compared_row(
        WORKLOAD, f"{what}, cache empty / plain download", times["empty"], times["download"],
        Goal(0.6, None, "of its speed", True), note,
    )  # fmt: skip
    yield compared_row(
        WORKLOAD, "the same, cache full / local store", times["full"], times["local"],
        Goal(0.8, None, "of its speed", True),
    )  # fmt: skip
    what = "the same by a line of 1 Gbit/s, cache empty / plain download"
    goal = Goal(0.6, None, "of its speed", True)
    yield compared_row(WORKLOAD, what, times["by a line"], times["download by a line"], goal)
    shown = f"{peak / 1e6:.0f} MB"
    yield Row(WORKLOAD, "memory of its largest process, with PyTorch", shown, "", peak / 1e6,
              Goal(600, None, "MB"))  # fmt: skip


def _timed(bench: Bench, *words: str) -> tuple[float, Step]:
    """What a program of ours measured, and what all of it cost."""
    kept = bench.scratch.root / "seconds"
    command = _program(bench, *words)
    shell = ("sh", "-c", 'out="$1"; shift; exec "$@" > "$out"', "sh", str(kept), *command.argv)
    step = run(replace(command, argv=shell))
    return float(kept.read_text().splitlines()[-1]), step
