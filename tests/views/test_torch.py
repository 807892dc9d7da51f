"""PyTorch datasets over a view: every example once, one order for any workers, exact resumption."""

from __future__ import annotations

import copy
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice, product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from console import played
from situations import Work
from tiers import LONG, thinned

from dsm.errors import InvalidInput
from dsm.views.reading.shuffle import shuffled
from dsm.views.view import View

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

from torch.utils.data import DataLoader  # noqa: E402

from dsm.torch import IterableViewDataset, ViewDataset, ViewLoader  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
COUNT = 103
WORKERS = (0, 1, 4)


@pytest.fixture
def view(make_work: Callable[..., Work]) -> View:
    """A view of 103 examples, each of which holds its number."""
    work = make_work()
    work.ds.add({f"{n:03d}": b"%d" % n for n in range(COUNT)}, labels=["cat", "dog"])
    work.ds.commit("one")
    work.ds.label(["050"], set=["ant"])
    work.ds.commit("two")
    return work.ds.prepare()


def number(example: Any) -> int:
    return int(example.bytes)


def flat(batches: Iterator[Any]) -> list[int]:
    return [int(n) for batch in batches for n in batch]


# --- map-style ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
def test_map_style(view: View, workers: int) -> None:
    """A DataLoader gets every example once, in order, with any number of workers."""
    loader = DataLoader(ViewDataset(view, number), batch_size=10, num_workers=workers)
    assert flat(iter(loader)) == list(range(COUNT))


def test_map_style_by_index(view: View) -> None:
    """Items by index; without a transform they are the examples themselves."""
    dataset = ViewDataset(view)
    assert len(dataset) == COUNT
    assert dataset.classes == ("ant", "cat", "dog")
    assert dataset.class_to_idx == {"ant": 0, "cat": 1, "dog": 2}
    assert [dataset[n].bytes for n in (0, 7, -1)] == [b"0", b"7", b"102"]
    assert [e.path for e in dataset.__getitems__([5, 3, 5])] == ["005", "003", "005"]
    for index in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError, match="a view of 103 examples has not all of"):
            dataset[index]


@pytest.mark.parametrize("workers", WORKERS)
def test_examples_come_back_from_workers(view: View, workers: int) -> None:
    """Without a transform the examples arrive with their bytes and labels."""
    loader = DataLoader(ViewDataset(view), batch_size=20, num_workers=workers, collate_fn=list)
    found = [(e.path, e.bytes, e.labels) for batch in loader for e in batch]
    assert found == [
        (f"{n:03d}", b"%d" % n, ("ant",) if n == 50 else ("cat", "dog")) for n in range(COUNT)
    ]


def test_datasets_can_be_pickled(view: View) -> None:
    """A pickled dataset opens the repository again, and holds the same view."""
    for dataset in (ViewDataset(view, number), IterableViewDataset(view, transform=number)):
        again = pickle.loads(pickle.dumps(dataset))
        assert list(again if hasattr(again, "epoch") else islice(again, COUNT)) == list(
            dataset if hasattr(dataset, "epoch") else islice(dataset, COUNT)  # type: ignore[arg-type]
        )


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy], ids=lambda way: way.__name__)
@pytest.mark.parametrize("read_before", [False, True])
def test_copies_read_the_same(view: View, way: Callable[[Any], Any], read_before: bool) -> None:
    """Copies of a dataset or a loader give the same items, whatever was read before."""
    items = ViewDataset(view, number)
    batches = IterableViewDataset(view, transform=number, batch_size=8)
    loader = ViewLoader(IterableViewDataset(view, transform=number, batch_size=8))
    if read_before:
        assert (items[3], flat(iter(batches)), flat(islice(iter(loader), 2))) == (
            3, shuffled(COUNT, 0).to_pylist(), shuffled(COUNT, 0).to_pylist()[:16],
        )  # fmt: skip
    assert [way(items)[n] for n in range(COUNT)] == list(range(COUNT))
    for made in (batches, loader):
        assert flat(iter(way(made))) == shuffled(COUNT, 0).to_pylist()
        assert flat(iter(made)) == shuffled(COUNT, 0).to_pylist()


def test_a_copy_tells_its_workers_of_epochs(view: View) -> None:
    """Workers of a copied dataset that stay alive learn of the next epoch."""
    dataset = copy.deepcopy(IterableViewDataset(view, seed=3, transform=number, batch_size=10))
    loader = DataLoader(dataset, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in (0, 1, 5):
        dataset.set_epoch(epoch)
        assert flat(iter(loader)) == shuffled(COUNT, 3, epoch).to_pylist()


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_ways_to_start_workers(view: View, method: str) -> None:
    """Workers may be forks or fresh interpreters."""
    loader = DataLoader(
        ViewDataset(view, number), batch_size=30, num_workers=1, multiprocessing_context=method
    )
    assert flat(iter(loader)) == list(range(COUNT))


# --- iterable -------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("size", [1, 8, 200])
@pytest.mark.parametrize("shuffle", [False, True])
def test_one_order_for_any_workers(view: View, workers: int, size: int, shuffle: bool) -> None:
    """Every example once, in the order of seed and epoch, whatever the number of workers."""
    dataset = IterableViewDataset(view, shuffle=shuffle, seed=5, transform=number, batch_size=size)
    dataset.set_epoch(2)
    batches = list(DataLoader(dataset, batch_size=None, num_workers=workers))
    assert flat(iter(batches)) == (
        shuffled(COUNT, 5, 2).to_pylist() if shuffle else list(range(COUNT))
    )
    assert len(batches) == len(dataset)
    assert {len(batch) for batch in batches[:-1]} <= {size}


@pytest.mark.parametrize("workers", WORKERS)
def test_items_one_by_one(view: View, workers: int) -> None:
    """Without a batch size it yields items: one order for batch_size=None; each once for others."""
    dataset = IterableViewDataset(view, seed=1, transform=number)
    loader = DataLoader(dataset, batch_size=None, num_workers=workers)
    assert [int(n) for n in loader] == shuffled(COUNT, 1).to_pylist()
    batched = DataLoader(dataset, batch_size=7, num_workers=workers)
    assert sorted(flat(iter(batched))) == list(range(COUNT))


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("world", [1, 3, 4])
def test_ranks_share_without_overlap_or_loss(view: View, world: int, workers: int) -> None:
    """Ranks together have every example once; their steps interleave to the order of one rank."""
    order = shuffled(COUNT, 9).to_pylist()
    of_rank = []
    for rank in range(world):
        dataset = IterableViewDataset(
            view, seed=9, transform=number, batch_size=4, rank=rank, world_size=world
        )
        of_rank.append(flat(iter(DataLoader(dataset, batch_size=None, num_workers=workers))))
        assert of_rank[-1] == order[rank::world]
        assert len(of_rank[-1]) == dataset.examples
    assert sorted(n for numbers in of_rank for n in numbers) == list(range(COUNT))


RANKS = """
import json, sys, torch.distributed as distributed
import dsm
from dsm.torch import IterableViewDataset, ViewLoader
from torch.utils.data import DataLoader
from tell import number

if __name__ == "__main__":
    view = dsm.open(sys.argv[1]).dataset().prepare()
    early = IterableViewDataset(view, seed=9, transform=number, batch_size=4)
    assert (early.rank, early.world_size, len(early)) == (0, 1, 26)
    rank = int(sys.argv[2])
    distributed.init_process_group("gloo", init_method="file://" + sys.argv[3], rank=rank, world_size=2)
    for method in sys.argv[4].split(","):
        options = {"num_workers": 1 if method else 0, "multiprocessing_context": method or None}
        for loader in DataLoader(early, batch_size=None, **options), ViewLoader(early, **options):
            early.begin(0, 0)
            print(json.dumps([int(n) for batch in loader for n in batch]))
            if isinstance(loader, ViewLoader):
                assert len(loader) == 13 and loader.state_dict()["rank"] == rank
    distributed.destroy_process_group()
"""


def test_ranks_that_are_known_late(view: View, tmp_path: Path) -> None:
    """A dataset made before its process has a rank gives the share of the rank, in any worker."""
    (tmp_path / "ranks.py").write_text(RANKS)
    (tmp_path / "tell.py").write_text("def number(example):\n    return int(example.bytes)\n")
    methods = ",fork,spawn" if LONG else ",spawn"  # "" is none: in the process itself
    store = str(tmp_path / "store")
    ranks = [
        subprocess.Popen(
            [sys.executable, "ranks.py", view.repository.root, str(rank), store, methods],
            cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [rank.communicate()[0].splitlines() for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0]
    order = shuffled(COUNT, 9).to_pylist()
    loaders = 2 * len(methods.split(","))
    for rank, lines in enumerate(said):
        assert [json.loads(line) for line in lines] == [order[rank::2]] * loaders


def test_beside_accelerate(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Accelerate deals to ranks, a dataset does not, but in a ViewLoader or by given ranks."""
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 1)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 3)
    state = ModuleType("accelerate.state")
    monkeypatch.setitem(sys.modules, "accelerate.state", state)

    def shares(used: bool) -> list[tuple[int, int, int]]:
        state.is_initialized = lambda: used  # type: ignore[attr-defined]
        bare, given, loaded = (
            IterableViewDataset(view, transform=number),
            IterableViewDataset(view, transform=number, rank=0, world_size=2),
            IterableViewDataset(view, transform=number),
        )
        ViewLoader(loaded)
        assert all(len(list(each)) == len(each) for each in (bare, given, loaded))
        return [(each.rank, each.world_size, len(each)) for each in (bare, given, loaded)]

    assert shares(False) == [(1, 3, 34), (0, 2, 52), (1, 3, 34)]
    assert shares(True) == [(0, 1, 103), (0, 2, 52), (1, 3, 34)]


@pytest.mark.parametrize("workers", WORKERS)
def test_drop_last_makes_ranks_equal(view: View, workers: int) -> None:
    """With drop_last all ranks have equally many batches, all full, and none twice."""
    seen: list[int] = []
    counts = set()
    for rank in range(3):
        dataset = IterableViewDataset(
            view, transform=number, batch_size=4, rank=rank, world_size=3, drop_last=True
        )
        batches = list(DataLoader(dataset, batch_size=None, num_workers=workers))
        assert {len(batch) for batch in batches} == {4}
        assert len(batches) == len(dataset)
        counts.add(len(batches))
        seen += flat(iter(batches))
    assert counts == {8}
    assert len(set(seen)) == len(seen) == 96


def test_more_workers_than_batches(view: View) -> None:
    """Workers without a batch have nothing to do."""
    dataset = IterableViewDataset(view, shuffle=False, transform=number, batch_size=60)
    assert flat(iter(DataLoader(dataset, batch_size=None, num_workers=4))) == list(range(COUNT))


def test_epochs_reach_workers_that_stay(view: View) -> None:
    """set_epoch is heard by persistent workers, too."""
    dataset = IterableViewDataset(view, seed=3, transform=number, batch_size=10)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    for epoch in (0, 1, 5):
        dataset.set_epoch(epoch)
        assert flat(iter(loader)) == shuffled(COUNT, 3, epoch).to_pylist()


@pytest.mark.parametrize(
    "options",
    [
        {"rank": 2, "world_size": 2},
        {"rank": 0},
        {"world_size": 2},
        {"rank": -1, "world_size": 1},
        {"batch_size": 0},
    ],
)
def test_impossible_splits(view: View, options: dict[str, int]) -> None:
    """Ranks outside of the world and empty batches are refused."""
    with pytest.raises(
        InvalidInput, match="rank and world_size belong|a batch of 0 examples cannot be"
    ):
        IterableViewDataset(view, **options)  # type: ignore[arg-type]


# --- going on in the middle -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "workers", "then"), thinned(product([0, 1, 7, 11], WORKERS, WORKERS), 3)
)
def test_a_loader_goes_on_exactly(view: View, stop: int, workers: int, then: int) -> None:
    """What was seen before the state and what comes after it is the epoch, then the next one."""
    first = ViewLoader(
        IterableViewDataset(view, seed=4, transform=number, batch_size=10), num_workers=workers
    )
    first.set_epoch(6)
    assert len(first) == 11
    iterator = iter(first)
    seen = flat(islice(iterator, stop))
    state = pickle.loads(pickle.dumps(first.state_dict()))
    second = ViewLoader(
        IterableViewDataset(view, seed=4, transform=number, batch_size=10), num_workers=then
    )
    second.load_state_dict(state)
    second.set_epoch(6)  # as a training loop does
    seen += flat(iter(second))
    assert seen == shuffled(COUNT, 4, 6).to_pylist()
    assert second.epoch == 7
    assert flat(iter(second)) == shuffled(COUNT, 4, 7).to_pylist()


def test_a_loader_begins_anew_after_a_break(view: View) -> None:
    """An iteration that was broken off starts over; only a loaded state goes on."""
    loader = ViewLoader(IterableViewDataset(view, transform=number, batch_size=10))
    order = shuffled(COUNT, 0).to_pylist()
    assert flat(islice(iter(loader), 3)) == order[:30]
    assert flat(iter(loader)) == order


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("taken", ["all", "as many as there are", "of both kinds"])
def test_a_loader_that_is_reused_counts_epochs(view: View, workers: int, taken: str) -> None:
    """A whole epoch is followed by the next one, also when the loop does not ask for a batch more."""
    loader = ViewLoader(
        IterableViewDataset(view, seed=7, transform=number, batch_size=10), num_workers=workers
    )
    for epoch in range(4):
        assert loader.epoch == epoch
        exactly = taken == "as many as there are" or (taken == "of both kinds" and epoch % 2)
        batches = islice(iter(loader), len(loader)) if exactly else iter(loader)
        assert flat(batches) == shuffled(COUNT, 7, epoch).to_pylist()
        assert loader.epoch == epoch + 1
    loader.set_epoch(1)
    assert flat(islice(iter(loader), len(loader))) == shuffled(COUNT, 7, 1).to_pylist()
    loader.set_epoch(1)  # said again, it is begun again
    assert flat(iter(loader)) == shuffled(COUNT, 7, 1).to_pylist()


def test_an_old_iteration_counts_no_more(view: View) -> None:
    """What is left of an iteration that another one has followed changes nothing."""
    loader = ViewLoader(IterableViewDataset(view, seed=7, transform=number, batch_size=10))
    old = iter(loader)
    assert flat(islice(old, len(loader))) == shuffled(COUNT, 7, 0).to_pylist()
    new = iter(loader)
    first = flat(islice(new, 2))
    assert list(old) == []
    assert (loader.epoch, loader.state_dict()["batches"]) == (1, 2)
    assert first + flat(new) == shuffled(COUNT, 7, 1).to_pylist()


def test_a_whole_epoch_that_is_resumed(view: View) -> None:
    """A state that was saved after the last batch goes on with the next epoch."""
    loader = ViewLoader(IterableViewDataset(view, seed=7, transform=number, batch_size=10))
    list(islice(iter(loader), len(loader)))
    other = ViewLoader(IterableViewDataset(view, seed=7, transform=number, batch_size=10))
    other.load_state_dict(loader.state_dict())
    assert flat(iter(other)) == []
    assert flat(iter(other)) == shuffled(COUNT, 7, 1).to_pylist()


def test_a_state_of_another_run_is_refused(view: View) -> None:
    """A state tells view, order and split, and is of no use for others."""
    state = ViewLoader(IterableViewDataset(view, seed=1, batch_size=4)).state_dict()
    for options in (
        {"seed": 2},
        {"batch_size": 5},
        {"shuffle": False},
        {"rank": 1, "world_size": 2},
    ):
        other = IterableViewDataset(view, **{"seed": 1, "batch_size": 4, **options})  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match=next(iter(options))):
            ViewLoader(other).load_state_dict(state)
        with pytest.raises(InvalidInput, match="this state is of another run"):
            other.load_state_dict(state | {"taken": 0})
    with pytest.raises(InvalidInput, match="belong to the dataset"):
        ViewLoader(other, batch_size=4)


def test_a_dataset_goes_on_in_its_own_process(view: View) -> None:
    """Without workers the dataset itself knows where it is."""
    first = IterableViewDataset(view, seed=4, transform=number, batch_size=10)
    seen = flat(islice(iter(first), 4))
    second = IterableViewDataset(view, seed=4, transform=number, batch_size=10)
    second.load_state_dict(first.state_dict())
    iterator = iter(second)
    seen += flat(islice(iterator, 2))
    third = IterableViewDataset(view, seed=4, transform=number, batch_size=10)
    third.load_state_dict(second.state_dict())
    assert seen + flat(iter(third)) == shuffled(COUNT, 4).to_pylist()
    assert flat(iter(third)) == shuffled(COUNT, 4).to_pylist()


@pytest.mark.parametrize("workers", WORKERS)
def test_a_stateful_loader_goes_on_exactly(view: View, workers: int) -> None:
    """torchdata's StatefulDataLoader asks the dataset in each worker."""
    stateful = pytest.importorskip(
        "torchdata.stateful_dataloader", reason="torchdata is not installed"
    )

    def loader() -> Any:
        dataset = IterableViewDataset(view, seed=4, transform=number, batch_size=10)
        return stateful.StatefulDataLoader(dataset, batch_size=None, num_workers=workers)

    first = loader()
    seen = flat(islice(iter(first), 5))
    second = loader()
    second.load_state_dict(first.state_dict())
    assert seen + flat(iter(second)) == shuffled(COUNT, 4).to_pylist()


def test_importing_dsm_imports_no_torch() -> None:
    """PyTorch is loaded by dsm.torch alone."""
    code = "import dsm, dsm.api, dsm.catalog, sys; assert not {'torch', 'fsspec', 'pyarrow'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)


QUIET = """
import sys
import dsm
from dsm.torch import IterableViewDataset, ViewDataset, ViewLoader
from torch.utils.data import DataLoader

def run(workers, method):
    view = dsm.open(sys.argv[1]).dataset().prepare()
    options = {"num_workers": workers, "multiprocessing_context": method}
    if workers:
        options["persistent_workers"] = True
    for loader in (
        DataLoader(ViewDataset(view), batch_size=4, collate_fn=list, **options),
        DataLoader(IterableViewDataset(view, batch_size=4), batch_size=None, **options),
        ViewLoader(IterableViewDataset(view, batch_size=4), **options),
    ):
        batches = iter(loader)
        yield next(batches)[0].bytes, loader, batches

if __name__ == "__main__":
    kept = list(run(int(sys.argv[2]), sys.argv[3] or None))
    if sys.argv[4] == "broken off":
        raise SystemExit(3)
"""


@pytest.mark.parametrize("way", ["to its end", "broken off"])
@pytest.mark.parametrize(
    ("workers", "method"), [(0, ""), (1, "fork"), *([(1, "spawn")] if LONG else [])]
)
def test_programs_end_without_noise(
    view: View, tmp_path: Path, workers: int, method: str, way: str
) -> None:
    """A program that never closes repository, loader or iterator ends without a word."""
    (tmp_path / "train.py").write_text(QUIET)
    words = [sys.executable, "train.py", view.repository.root, str(workers), method, way]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (3 if way == "broken off" else 0, "", "")


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of the how-to page does what the page says."""
    text = (ROOT / "docs" / "how-to" / "train-with-pytorch.md").read_text()
    assert played(text, tmp_path) == text
    monkeypatch.chdir(tmp_path / "home" / "faces")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    exec("".join(blocks), {})
