"""The benchmark suite itself: every workload runs on tiny inputs and yields its rows."""

from pathlib import Path

import pytest
from tiers import LONG

from .bench import Bench
from .programs import find_programs
from .scratch import Scratch
from .suite import run_workloads
from .workloads import WORKLOADS


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="once a week: DSM_TEST_LONG=1")
def test_every_workload_yields_rows_and_none_fails(tmp_path: Path) -> None:
    """At a five-hundredth of the size every workload runs to its end and says what it measured."""
    programs = find_programs(tmp_path / "state").without_peers()
    bench = Bench(
        programs, Scratch(tmp_path / "scratch"), repeat=1, scale=0.002, say=lambda _: None
    )
    counts = {}
    for workload in WORKLOADS:
        rows = run_workloads(bench, [workload.name])
        failed = [row.failed for row in rows if row.failed]
        assert failed == [], workload.name
        counts[workload.name] = sum(row.workload != "memory" for row in rows)
    assert {workload.name for workload in WORKLOADS} == {name for name, n in counts.items() if n}
