"""Workloads on one tree of 100,000 files around 8 KB: add, status, restore, 1 % changed.

Invariant: the tree lies in `many/data`; between workloads `many/` holds nothing else but the
repository that `committed` makes, and git's repository lies outside.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from . import corpus
from .bench import Bench
from .measure import Command, Side, always, lengths_below
from .programs import OXEN_ADD_AND_COMMIT, OXEN_INIT
from .report import Goal, Row, timed_row

FILES = 100_000
CHANGED = 0.01
GIT_DIR = "many-git"


def tree(bench: Bench) -> tuple[Path, list[str]]:
    """The project with its files written, and their paths below `data`."""
    files = bench.count(FILES, 40)
    folders = max(1, min(100, files // 10))
    project = bench.scratch.root / "many"
    if project.exists():
        return project, corpus.tree_paths(files, folders)
    bench.say(f"writing {files} files")
    paths = corpus.write_tree(project / "data", files, folders)
    return project, paths


def committed(bench: Bench, workload: str) -> Path:
    """The project with everything committed, in dsm and in git."""
    project, _ = tree(bench)
    git_dir, base = bench.scratch.root / GIT_DIR, bench.scratch.root / "many-base"
    if base.exists():
        return project
    bench.scratch.only_data(project)
    bench.dsm(workload, project, "init")
    bench.dsm(workload, project, "add", "data")
    bench.dsm(workload, project, "commit", "-m", "first")
    if bench.programs.git:
        _git_init(bench, project, git_dir)
        for command in bench.programs.git_save(project, git_dir, "first"):
            bench.run(command)
    bench.scratch.copy_state(project / ".dsm", base)
    return project


def _git_init(bench: Bench, project: Path, git_dir: Path) -> None:
    bench.scratch.discard(git_dir)
    bench.run(bench.programs.git_command(project, git_dir, "init", "-q"))
    (git_dir / "info" / "exclude").write_text(".dsm\n.dsmignore\n")


def add_and_commit(bench: Bench) -> Iterator[Row]:
    """First add and commit of the tree against cp, git, DVC and Oxen, all in the same rounds."""
    workload = "add + commit"
    project, _ = tree(bench)
    bench.scratch.discard(bench.scratch.root / "many-base")
    bench.scratch.only_data(project)
    data_bytes = lengths_below(project / "data")
    tiny = bench.scratch.folder("tiny")
    corpus.write_examples(tiny / "data", 20, 10)
    sides = [
        replace(side, rehearsal=rehearsal)
        for side, rehearsal in zip(_add_sides(bench, project), _add_sides(bench, tiny), strict=True)
    ]
    trials = bench.compare(workload, sides)
    bench.scratch.discard(tiny)
    what = f"add + commit, {bench.count(FILES, 40):,} files"
    ours = trials["dsm"]
    add, commit = (sorted(ours.seconds(i))[len(ours.samples) // 2] for i in (0, 1))
    note = f"{data_bytes / 1e6:,.0f} MB; add {add:.2f} s, commit {commit:.2f} s"
    yield timed_row(workload, f"{what} / cp -r", ours, trials["cp"], Goal(0.6, 0.4), note=note)
    for name, bar, title, how in (
        ("git", 6, "git add + commit", "gc.auto=0"),
        ("dvc", 10, "dvc add", "init --no-scm, cold hash cache"),
        ("oxen", 18, "Oxen add + commit", "its Python package, one interpreter start"),
    ):
        goal = Goal(bar, None, "x faster", at_least=True)
        if name in trials:
            yield timed_row(workload, f"{what} / {title}", ours, trials[name], goal, note=how)
        else:
            yield Row(workload, f"{what} / {title}", goal=goal, skipped=f"{name} is not installed")


def _add_sides(bench: Bench, project: Path) -> list[Side]:
    """How each program saves the folder `data` of a project for the first time."""
    programs, git_dir = bench.programs, bench.scratch.root / GIT_DIR
    data_bytes = lengths_below(project / "data")

    def emptied(*commands: Command) -> None:
        bench.scratch.only_data(project)
        for command in commands:
            bench.run(command)

    def dsm_init(_: int) -> None:
        bench.scratch.only_data(project)
        bench.dsm("add + commit", project, "init")

    def dsm_done(_: int) -> None:
        stored = lengths_below(project / ".dsm")
        if stored < data_bytes:
            raise AssertionError(f"dsm stored {stored} of {data_bytes} random bytes")
        bench.scratch.only_data(project)

    def dvc_init(_: int) -> None:
        bench.scratch.discard(programs.dvc_cache())
        words = (
            ("init", "--no-scm", "-q"),
            ("config", "core.check_update", "false"),
            ("config", "core.analytics", "false"),
        )
        emptied(*(programs.dvc_command(project, *each) for each in words))

    oxen_init = programs.oxen_command(project, OXEN_INIT, str(project))
    oxen_save = programs.oxen_command(
        project, OXEN_ADD_AND_COMMIT, str(project), str(project / "data")
    )
    cp = bench.copy_side(project)
    dsm = Side("dsm", always(*programs.dsm_save(project, "first")), dsm_init, dsm_done)
    # Slow ones have no warm-up round: it would add minutes and change nothing.
    git = Side(
        "git",
        always(*programs.git_save(project, git_dir, "first")),
        lambda _: _git_init(bench, project, git_dir),
        lambda _: bench.scratch.discard(git_dir),
        warm_up=False,
    )
    dvc = Side(
        "dvc",
        always(programs.dvc_command(project, "add", "-q", "data")),
        dvc_init,
        lambda _: bench.scratch.only_data(project),
        warm_up=False,
    )
    oxen = Side(
        "oxen",
        always(oxen_save),
        lambda _: emptied(oxen_init),
        lambda _: bench.scratch.only_data(project),
        warm_up=False,
    )
    installed = ((programs.git, git), (programs.dvc, dvc), (programs.oxen, oxen))
    sides = [cp, dsm, *(side for words, side in installed if words)]
    return [replace(side, reads=(project / "data",)) for side in sides]


def status(bench: Bench) -> Iterator[Row]:
    """`dsm status` and `git status` with nothing changed."""
    workload = "status"
    project = committed(bench, workload)
    programs, git_dir = bench.programs, bench.scratch.root / GIT_DIR
    sides = [Side("dsm", always(programs.dsm_command(project, "status")))]
    what, goal = f"status, nothing changed, {bench.count(FILES, 40):,} files / git", Goal(3, 1.5)
    if programs.git:
        sides.append(Side("git", always(programs.git_command(project, git_dir, "status"))))
    trials = bench.compare(workload, sides)
    if "git" in trials:
        yield timed_row(workload, what, trials["dsm"], trials["git"], goal)
    else:
        yield Row(workload, what, goal=goal, skipped="git is not installed")


def restore(bench: Bench) -> Iterator[Row]:
    """Everything restored to a folder that does not exist yet, against `cp -r`."""
    workload = "restore"
    project = committed(bench, workload)
    _, paths = tree(bench)
    programs, out = bench.programs, bench.scratch.root / "restored"
    data_bytes = lengths_below(project / "data")

    def check(_: int) -> None:
        if lengths_below(out / "data") != data_bytes:
            raise AssertionError(f"dsm restore wrote other than {data_bytes} bytes")
        for path in corpus.scattered(paths, 200, "check"):
            if (out / "data" / path).read_bytes() != (project / "data" / path).read_bytes():
                raise AssertionError(f"dsm restore wrote other bytes to {path}")
        bench.scratch.discard(out)

    trials = bench.compare(
        workload,
        [
            bench.copy_side(project),
            Side(
                "dsm",
                always(programs.dsm_command(project, "restore", "--to", str(out))),
                finish=check,
                reads=(project / ".dsm",),
            ),
        ],
    )
    what = f"restore of {bench.count(FILES, 40):,} files to an empty folder / cp -r"
    yield timed_row(workload, what, trials["dsm"], trials["cp"], Goal(1.3, 1.0))


def changed(bench: Bench) -> Iterator[Row]:
    """One file in a hundred rewritten: add of the whole tree and commit, against git's."""
    workload = "1 % changed"
    project = committed(bench, workload)
    _, paths = tree(bench)
    programs, base, git_dir = (
        bench.programs,
        bench.scratch.root / "many-base",
        bench.scratch.root / GIT_DIR,
    )
    number_changed = max(1, round(len(paths) * CHANGED))
    index, branch = git_dir / "index", git_dir / "refs" / "heads" / "main"
    saved = bench.scratch.folder("many-git-saved")
    if programs.git:
        shutil.copy2(index, saved / "index")
        shutil.copy2(branch, saved / "main")

    def rewrite(round_number: int) -> None:
        chosen = corpus.scattered(paths, number_changed, "changed")
        corpus.rewrite(project / "data", chosen, f"changed {round_number}")
        bench.scratch.copy_state(base, project / ".dsm")

    def git_back(_: int) -> None:
        # Its objects stay, but the next round's contents are new, so none of them is found again.
        shutil.copy2(saved / "index", index)
        shutil.copy2(saved / "main", branch)

    sides = [Side("dsm", always(*programs.dsm_save(project, "again")), rewrite)]
    what, goal = (
        f"add + commit, {number_changed:,} of {len(paths):,} files changed / git",
        Goal(1, 0.6),
    )
    if programs.git:
        sides.append(Side("git", always(*programs.git_save(project, git_dir, "again")), git_back))
    trials = bench.compare(workload, sides)
    # The tree no longer matches what was committed: the next workload commits anew.
    bench.scratch.discard(base)
    bench.scratch.discard(saved)
    if "git" in trials:
        yield timed_row(workload, what, trials["dsm"], trials["git"], goal)
    else:
        yield Row(workload, what, goal=goal, skipped="git is not installed")
