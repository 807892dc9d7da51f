"""Draws by weight: how often each example comes, and one order for workers, ranks and resumption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.views.reading.weighted import WeightedDraws, weighted_draws
from dsm.views.view import View

COUNT = 40


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """Forty examples, each with its number; every tenth is a cat, the others are dogs."""
    work = Work(tmp_path_factory.mktemp("draws") / "work")
    for label, numbers in {"cat": range(0, COUNT, 10), "dog": range(COUNT)}.items():
        wanted = [n for n in numbers if (n % 10 == 0) == (label == "cat")]
        work.ds.add({f"{n:03d}": b"%d" % n for n in wanted}, labels=[label])
    work.ds.commit("one")
    yield work.ds.prepare()
    work.repo.close()


def test_draws_are_specified() -> None:
    """The first draws of a seed, as the module's page of rules says: a vector that never changes."""
    from blake3 import blake3

    units = [3, 0, 1, 1 << 32]
    stream = blake3(b"dsm draws 1\n" + bytes([5, *bytes(7), 2, *bytes(7)])).digest(length=80)
    words = [int.from_bytes(stream[at : at + 8], "little") for at in range(0, 80, 8)]
    expected = [
        next(n for n in range(4) if (x * sum(units)) >> 64 < sum(units[: n + 1])) for x in words
    ]
    assert WeightedDraws(units).order(10, 5, 2).to_pylist() == expected


def test_shares_are_those_of_weights() -> None:
    """Of many draws each example has about its share, and none has what weighs nothing."""
    weights = [0.0, 1, 2, 7]
    draws = WeightedDraws([int(w * 2**30) for w in weights]).order(100_000, 1)
    found = Counter(draws.to_pylist())
    assert found[0] == 0
    for position, weight in enumerate(weights):
        spread = (100_000 * weight / 10 * (1 - weight / 10)) ** 0.5
        assert abs(found[position] - 10_000 * weight) <= 5 * spread


def test_weights_by_class(view: View) -> None:
    """Balanced classes are the weights 1 / count; a weight for each class is one for its examples."""
    table, classes = view.table(), view.stored_classes
    each = [1 / 4 if n % 10 == 0 else 1 / 36 for n in range(COUNT)]
    balanced = weighted_draws("balance", table, classes)
    assert balanced.identity == weighted_draws(each, table, classes).identity
    of_class = weighted_draws({"cat": 2.0, "dog": 0}, table, classes)
    assert set(of_class.order(100, 0).to_pylist()) == set(range(0, COUNT, 10))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0], "1 weights do not fit 40 examples"),
        ([0.0] * COUNT, "no example has a weight above 0: there is nothing to draw"),
        ([float("nan")] * COUNT, "a weight is 0 or a positive number"),
        ([-1.0] * COUNT, "a weight is 0 or a positive number"),
        ({"cat": 1.0}, "weights by class: class 'dog' has none"),
        ({"cat": 1.0, "dog": 1.0, "ant": 1.0}, "weights by class: there is no class 'ant'"),
        ("even", "'even' says no weights"),
    ],
)
def test_weights_that_are_none(view: View, weights: Any, said: str) -> None:
    """What is no weight is told, and nothing is drawn."""
    with pytest.raises(InvalidInput) as caught:
        weighted_draws(weights, view.table(), view.stored_classes)
    assert caught.value.message == said


def test_examples_without_a_class_are_told(make_work: Callable[..., Work]) -> None:
    """An example without a class is not left out in silence."""
    work = make_work()
    work.commit("none", a="1")
    view = work.ds.prepare()
    with pytest.raises(InvalidInput, match="1 of 1 examples have no class, or several"):
        weighted_draws("balance", view.table(), view.stored_classes)


# --- in PyTorch -----------------------------------------------------------------------------------


def number(example: Any) -> int:
    return int(example.bytes)


def flat(batches: Any) -> list[int]:
    return [int(n) for batch in batches for n in batch]


def test_one_order_for_workers_and_ranks(view: View) -> None:
    """Whatever the number of workers the order is that of the draws, and ranks share it out."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
    from dsm.torch import IterableViewDataset, ViewLoader

    draws = weighted_draws("balance", view.table(), view.stored_classes).order(60, 7, 1).to_pylist()
    for workers in (0, 1, 3):
        dataset = IterableViewDataset(
            view, weights="balance", draws=60, seed=7, batch_size=8, transform=number
        )
        loader = ViewLoader(dataset, num_workers=workers)
        loader.set_epoch(1)
        assert flat(loader) == draws
    for rank in range(3):
        dataset = IterableViewDataset(
            view, weights="balance", draws=60, seed=7, batch_size=8, transform=number,
            rank=rank, world_size=3,
        )  # fmt: skip
        dataset.set_epoch(1)
        assert flat(dataset) == draws[rank::3]


def test_it_goes_on_in_the_middle(view: View) -> None:
    """A loader goes on after its state; one with other weights or draws refuses the state."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
    from dsm.torch import IterableViewDataset, ViewLoader

    def loader(weights: Any, workers: int = 0, draws: int | None = None) -> Any:
        dataset = IterableViewDataset(
            view, weights=weights, draws=draws, seed=3, batch_size=4, transform=number
        )
        return ViewLoader(dataset, num_workers=workers)

    first = loader("balance", 2)
    begun = flat(islice(iter(first), 3))
    state = first.state_dict()
    again = loader("balance")
    again.load_state_dict(state)
    whole = weighted_draws("balance", view.table(), view.stored_classes).order(COUNT, 3).to_pylist()
    assert begun + flat(again) == whole
    for other in (loader([1.0] * COUNT), loader("balance", draws=COUNT + 1), loader(None)):
        with pytest.raises(InvalidInput, match="this state is of another run"):
            other.load_state_dict(state)


def test_options_that_do_not_go_together(view: View) -> None:
    """Draws belong to weights, and have an order of their own."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")
    from dsm.torch import IterableViewDataset

    for options in ({"draws": 3}, {"weights": "balance", "draws": 0}, {"weights": "balance", "shuffle": False}):  # fmt: skip
        with pytest.raises(
            InvalidInput, match=r"^draws (are a positive number|by weight have an order)"
        ):
            IterableViewDataset(view, **options)  # type: ignore[arg-type]
