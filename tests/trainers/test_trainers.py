"""Accelerate, Lightning and the Hugging Face Trainer, in two processes: each example reaches one.

They are large: `pip install '.[test-trainers]'`; without them these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from console import played
from situations import Work

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "train-with-a-trainer.md"
BATCH, EVEN, ODD = 4, 48, 51
LIBRARIES = [
    pytest.param(
        name,
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(
                find_spec(name) is None or find_spec("torch") is None,
                reason=f"{name} is not installed: pip install '.[test-trainers]'",
            ),
        ],
    )
    for name in ("accelerate", "lightning", "transformers")
]


def launched(folder: Path, *words: str) -> str:
    """Runs a script in two processes; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *words],
        cwd=folder, capture_output=True, text=True, timeout=600,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("library", LIBRARIES)
def test_each_example_reaches_one_process(work: Work, library: str, workers: int) -> None:
    """Every way to load a view gives each example to one process, in an order of the epoch's own."""
    work.ds.add({f"{n:03d}": b"%d" % n for n in range(ODD)})
    work.ds.commit("numbers")
    work.ds.prepare(name="odd")
    work.ds.prepare(paths=[f"0{tens}?" for tens in range(4)] + ["04[0-7]"], name="even")
    said = launched(work.root, str(Path(__file__).with_name("jobs.py")), library, str(workers))
    found = [json.loads(line) for line in said.splitlines() if line.startswith("[")]
    assert len(found) >= 8
    firsts: dict[str, set[tuple[int, ...]]] = {}
    for name, epoch, ranks in found:
        which, kind, *_ = name.split()
        seen = sorted(number for numbers in ranks for number in numbers)
        firsts.setdefault(name, set()).add(tuple(ranks[0]))
        assert len(ranks[0]) == len(ranks[1]), name
        if which == "even":
            assert seen == list(range(EVEN)), name
        elif kind == "ViewLoader":  # drop_last
            assert len(set(seen)) == len(seen) == ODD // 2 // BATCH * BATCH * 2, name
        else:  # the last batches are filled up by repeating some, at worst those of each worker
            assert set(seen) == set(range(ODD)), name
            assert len(seen) < ODD + 2 * BATCH * max(1, workers), name
        assert epoch in (0, 1)
    # A bare IterableViewDataset in Lightning's hands is told no epoch: the page says so.
    still = {name for name, orders in firsts.items() if len(orders) == 1}
    assert still == ({"even items", "even batches"} if library == "lightning" else set())


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_page_runs(tmp_path: Path, library: str) -> None:
    """The scripts of the how-to page see all examples of each epoch."""
    text = PAGE.read_text()
    assert played(text, tmp_path) == text
    said = launched(tmp_path / "home" / "faces", f"with_{library}.py").splitlines()
    assert [line for line in said if "different" in line] == [
        f"16 different examples in epoch {epoch}" for epoch in (0, 1)
    ]
