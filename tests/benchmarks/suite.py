"""The command line of the suite: chooses workloads, runs them, prints one table.

Invariant: a workload that fails becomes a FAILED row and the others still run; the exit status is
0 only when no row is MISSED or FAILED.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .bench import Bench
from .measure import CommandFailed
from .programs import find_programs
from .report import Row, as_json, machine_facts, table
from .scratch import Scratch
from .workloads import WORKLOADS


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    listed = "\n".join(f"  {each.name:<11} {each.about}" for each in WORKLOADS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures dsm beside its yardsticks; 25 minutes at scale 1 with all peers.",
        epilog=f"workloads:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [each.name for each in WORKLOADS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help="run just these")
    parser.add_argument("--repeat", type=int, default=5, help="timed rounds of each side (5)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes (1.0)")
    parser.add_argument("--workdir", type=Path, help="folder on the disk to measure (/var/tmp)")
    parser.add_argument("--dsm", help="command of dsm (beside this Python, else python -m dsm)")
    parser.add_argument("--dvc", help="command of DVC (from PATH)")
    parser.add_argument("--oxen-python", help="a Python that has the package oxenai (this one)")
    parser.add_argument("--no-peers", action="store_true", help="leave DVC and Oxen out")
    parser.add_argument(
        "--outputs",
        choices=("aside", "delete"),
        default="aside",
        help="keep outputs of earlier rounds until the end, or delete each after its round, which "
        "on ext4 without a journal slows whoever creates many files next (aside)",
    )
    parser.add_argument("--cifar", type=Path, help="CIFAR-10 as class folders or a tar of them")
    parser.add_argument("--json", type=Path, help="write all figures to this file too")
    options = parser.parse_args(arguments)
    if options.repeat < 1 or options.scale <= 0:
        parser.error("--repeat and --scale must be positive")
    return options


def run_workloads(bench: Bench, only: Sequence[str] | None = None) -> list[Row]:
    """Runs the chosen workloads in their order and returns all rows, memory last."""
    rows: list[Row] = []
    for workload in WORKLOADS:
        if only and workload.name not in only:
            continue
        bench.say(f"== {workload.name}: {workload.about}")
        start = time.perf_counter()
        try:
            rows.extend(workload.rows(bench))
        except (CommandFailed, OSError, AssertionError) as error:
            rows.append(Row(workload.name, workload.about, failed=str(error)))
            bench.say(f"FAILED: {error}")
        bench.say(f"== {workload.name} took {time.perf_counter() - start:.0f} s")
    return rows + bench.memory_rows()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the suite; returns the exit status."""
    options = parse(arguments)
    above = options.workdir or Path("/var/tmp")
    above.mkdir(parents=True, exist_ok=True)
    root = Path(tempfile.mkdtemp(prefix="dsm-benchmarks-", dir=above)).resolve()
    scratch = Scratch(root, delete_at_once=options.outputs == "delete")
    try:
        programs = find_programs(
            scratch.root / "state", options.dsm, options.dvc, options.oxen_python
        )
        if options.no_peers:
            programs = programs.without_peers()
        cifar = options.cifar.resolve() if options.cifar else None
        bench = Bench(programs, scratch, options.repeat, options.scale, cifar)
        facts = machine_facts(scratch.root)
        facts["run"] = f"scale {options.scale:g}, {options.repeat} rounds, page cache warm"
        facts["outputs of earlier rounds"] = options.outputs
        facts["creating a file at start"] = f"{scratch.seconds_to_create() * 1e6:.0f} us"
        versions = programs.versions()
        rows = run_workloads(bench, options.only)
        facts["creating a file at end"] = f"{scratch.seconds_to_create() * 1e6:.0f} us"
        facts["load at end"] = f"{os.getloadavg()[0]:.2f}"
        if scratch.early:
            facts["disk"] = f"too full {scratch.early} times: deleting may have slowed the next run"
    finally:
        scratch.remove_all()
    print(table(rows))
    print("\nMachine and programs\n")
    for name, text in (*facts.items(), *versions.items()):
        print(f"- {name}: {text}")
    if options.json:
        found = as_json(rows, facts, versions)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return int(any(row.verdict in ("MISSED", "FAILED") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
