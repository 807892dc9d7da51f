"""PyTorch datasets that read a view straight from the repository, without a copy of its files.

`ViewDataset` has an item for each index, `IterableViewDataset` deals whole batches to ranks and
workers, `ViewLoader` counts what the training loop has seen. One rule gives the same order for any
number of workers: batch k of a rank is made by worker k modulo the number of workers, and a
DataLoader takes from its workers in turn. Rows of queries follow the stored examples; the worker
whose turn it is then runs the queries of its rank.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from random import Random
from typing import Any

import pyarrow as pa

from dsm.errors import InvalidInput
from dsm.sources.digest import share_of
from dsm.store.positions import Positions
from dsm.views.reading.example import ViewExample
from dsm.views.reading.mixing import SourceWindow, shuffled_batches
from dsm.views.reading.orders import require_same
from dsm.views.reading.shuffle import shuffled
from dsm.views.reading.weighted import WeightedDraws, Weights, weighted_draws
from dsm.views.reading.window import WINDOW, Window, largest_of
from dsm.views.selection.classes import ClassList
from dsm.views.selection.columns import integers
from dsm.views.selection.evaluate import Cutoff
from dsm.views.selection.positions import announcer, positions_of
from dsm.views.selection.selection import Selection
from dsm.views.source_rows.reader import SourceRowReader
from dsm.views.view import NumberUnknown, View

try:
    import torch
    from torch.utils.data import (
        DataLoader,
        Dataset,
        IterableDataset,
        default_collate,
        get_worker_info,
    )
except ImportError as error:
    raise ImportError("dsm.torch needs PyTorch: pip install 'dsm-datasets[torch]'") from error

Transform = Callable[[ViewExample], Any]


class _Source:
    """The rows of a view in whatever process this is.

    A fork goes on with the packs that are open: they are read by position, so that processes do
    not disturb each other. A copy, made by pickle or `copy`, opens the repository for itself.
    """

    def __init__(self, view: Selection):
        self._view = view
        self.version = view.version
        # Evaluated here, so that forked workers share it.
        self._cutoff: Cutoff | None = None
        self._reading: SourceRowReader | None = self._read(view)
        if self._reading is not None:  # decided once, for all workers and epochs
            self._cutoff = self._reading.cutoff
        table = view.table() if self._reading is None else self._reading.stored()
        self._table: pa.Table | None = table
        self._count = table.num_rows
        self.has_queries = self._reading is not None
        # Decided here as well: a source may give other labels later.
        reading = self._reading
        self.class_list = view.stored_classes if reading is None else reading.class_list()
        self._store: Any = view.repository.store
        self._largest = largest_of(table)
        self._positions: Positions | None = positions_of(self._store, table)
        self._announce = announcer(self._store, table)

    def _read(self, view: Selection) -> SourceRowReader | None:
        if not view.queries:
            return None
        return SourceRowReader(view, "torch", objects=False, cutoff=self._cutoff)

    def __len__(self) -> int:
        return int(self._count)

    def draws(self, weights: Weights | None) -> WeightedDraws | None:
        """Returns the draws by weight, if there are weights; then rows of queries are refused."""
        if weights is None or self._table is None:
            return None
        return weighted_draws(weights, self._table, self.class_list, queries=self.has_queries)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {
            "_table": None,
            "_store": None,
            "_reading": None,
            "_positions": None,
            "_announce": None,
        }

    def rows(self, indices: pa.Array) -> Window:
        """Returns the rows at these indices, all read at once when the first is; they exist."""
        if self._table is None:
            self._open()
        assert self._table is not None
        return Window(
            self._store, self._table, indices, ahead=len(indices), largest=self._largest,
            positions=self._positions, classes=lambda: self.class_list, announce=self._announce,
        )  # fmt: skip

    def queried(self, rank: int, world_size: int, random: Random | None) -> Iterator[ViewExample]:
        """Yields the rows of the view's queries that fall to a rank, shuffled with `random`.

        They are dealt by a hash of their paths: the same rows to the same rank in every run.
        """
        if self._table is None:
            self._open()
        assert self._reading is not None

        def classes() -> ClassList:
            return self.class_list

        with closing(self._reading.batches()) as batches:
            mine = (
                batch if world_size == 1
                else batch.filter(share_of(batch.column("path"), rank, world_size))
                for batch in batches
            )  # fmt: skip
            windows = (
                (SourceWindow(pa.Table.from_batches([batch]), classes) for batch in mine)
                if random is None else shuffled_batches(mine, random, classes)
            )  # fmt: skip
            for rows in windows:
                yield from rows.examples()

    def _open(self) -> None:
        view = self._view
        self._reading = self._read(view)
        self._store = view.repository.store
        self._table = view.table() if self._reading is None else self._reading.stored()
        self._positions = positions_of(self._store, self._table)
        self._announce = announcer(self._store, self._table)


class ViewDataset(Dataset[Any]):  # type: ignore[misc]
    """A view as a map-style dataset: item i is the example i, or what `transform` makes of it.

    It can be pickled, copied and forked. DataLoader fetches the items of a batch in one read.
    """

    def __init__(self, view: View, transform: Transform | None = None):
        if view.queries:
            raise NumberUnknown(
                "the rows of a query have no index, so a view with queries is no map of items",
                hint="use IterableViewDataset, or view.without_sources()",
            )
        self._source = _Source(view)
        self.transform = transform

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their indices; see `View.classes`."""
        return self._source.class_list.names

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The index of each class: what `example.target` is."""
        return dict(self._source.class_list.indices)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index + len(self) if index < 0 else index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Returns the items of these indices, read in the order they lie on disk."""
        if indices and not 0 <= min(indices) <= max(indices) < len(self):
            raise IndexError(f"a view of {len(self)} examples has not all of {indices}")
        return _made(self._source.rows(integers(indices)).examples(), self.transform)


class IterableViewDataset(IterableDataset[Any]):  # type: ignore[misc]
    """A view as an iterable dataset that is dealt to ranks and workers, without overlap or loss.

    With `batch_size` it yields whole batches: lists of items, passed through `collate` (PyTorch's
    own when there is a `transform`, else none). Give it to a DataLoader with `batch_size=None`, or
    to a `ViewLoader`: then the order is the same for any number of workers. Without `batch_size`
    it yields items.

    `shuffle` orders by `seed` and epoch (`set_epoch`), else by path. Rank r of R takes positions r,
    r + R, … of that order. `rank` and `world_size` are given, or are those of torch.distributed as
    soon as it is initialised. Where Accelerate is in use (the Trainer of transformers uses it), it
    deals what a DataLoader yields to ranks by itself: then every rank has the whole order, but in a
    `ViewLoader`. With `drop_last` all ranks have equally many batches, all full.

    `weights` draw examples by weight, with replacement, by seed and epoch: "balance" (all classes
    alike), a weight for each class, or one for each example in the order of paths. `draws` are so
    many in an epoch (by default as many as there are examples).

    Rows of queries follow, shuffled through a buffer, by a run of each query for each rank and
    epoch; how many there are is not known before. They are dealt to ranks by a hash of their
    paths, not equally. A newest share ends where it did when this was made.
    """

    def __init__(
        self,
        view: View,
        *,
        shuffle: bool = True,
        seed: int = 0,
        transform: Transform | None = None,
        batch_size: int | None = None,
        collate: Callable[[list[Any]], Any] | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = False,
        weights: Weights | None = None,
        draws: int | None = None,
    ):
        self._given: tuple[int, int] | None = None
        if rank is not None or world_size is not None:
            if rank is None or world_size is None or not 0 <= rank < world_size:
                raise InvalidInput(
                    "rank and world_size belong together, and 0 <= rank < world_size"
                )
            self._given = rank, world_size
        self.deals = False  # to ranks, also beside Accelerate: in a ViewLoader
        self._sent: tuple[int, int] | None = None  # what a copy takes where it cannot know
        if batch_size is not None and batch_size < 1:
            raise InvalidInput(f"a batch of {batch_size} examples cannot be made")
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        if view.queries:
            self._require_countable()
        self._source = _Source(view)
        self._draws = self._source.draws(weights)
        self._length = len(self._source) if draws is None else draws
        if draws is not None and (self._draws is None or draws < 1):
            raise InvalidInput("draws are a positive number, and belong to weights")
        if self._draws is not None and not shuffle:
            raise InvalidInput("draws by weight have an order of their own: leave out shuffle")
        self.transform, self.batch_size = transform, batch_size
        self._collate = collate or (default_collate if transform is not None else list)
        # Epoch, and how many batches of it are done: shared, so that workers that stay alive from
        # epoch to epoch learn of it.
        self._place = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._skip = 0  # batches of this worker that were taken before, to be passed over once
        self._taken = 0  # batches that the newest iterator of this process has yielded or skipped

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is started afresh knows nothing of the ranks of its parent.
        return self.__dict__ | {"_sent": self._share}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._place.share_memory_()

    @property
    def _share(self) -> tuple[int, int]:
        """Which rank of how many it is in, as far as is known now."""
        if self._given is not None:
            return self._given
        if not self.deals and _accelerate_deals():
            return 0, 1
        return _place_in_world() or self._sent or (0, 1)

    @property
    def rank(self) -> int:
        """Whose share of the examples it has, counted from 0."""
        return self._share[0]

    @property
    def world_size(self) -> int:
        """How many ranks share the examples."""
        return self._share[1]

    def _require_countable(self) -> None:
        if self.drop_last and self.world_size > 1:
            raise InvalidInput(
                "ranks cannot have equally many batches of a view with queries",
                hint="leave drop_last away, or take view.without_sources()",
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their indices; see `View.classes`."""
        return self._source.class_list.names

    @property
    def has_queries(self) -> bool:
        """Whether rows of queries follow the stored examples."""
        return self._source.has_queries

    @property
    def epoch(self) -> int:
        """The epoch that the next iterator belongs to."""
        return int(self._place[0])

    @property
    def examples(self) -> int:
        """How many stored examples this rank has in an epoch."""
        rank, world_size = self._share
        if not self.drop_last:
            return (self._length - rank + world_size - 1) // world_size
        equal = self._length // world_size
        return equal - equal % (self.batch_size or 1)

    def __len__(self) -> int:
        """How many batches (items, without `batch_size`) this rank has in an epoch."""
        if self._source.has_queries:
            raise NumberUnknown("how many rows a query has is known only when it has run")
        return self._stored

    @property
    def _stored(self) -> int:
        """How many batches of stored examples this rank has in an epoch."""
        return -(-self.examples // (self.batch_size or 1))

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; the one that it is in already goes on where it was."""
        if epoch != self.epoch:
            self.begin(epoch, 0)

    def begin(self, epoch: int, batches: int) -> None:
        """Makes the next iterator begin after so many batches of this rank's epoch."""
        self._place[0], self._place[1], self._skip = epoch, batches, 0

    def __iter__(self) -> Iterator[Any]:
        if self._source.has_queries:
            self._require_countable()
        worker = get_worker_info()
        number, of = (0, 1) if worker is None else (worker.id, worker.num_workers)
        epoch, first = self._place.tolist()
        skip, self._skip = self._skip, 0
        self._taken = skip
        mine = range(first + number, self._stored, of)
        parts = [self._deal(epoch, mine[skip:])]
        # The turn after the last stored batch is that of the rows.
        if self._source.has_queries and number == max(0, self._stored - first) % of:
            before = max(0, first - self._stored) + max(0, skip - len(mine))
            parts.append(self._queried(epoch, before))
        return self._through(chain.from_iterable(parts), of)

    def _through(self, batches: Iterator[Any], workers: int) -> Iterator[Any]:
        yield from batches
        if workers == 1:
            self._place[1] = 0  # a whole epoch: the next iterator begins anew
            self._taken = 0

    def _queried(self, epoch: int, skip: int) -> Iterator[Any]:
        """Yields the batches of rows, but for the first so many."""
        random = Random(f"{self.seed}/{epoch}") if self.shuffle else None
        size = self.batch_size or 1
        with closing(self._source.queried(self.rank, self.world_size, random)) as examples:  # type: ignore[type-var]
            while part := list(islice(examples, size)):
                if len(part) < size and self.drop_last:
                    return
                if skip:
                    skip -= 1
                    continue
                items = _made(iter(part), self.transform)
                self._taken += 1
                yield items[0] if self.batch_size is None else self._collate(items)

    def _deal(self, epoch: int, batches: range) -> Iterator[Any]:
        """Yields these batches of an epoch, a window of them at a time."""
        ordered = shuffled if self._draws is None else self._draws.order
        order = ordered(self._length, self.seed, epoch) if self.shuffle else None
        size = self.batch_size or 1
        at_once = max(1, WINDOW // size)
        for at in range(0, len(batches), at_once):
            parts = [self._positions(batch, size) for batch in batches[at : at + at_once]]
            indices = integers([position for part in parts for position in part])
            if order is not None:
                indices = order.take(indices)
            examples = self._source.rows(indices).examples()
            for part in parts:
                items = _made((next(examples) for _ in part), self.transform)
                self._taken += 1
                yield items[0] if self.batch_size is None else self._collate(items)

    def _positions(self, batch: int, size: int) -> range:
        """Where the examples of a batch stand in the order that all ranks share."""
        rank, world_size = self._share
        end = min((batch + 1) * size, self.examples)
        return range(rank + world_size * batch * size, rank + world_size * end, world_size)

    # --- going on in the middle ---

    def identity(self) -> dict[str, Any]:
        """What must be the same for a state to be of use."""
        return {
            "version": self._source.version, "shuffle": self.shuffle, "seed": self.seed,
            "batch_size": self.batch_size, "rank": self.rank, "world_size": self.world_size,
            "drop_last": self.drop_last,
            "draws": None if self._draws is None else f"{self._length} by {self._draws.identity}",
        }  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """Where this process is: in the training process, or in one worker of a DataLoader.

        Workers read ahead of the training loop: there, ask a `ViewLoader`, or torchdata's
        StatefulDataLoader, which calls this in every worker at the right moment.
        """
        first, taken = int(self._place[1]), self._taken
        if get_worker_info() is None:
            first, taken = first + taken, 0
        return self.identity() | {"epoch": self.epoch, "batches": first, "taken": taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Makes the next iterator go on after `state`. Raises InvalidInput when it is not of the
        same view, order and batches."""
        require_same(self.identity(), state)
        self.begin(state["epoch"], state["batches"])
        self._skip = state["taken"]
        self._taken = 0


class ViewLoader:
    """A DataLoader over an `IterableViewDataset` that knows how far the training loop has come.

    `options` are those of DataLoader (num_workers, pin_memory, persistent_workers, …). The order
    does not depend on them. When a whole epoch was given, the next iteration is the next epoch; one
    that was broken off begins again. It deals to ranks by itself: nothing else need do so.
    """

    def __init__(self, dataset: IterableViewDataset, **options: Any):
        if "batch_size" in options or "shuffle" in options:
            raise InvalidInput("batch_size and shuffle belong to the dataset")
        dataset.deals = True
        self.dataset = dataset
        self._loader = DataLoader(dataset, batch_size=None, **options)
        self._epoch = dataset.epoch
        self._begin = 0  # batches to pass over when iteration begins
        self._done = 0
        self._iteration: object = None  # the newest one

    @property
    def epoch(self) -> int:
        """The epoch that it is in; when all of one was given, the next."""
        return self._epoch + self._is_given()

    def __len__(self) -> int:
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Goes to the beginning of an epoch; the one that was loaded goes on where it was."""
        if epoch != self._epoch or not self._begin:
            self._epoch, self._begin, self._done = epoch, 0, 0

    def __iter__(self) -> Iterator[Any]:
        self._epoch += self._is_given()  # the loop took all batches and did not ask for another
        self._done, self._begin = self._begin, 0
        self.dataset.begin(self._epoch, self._done)
        iteration = self._iteration = object()
        for batch in self._loader:
            if self._iteration is iteration:
                self._done += 1
            yield batch
        if self._iteration is iteration:  # and no other has begun meanwhile
            self._epoch, self._done = self._epoch + 1, 0

    def _is_given(self) -> bool:
        """Whether all batches of the epoch were given; of queries, only their end tells."""
        if self._begin or not self._done or self.dataset.has_queries:
            return False
        return self._done >= len(self)

    def state_dict(self) -> dict[str, Any]:
        """How many batches the training loop was given, exactly, whatever workers have read."""
        return self.dataset.identity() | {"epoch": self._epoch, "batches": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on after `state`, with any number of workers. Raises InvalidInput when it is not of
        the same view, order and batches."""
        require_same(self.dataset.identity(), state)
        self._epoch, self._begin = state["epoch"], state["batches"]
        self._done = self._begin


def _made(examples: Iterator[ViewExample], transform: Transform | None) -> list[Any]:
    return list(examples) if transform is None else list(map(transform, examples))


def _place_in_world() -> tuple[int, int] | None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return None


def _accelerate_deals() -> bool:
    """Whether Accelerate is in use: it gives each rank a part of what a DataLoader yields."""
    state = sys.modules.get("accelerate.state")
    return state is not None and bool(state.is_initialized())
