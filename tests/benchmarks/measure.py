"""Runs whole commands and measures them: wall clock, processor time, memory of the process tree.

Invariant: the clock runs only while the command does. Preparing, checking and deleting happen
outside, and each start finds the same machine: nothing left to flush, the input in the page cache,
and free memory that was in use a moment ago. The last two need work on many virtual machines,
which page out what was idle for a minute and hand free memory to their host: there the first touch
of a page costs ten times as much as reusing one, and whoever runs after a big deletion would win.
"""

from __future__ import annotations

import mmap
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_SPARE = 100_000_000
POLL_SECONDS = 0.04
"""Between two looks at a process tree; the first comes after this long, so short runs have none."""


class CommandFailed(Exception):
    """A measured command ended with another status than 0; carries its last lines."""


@dataclass(frozen=True, slots=True)
class Command:
    """One program run: words, folder, environment."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What one command cost: seconds, processor seconds, bytes of memory.

    `peak_one` is the largest resident size of any single process (exact, from wait4), `peak_tree`
    the largest sum over the tree seen at one moment (sampled; shared pages count once a process).
    Neither is ever less than what this process itself uses, about 23 MB: Linux passes that on.
    """

    seconds: float
    cpu: float
    peak_one: int
    peak_tree: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run of a side: its commands in order, and the seconds `sync` took afterwards."""

    steps: tuple[Step, ...]
    flush: float

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of all commands together."""
        return sum(step.seconds for step in self.steps)


@dataclass(frozen=True, slots=True)
class Trials:
    """All timed runs of one side."""

    samples: tuple[Sample, ...]

    def seconds(self, step: int | None = None) -> list[float]:
        """Wall-clock seconds of each run, of all its commands or of one."""
        if step is None:
            return [sample.seconds for sample in self.samples]
        return [sample.steps[step].seconds for sample in self.samples]

    def flush(self) -> float:
        """Median seconds that flushing to disk took after the run: what it left undone."""
        return statistics.median(sample.flush for sample in self.samples)


def _nothing(round_number: int) -> None:
    """The default for a side that needs no preparing or finishing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One contestant. Each callable gets the number of the round; 0 is the discarded warm-up."""

    name: str
    steps: Callable[[int], Sequence[Command]]
    prepare: Callable[[int], None] = _nothing
    finish: Callable[[int], None] = _nothing
    warm_up: bool = True
    reads: tuple[Path, ...] = ()
    """Folders that each run reads: brought into the page cache right before it."""
    rehearsal: Side | None = None
    """The same on a tiny input, run before each round so that the program's own files are cached;
    needed when rounds take minutes."""


def always(*commands: Command) -> Callable[[int], Sequence[Command]]:
    """The same commands in every round."""
    return lambda round_number: commands


def run(command: Command) -> Step:
    """Runs one command to its end; raises CommandFailed when its status is not 0."""
    with tempfile.TemporaryFile() as errors:
        watcher = _TreeWatcher()
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        watcher.start(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        watcher.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()[-4:]
            words = " ".join(command.argv)
            shown = words if len(words) <= 120 else words[:117] + "..."
            raise CommandFailed(f"`{shown}` ended with {process.returncode}: {' / '.join(said)}")
    one = usage.ru_maxrss * 1024
    return Step(seconds, usage.ru_utime + usage.ru_stime, one, max(one, watcher.peak))


def interleave(sides: Sequence[Side], repeat: int, say: Callable[[str], None]) -> dict[str, Trials]:
    """Runs all sides in turn, `repeat` rounds (A B A B ...), and returns the trials by name.

    With 3 rounds or more a discarded warm-up round comes first, for sides that want one.
    """
    samples: dict[str, list[Sample]] = {side.name: [] for side in sides}
    for number in range(0 if repeat >= 3 else 1, repeat + 1):
        for side in sides:
            if number == 0 and not side.warm_up:
                continue
            sample = _timed(side, number)
            say(f"round {number} {side.name}: {sample.seconds:.3f} s, flush {sample.flush:.2f} s")
            if number > 0:
                samples[side.name].append(sample)
    return {name: Trials(tuple(taken)) for name, taken in samples.items()}


def _timed(side: Side, number: int) -> Sample:
    if side.rehearsal is not None:
        side.rehearsal.prepare(number)
        for command in side.rehearsal.steps(number):
            run(command)
        side.rehearsal.finish(number)
    side.prepare(number)
    commands = side.steps(number)
    os.sync()
    if side.reads:
        _settle_memory(side.reads)
    steps = tuple(run(command) for command in commands)
    start = time.perf_counter()
    os.sync()
    flush = time.perf_counter() - start
    side.finish(number)
    return Sample(steps, flush)


def _settle_memory(folders: Sequence[Path]) -> None:
    """Reads all files below the folders, then uses and frees half as much memory again."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            size = sum(_read_all(folder) for folder in folders) * 3 // 2 + MEMORY_SPARE
            available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            size = min(size, available // 2)
            # In huge pages: free memory is then at hand for pages of either size.
            with mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
                if hasattr(mmap, "MADV_HUGEPAGE"):
                    memory.madvise(mmap.MADV_HUGEPAGE)
                for page in range(0, size, mmap.PAGESIZE):
                    memory[page] = 1
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise OSError(f"cannot read all of {', '.join(map(str, folders))}")


def _read_all(root: Path) -> int:
    """Reads every file below a folder; returns the bytes read."""
    buffer = bytearray(1 << 20)
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            with open(os.path.join(folder, name), "rb", buffering=0) as source:
                while count := source.readinto(buffer):
                    total += count
    return total


class _TreeWatcher:
    """Samples the summed resident size of a process and its descendants from a thread."""

    def __init__(self) -> None:
        self.peak = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, pid: int) -> None:
        self._thread = threading.Thread(target=self._watch, args=(pid,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, pid: int) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self.peak = max(self.peak, sum(_resident(p) for p in _tree(pid)))


def _tree(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    for parent in found:
        try:
            threads = os.listdir(f"/proc/{parent}/task")
            for thread in threads:
                children = Path(f"/proc/{parent}/task/{thread}/children").read_text()
                found.extend(int(child) for child in children.split())
        except OSError:
            continue  # it ended meanwhile
    return found


def _resident(pid: int) -> int:
    """Resident bytes of one process, 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def bytes_below(root: Path) -> int:
    """Bytes of all files below a folder: their lengths or their disk blocks, whichever is more."""
    length = blocks = 0
    for folder, _, names in os.walk(root):
        for name in names:
            found = os.lstat(os.path.join(folder, name))
            length += found.st_size
            blocks += found.st_blocks * 512
    return max(length, blocks)


def lengths_below(root: Path) -> int:
    """Sum of the file lengths below a folder, without what the file system rounds up."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(root)
        for name in names
    )


def say_to_stderr(text: str) -> None:
    """The default for progress lines."""
    print(f"  {text}", file=sys.stderr, flush=True)
