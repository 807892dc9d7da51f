"""Workloads on small repositories: the cost of starting, what is imported, and who calls fsync.

Invariant: dsm and `python -c pass` run in the same interpreter and the same environment.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import corpus
from .bench import Bench
from .measure import Command, Side, always, run
from .programs import OXEN_ADD_AND_COMMIT, OXEN_INIT
from .report import Goal, Row, compared_row

COMMANDS = (("status",), ("log",), ("--version",))
FORBIDDEN = ("pyarrow", "rich", "fsspec")
START_UP = Goal(8, 4)
NO_IMPORT = Goal(0, 0, "heavy imports")
SMALL_FILES, SYNCED_FILES = 60, 500
SYNC_CALLS = "fsync,fdatasync,syncfs,sync,sync_file_range,msync"


def everyday_commands(bench: Bench) -> Iterator[Row]:
    """status, log and --version on a small repository against an empty Python program."""
    workload, programs = "small repository", bench.programs
    project = bench.scratch.folder("small")
    paths = corpus.write_examples(project / "data", SMALL_FILES, 20)
    bench.dsm(workload, project, "init")
    for number in (1, 2, 3):
        bench.dsm(workload, project, "add", "data")
        bench.dsm(workload, project, "commit", "-m", f"changeset {number}")
        corpus.rewrite(project / "data", paths[number : number + 2], f"small {number}")
    python = programs.python(project, "-c", "pass")
    if python is None:
        for words in COMMANDS:
            yield Row(workload, f"dsm {words[0]}", goal=START_UP, skipped="dsm is no Python script")
        return
    sides = [Side("python", always(python))]
    for words in COMMANDS:
        sides.append(Side(f"dsm {words[0]}", always(programs.dsm_command(project, *words))))
    trials = bench.compare(workload, sides, repeat=4 * bench.repeat)
    empty = trials["python"].seconds()
    for words in COMMANDS:
        taken = trials[f"dsm {words[0]}"].seconds()
        what = f"dsm {words[0]}, small repository / python -c pass"
        yield compared_row(workload, what, taken, empty, START_UP)
    for words in COMMANDS:
        probe = programs.python(project, "-X", "importtime", "-m", "dsm", *words)
        assert probe is not None
        yield _imports(workload, words[0], probe)
    bench.scratch.discard(project)


def _imports(workload: str, name: str, probe: Command) -> Row:
    """Which of the heavy packages a command imports, as `-X importtime` lists them."""
    done = subprocess.run(
        probe.argv, cwd=probe.cwd, env=dict(probe.env), capture_output=True, text=True
    )
    what = f"dsm {name}: pyarrow, rich, fsspec imported"
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        return Row(workload, what, goal=NO_IMPORT, failed=" / ".join(said[-2:]) or "no output")
    seen = re.findall(r"^import time:\s+\d+ \|\s+(\d+) \|\s*(\S+)", done.stderr, re.MULTILINE)
    roots = {module.split(".")[0] for _, module in seen}
    heavy = [package for package in FORBIDDEN if package in roots]
    note = f"{len(seen)} modules imported"
    return Row(workload, what, ", ".join(heavy) or "none", "", len(heavy), NO_IMPORT, note)


def durability(bench: Bench) -> Iterator[Row]:
    """How often each side asks for its bytes to be made durable, counted by strace."""
    workload, programs = "durability", bench.programs
    if shutil.which("strace") is None:
        yield Row(workload, "fsync calls", skipped="strace is not installed")
        return
    project, git_dir = bench.scratch.folder("synced"), bench.scratch.folder("git")
    copy = bench.scratch.root / "copy"
    corpus.write_examples(project / "data", SYNCED_FILES, 100)
    listing = bench.scratch.root / "fsync-calls.txt"

    def oxen(code: str) -> Command:
        return programs.oxen_command(project, code, str(project), str(project / "data"))

    sides: dict[str, tuple[Sequence[Command], Sequence[Command]]] = {
        "cp -r": ([], [programs.command(project, "cp", "-r", "data", str(copy))]),
        "dsm": (
            [programs.dsm_command(project, "init")],
            programs.dsm_save(project, "first"),
        ),
    }
    if programs.git:
        git_init = programs.git_command(project, git_dir, "init", "-q")
        sides["git"] = ([git_init], programs.git_save(project, git_dir, "first"))
    if programs.dvc:
        add = programs.dvc_command(project, "add", "-q", "data")
        sides["DVC"] = ([programs.dvc_command(project, "init", "--no-scm", "-q")], [add])
    if programs.oxen:
        sides["Oxen"] = ([oxen(OXEN_INIT)], [oxen(OXEN_ADD_AND_COMMIT)])
    counts = {}
    for name, (before, timed) in sides.items():
        bench.scratch.only_data(project)
        bench.scratch.discard(programs.dvc_cache())
        for command in before:
            run(command)
        counts[name] = sum(_sync_calls(command, listing) for command in timed)
    bench.scratch.only_data(project)
    others = ", ".join(f"{name} {count}" for name, count in counts.items() if name != "dsm")
    what = f"fsync calls, add + commit of {SYNCED_FILES} files"
    note = "what is not synced may be lost in a power cut after success was reported"
    yield Row(workload, what, str(counts["dsm"]), others, note=note)
    for path in (project, git_dir, copy):
        bench.scratch.discard(path)


def _sync_calls(command: Command, listing: Path) -> int:
    """How many calls that make data durable the command and its children issue."""
    tracing = ("strace", "-f", "-qq", "-e", f"trace={SYNC_CALLS}", "-o", str(listing))
    run(Command((*tracing, *command.argv), command.cwd, command.env))
    # An interrupted call has two lines: "<unfinished ...>" and "resumed".
    return sum("resumed>" not in line for line in listing.read_text().splitlines() if "(" in line)
