"""What every workload is handed: programs, scratch folders, scale, and the ledger of memory peaks.

Invariant: every dsm command of the suite, timed or not, goes through here, so its memory counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .measure import Command, Sample, Side, Step, Trials, always, interleave, run, say_to_stderr
from .programs import Programs
from .report import Goal, Row
from .scratch import Scratch

MEMORY_GOAL = Goal(600, 300, "MB")
MEMORY_GOALS = {"records": Goal(1000, 500, "MB"), "runs": Goal(800, None, "MB")}


@dataclass(slots=True)
class Bench:
    """One run of the suite."""

    programs: Programs
    scratch: Scratch
    repeat: int = 5
    scale: float = 1.0
    cifar: Path | None = None
    say: Callable[[str], None] = say_to_stderr
    peaks: dict[str, Step] = field(default_factory=dict)

    def count(self, full: int, least: int = 1) -> int:
        """A count or size of the full suite, scaled."""
        return max(least, round(full * self.scale))

    def dsm(self, workload: str, project: Path, *words: str) -> Step:
        """Runs a dsm command outside the timed rounds."""
        self.say(f"dsm {' '.join(words[:3])}")
        step = run(self.programs.dsm_command(project, *words))
        self._count_memory(workload, Sample((step,), 0.0))
        return step

    def run(self, command: Command) -> Step:
        """Runs any other command outside the timed rounds."""
        return run(command)

    def compare(
        self, workload: str, sides: Sequence[Side], repeat: int | None = None
    ) -> dict[str, Trials]:
        """Interleaves the sides; those whose names begin with `dsm` enter the memory ledger."""
        trials = interleave(sides, repeat or self.repeat, self.say)
        for name, taken in trials.items():
            if name.startswith("dsm"):
                for sample in taken.samples:
                    self._count_memory(workload, sample)
        return trials

    def copy_side(self, project: Path) -> Side:
        """The yardstick `cp -r data` to a place outside the project."""
        target = self.scratch.root / "copy"
        command = self.programs.command(project, "cp", "-r", "data", str(target))
        return Side(
            "cp",
            always(command),
            finish=lambda _: self.scratch.discard(target),
            reads=(project / "data",),
        )

    def _count_memory(self, workload: str, sample: Sample) -> None:
        for step in sample.steps:
            known = self.peaks.get(workload)
            if known is None or step.peak_tree > known.peak_tree:
                self.peaks[workload] = step

    def memory_rows(self) -> list[Row]:
        """One row a workload: the largest sum over the process tree of any dsm command in it."""
        rows = []
        for workload, step in self.peaks.items():
            tree, one = step.peak_tree / 1e6, step.peak_one / 1e6
            shown = f"{tree:.0f} MB (one process {one:.0f})"
            goal = MEMORY_GOALS.get(workload, MEMORY_GOAL)
            rows.append(Row("memory", f"memory: {workload}", shown, "", tree, goal))
        return rows
