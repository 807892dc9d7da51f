"""PyTorch reads views with queries: every row once, in one order, wherever it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
pytest.importorskip(
    "adbc_driver_sqlite", reason="needs dsm-datasets[sources]: pip install '.[test]'"
)

from bank import ROWS, Bank, expected

from dsm.errors import InvalidInput
from dsm.sources import receipts
from dsm.torch import IterableViewDataset, ViewDataset, ViewLoader
from dsm.views.view import NumberUnknown, View


@pytest.fixture
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "work").mkdir()
    made = Bank(tmp_path / "work", tmp_path / "bank.db")
    monkeypatch.setenv("BANK", str(made.database))  # for workers that open it anew
    yield made
    made.repo.close()


def path_of(example: Any) -> str:
    return str(example.path)


def dataset(view: View, **more: Any) -> IterableViewDataset:
    return IterableViewDataset(
        view, **{"seed": 3, "batch_size": 16, "transform": path_of, "collate": list, **more}
    )


def batches(view: View, workers: int, **more: Any) -> list[list[str]]:
    return list(ViewLoader(dataset(view, **more), num_workers=workers))


def test_the_same_order_for_any_number_of_workers(bank: Bank) -> None:
    """Stored examples come first, then every row once; one worker asks the source."""
    view = bank.ds.prepare()
    alone = batches(view, 0)
    flat = [path for batch in alone for path in batch]
    assert sorted(flat[40:]) == sorted(expected(ROWS)) and flat[40:] != expected(ROWS)
    before = len(receipts.receipts(bank.repo))
    for workers in (1, 2, 3):
        assert batches(view, workers) == alone
    told = [r.consumer for r in receipts.receipts(bank.repo)][:-before]
    assert told.count("torch") == 3
    ordered = [p for batch in batches(view, 2, shuffle=False) for p in batch]
    assert ordered[40:] == expected(ROWS)
    assert dataset(view).classes == ("fraud", "note", "ok")


def test_ranks_share_the_rows(bank: Bank) -> None:
    """Every row falls to one rank, the same one each time."""
    view = bank.ds.prepare()
    shares = [
        sorted(p for b in batches(view, 2, rank=r, world_size=3) for p in b) for r in range(3)
    ]
    notes = [f"note/{n:02}" for n in range(40)]
    assert sorted(p for share in shares for p in share) == sorted([*expected(ROWS), *notes])
    again = sorted(p for b in batches(view, 0, rank=1, world_size=3, seed=9) for p in b)
    rows = [[p for p in share if p.startswith("pay/")] for share in (shares[1], again)]
    assert rows[0] == rows[1]
    with pytest.raises(InvalidInput, match="equally many batches"):
        dataset(view, rank=0, world_size=2, drop_last=True)


@pytest.mark.parametrize("stop", [1, 3, 5, 12])
def test_going_on_in_the_middle(bank: Bank, stop: int) -> None:
    """A state among stored examples or among rows goes on with any number of workers."""
    view = bank.ds.prepare()
    whole = batches(view, 0)
    loader = ViewLoader(dataset(view), num_workers=2)
    iterator = iter(loader)
    begun = [next(iterator) for _ in range(stop)]
    state = loader.state_dict()
    for workers in (0, 2):
        later = ViewLoader(dataset(view), num_workers=workers)
        later.load_state_dict(state)
        assert begun + list(later) == whole


def test_a_share_is_cut_once(bank: Bank) -> None:
    """Rows that come later do not move the cut, in this epoch or the next."""
    data = dataset(bank.ds.prepare(percent="0.5"))
    first = sorted(p for batch in ViewLoader(data) for p in batch)
    assert len(first) == 120
    bank.change("UPDATE payment SET at = '2020-01-01T00:00:00Z' WHERE id = 150")
    second = sorted(p for batch in ViewLoader(data) for p in batch)
    assert set(first) - set(second) == {"pay/150.json"}


def test_what_has_no_number(bank: Bank) -> None:
    """A map-style dataset and a length are refused; without the sources both are there."""
    view = bank.ds.prepare()
    with pytest.raises(NumberUnknown, match="the rows of a query have no index, so a view with"):
        ViewDataset(view)
    with pytest.raises(NumberUnknown, match="how many rows a query has is known only when it has"):
        len(dataset(view))
    assert len(ViewDataset(view.without_sources())) == 40
    assert sum(map(len, batches(view.with_dummy_rows(10), 2))) == 50
