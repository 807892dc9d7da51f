"""PredictionBook beside what is true: the examples of a view that have both, as arrays.

The truth is what the view says, at the changeset that it pins: the class by its target, or an
attribute for numbers. Examples without one are counted and left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput, NotFound
from dsm.evaluation.book import PredictionBook, Stored, class_list
from dsm.evaluation.numeric import Array, arrow_integers, codes, floats, integers, load, one
from dsm.format import predictions as fmt
from dsm.model.names import attributes_hint, close_matches, printable, quoted
from dsm.runs.run import Run
from dsm.views.selection.selection import Selection

ATTRIBUTE = "attr."
NO_CLASS = -1
COLUMNS = ("path", "size", "time", "labels", "changeset")


@dataclass(frozen=True)
class Outcome:
    """What a run predicted of examples, and what they are; all of equal length, sorted by path.

    Of classes `truth` and `predicted` are places in `names`, which has the classes of the view and
    others that were predicted; of numbers they are floats, and `names` is empty. `probabilities`
    are a column a class, in the order of `names`, or none. `rows` are the examples as the view has
    them; `without_truth` counts predictions that were left out, for nothing is known to be true.
    """

    run: Run
    stored: Stored
    selection: Selection
    names: tuple[str, ...]
    truth: Array
    predicted: Array
    scores: Array | None
    probabilities: tuple[Array, ...]
    rows: pa.Table
    without_truth: int

    @property
    def paths(self) -> pa.Array:
        """The paths of the examples."""
        return one(self.rows.column("path"))

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def confidence(self) -> Array | None:
        """How sure the model is of what it predicted: the score, or the class's probability."""
        np = load()
        if self.scores is not None or not self.probabilities:
            return self.scores
        found = np.zeros(len(self))
        for place, column in enumerate(self.probabilities):
            chosen = self.predicted == place
            found[chosen] = column[chosen]
        return found

    def place(self, name: str) -> int:
        """Returns the place of a class in `names`. Raises NotFound with near matches."""
        if name not in self.names:
            near = close_matches(name, self.names)
            raise NotFound(
                f"there is no class {printable(name)!r}",
                hint=f"did you mean {near[0]}?" if near else
                f"classes: {', '.join(self.names[:20]) or 'none, for numbers were predicted'}",
            )  # fmt: skip
        return self.names.index(name)

    def column(self, name: str) -> pa.Array:
        """Returns an attribute of the examples. Raises InvalidInput with near matches."""
        full = name if name.startswith(ATTRIBUTE) else ATTRIBUTE + name
        if full not in self.rows.column_names:
            known = [each.removeprefix(ATTRIBUTE) for each in self.rows.column_names
                     if each.startswith(ATTRIBUTE)]  # fmt: skip
            raise InvalidInput(
                f"no example has an attribute {quoted(name)}", hint=attributes_hint(name, known)
            )
        return one(self.rows.column(full))


def outcome_of(
    predictions: PredictionBook,
    run: str,
    view: str | None = None,
    *,
    target: str | None = None,
    known: bool = True,
) -> Outcome:
    """Joins the predictions of a run to what is true; `target` is the attribute of true numbers.

    Without `known` examples without a true class are kept, as class -1. Raises NotFound,
    InvalidInput where nothing can be compared, DamagedData, ObjectMissing, ObjectDamaged.
    """
    found, stored = predictions.find(run, view)
    selection = predictions.selection(stored.view)
    table = predictions.read(stored)
    rows = selection.evaluation.rows(_columns(selection))
    paths, examples = one(table.column(fmt.PATH)), one(rows.column("path"))
    if not paths.equals(examples):
        at = pc.index_in(paths, value_set=examples)
        if at.null_count:
            raise InvalidInput(f"the predictions of {run} are of examples that the view has not")
        rows = rows.take(at)
    if fmt.VALUE in table.column_names:
        made = _numbers(found, stored, selection, table, rows, target)
    elif target is not None:
        raise InvalidInput(f"run {run} predicted classes: the view says the true ones")
    else:
        made = _classes(found, stored, selection, table, rows)
    return _known(made) if known else made


def _columns(selection: Selection) -> list[str]:
    names: list[str] = selection.layers[0].table.column_names
    for layer in selection.layers[1:]:
        names = [*names, *(each for each in layer.table.column_names if each not in names)]
    return [each for each in names if each in COLUMNS or each.startswith(ATTRIBUTE)]


def _classes(
    run: Run, stored: Stored, selection: Selection, table: pa.Table, rows: pa.Table
) -> Outcome:
    classes = class_list(selection)
    labels = table.column(fmt.LABEL)
    texts = labels.unify_dictionaries() if pa.types.is_dictionary(labels.type) else labels
    said = one(texts).dictionary if pa.types.is_dictionary(labels.type) else one(texts).unique()
    more = {*said.to_pylist(), *fmt.classes_of(table)} - {*classes.names}
    names = (*classes.names, *sorted(more))
    values = classes.values(rows)
    if values is None:
        truth = integers(pa.nulls(rows.num_rows, pa.int64()))
    elif pa.types.is_list(values.type):
        np = load()
        truth = np.array(classes.of(rows), np.int64)
    else:
        truth = codes(values, names)
    return Outcome(
        run=run, stored=stored, selection=selection, names=names, truth=truth,
        predicted=codes(labels, names), scores=_scores(table),
        probabilities=_probabilities(table, names), rows=rows, without_truth=0,
    )  # fmt: skip


def _numbers(
    run: Run, stored: Stored, selection: Selection, table: pa.Table, rows: pa.Table,
    target: str | None,
) -> Outcome:  # fmt: skip
    chosen = target or selection.target.attribute
    if chosen is None:
        raise InvalidInput(
            f"run {run.id} predicted numbers, and the view does not say which are true",
            hint="--target ATTR names the attribute that has them",
        )
    nothing = load().zeros(0)
    made = Outcome(
        run=run, stored=stored, selection=selection, names=(), truth=nothing, predicted=nothing,
        scores=_scores(table), probabilities=(), rows=rows, without_truth=0,
    )  # fmt: skip
    column = made.column(chosen)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise InvalidInput(f"the attribute {printable(chosen)} is no number")
    return replace(made, truth=floats(column), predicted=floats(table.column(fmt.VALUE)))


def _scores(table: pa.Table) -> Array | None:
    return floats(table.column(fmt.SCORE)) if fmt.SCORE in table.column_names else None


def _probabilities(table: pa.Table, names: tuple[str, ...]) -> tuple[Array, ...]:
    """Returns a column for each class, of zeros for one without."""
    if not fmt.classes_of(table):
        return ()
    there, zero = {*table.column_names}, load().zeros(table.num_rows)
    return tuple(
        floats(table.column(fmt.PROBABILITY + name)) if fmt.PROBABILITY + name in there else zero
        for name in names
    )


def _known(found: Outcome) -> Outcome:
    """Returns it without examples of which nothing is known to be true."""
    np = load()
    mask = found.truth >= 0 if found.names else np.isfinite(found.truth)
    if mask.all() and len(found):
        return found
    if not mask.any():
        what = "class" if found.names else "number"
        raise InvalidInput(
            f"no example that run {found.run.id} predicted has a true {what}",
            hint="`dsm view show` tells the labels and the target of its view",
        )
    return taken(found, np.flatnonzero(mask), without_truth=int((~mask).sum()))


def taken(found: Outcome, at: Array, *, without_truth: int | None = None) -> Outcome:
    """Returns the examples at these places."""
    left_out = found.without_truth if without_truth is None else without_truth
    return replace(
        found, truth=found.truth[at], predicted=found.predicted[at],
        scores=None if found.scores is None else found.scores[at],
        probabilities=tuple(column[at] for column in found.probabilities),
        rows=found.rows.take(arrow_integers(at)), without_truth=left_out,
    )  # fmt: skip


def renamed(found: Outcome, names: tuple[str, ...]) -> Outcome:
    """Returns it with its classes as places in other names, which has them all."""
    np = load()
    if names == found.names:
        return found
    places = np.array([names.index(each) for each in found.names] or [NO_CLASS], np.int64)
    columns: tuple[Array, ...] = ()
    if found.probabilities:
        by_name = dict(zip(found.names, found.probabilities, strict=True))
        zero = np.zeros(len(found))
        columns = tuple(by_name.get(each, zero) for each in names)
    return replace(
        found, names=names, predicted=places[found.predicted], probabilities=columns,
        truth=np.where(found.truth < 0, NO_CLASS, places[found.truth]),
    )  # fmt: skip
