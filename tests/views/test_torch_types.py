"""What type checkers say of programs that use dsm: nothing, in their strictest modes."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiers import LONG

CLIENTS = {
    "map": """
import dsm
from torch.utils.data import DataLoader
from dsm.torch import ViewDataset
dataset = ViewDataset(dsm.open(".").view("v"))
for batch in DataLoader(dataset, batch_size=4):
    print(batch)
print(len(dataset), dataset.class_to_idx["cat"], dataset[0])
""",
    "transform": """
import dsm
import torch
from torch.utils.data import DataLoader
from dsm.torch import ViewDataset
from dsm.views.reading.example import ViewExample

def decoded(example: ViewExample) -> tuple[torch.Tensor, int]:
    return torch.tensor(list(example.bytes)), len(example.labels)

dataset = ViewDataset(dsm.open(".").view("v"), decoded)
dataset.transform = decoded
for inputs, targets in DataLoader(dataset, batch_size=4, shuffle=True, num_workers=2):
    print(inputs, targets)
""",
    "iterable": """
import dsm
from torch.utils.data import DataLoader
from dsm.torch import IterableViewDataset, ViewLoader
dataset = IterableViewDataset(dsm.open(".").view("v"), seed=7, batch_size=4)
for batch in DataLoader(dataset, batch_size=None):
    print(batch)
loader = ViewLoader(dataset, num_workers=2)
for epoch in range(3):
    loader.set_epoch(epoch)
    for batch in loader:
        print(batch, loader.epoch, loader.state_dict()["batches"], len(loader))
""",
    "plain": """
import dsm
with dsm.open(".") as repo:
    ds = repo.dataset()
    ds.add({"a.txt": b"a"}, labels=["cat"])
    print(ds.commit("one").number, ds.read("a.txt").decode(), ds.snapshot().num_rows)
    view = ds.prepare(labels=["cat"], where=["width>=512"], percent="80%", name="cats")
    for example in view:
        print(example.path.upper(), example.bytes.hex(), example.time + 1, example.labels)
    print(len(view), view[0].size, repo.view("cats").digest, view.get("out").examples)
with dsm.init("new", dataset="pets") as made:
    print(made.datasets(), made.current)
""",
}
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--python-executable", sys.executable],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="once a week: DSM_TEST_LONG=1")
@pytest.mark.parametrize("checker", CHECKERS)
def test_clients_are_clean(checker: str, tmp_path: Path) -> None:
    """Programs as in the pages pass mypy --strict and pyright, torch's own types known."""
    for name in (checker, "torch"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: pip install '.[lint,torch]'")
    for name, text in CLIENTS.items():
        (tmp_path / f"{name}_client.py").write_text(text)
    done = subprocess.run(
        [sys.executable, *CHECKERS[checker], *(f"{name}_client.py" for name in CLIENTS)],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
