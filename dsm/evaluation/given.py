"""Predictions as people give them, brought into the columns that are stored.

The invariant of `Given.table`: every row has a path, once, and says a class or a value; numbers are
finite, probabilities lie in 0 to 1 and add up to 1 in each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput
from dsm.format.predictions import CLASSES_MAX, LABEL, PATH, PROBABILITY, SCORE, VALUE
from dsm.model.names import printable, quoted

SUM_WITHIN = 1e-3  # probabilities of float16 models are rounded
UNKNOWN_TOLD = 10


@dataclass(frozen=True, slots=True)
class Given:
    """Columns of equal length, as they came: `paths` and what is said of each.

    `probabilities` are a column a class; the names of the classes are `classes`, or None where they
    are those of the view, in its order. `where` names the file in errors.
    """

    paths: pa.Array
    labels: pa.Array | None = None
    values: pa.Array | None = None
    scores: pa.Array | None = None
    probabilities: tuple[pa.Array, ...] = ()
    classes: tuple[str, ...] | None = None
    where: str = "the predictions"

    def wrong(self, problem: str, hint: str | None = None) -> InvalidInput:
        """Returns the error that says what is wrong with them."""
        return InvalidInput(f"{printable(self.where)}: {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class Joined:
    """Predictions of examples of a view: `table` has those that are in it, sorted by path.

    `missing` examples of the view have none; `unknown` were predicted and are not in the view, the
    first of them in `unknown_paths`.
    """

    table: pa.Table
    missing: int
    unknown: int
    unknown_paths: tuple[str, ...]


def joined(given: Given, paths: pa.Array, classes: Sequence[str]) -> Joined:
    """Joins predictions to the examples of a view; `paths` are sorted, `classes` are its classes.

    Raises InvalidInput.
    """
    if not len(given.paths):
        raise given.wrong("there is no row")
    columns = _columns(_with_names(given, classes))
    table = pa.table({PATH: given.paths, **columns})
    if given.paths.equals(paths):
        return Joined(table, 0, 0, ())
    at = pc.index_in(given.paths, value_set=paths)
    unknown = given.paths.slice(0, 0)
    if at.null_count:
        unknown = given.paths.filter(pc.is_null(at))
        table, at = table.filter(pc.is_valid(at)), at.drop_null()
    if not table.num_rows:
        told = f", such as {quoted(unknown[0].as_py())}" if len(unknown) else ""
        raise given.wrong(
            f"none of its {len(given.paths):,} paths is an example of the view{told}",
            "paths count from the root of the dataset, as `dsm ls` prints them",
        )
    table = table.take(pc.sort_indices(at))
    _refuse_repeats(given, table.column(PATH).combine_chunks())
    return Joined(
        table, len(paths) - table.num_rows, len(unknown),
        tuple(unknown.slice(0, UNKNOWN_TOLD).to_pylist()),
    )  # fmt: skip


def _refuse_repeats(given: Given, paths: pa.Array) -> None:
    twice = paths[1:].filter(pc.equal(paths[1:], paths[:-1])) if len(paths) > 1 else paths[:0]
    if len(twice):
        raise given.wrong(f"{quoted(twice[0].as_py())} is predicted twice", "keep one row a path")


def _with_names(given: Given, classes: Sequence[str]) -> Given:
    """Returns them with names of classes where they have indices of those of the view."""
    labels, names = given.labels, given.classes
    known = pa.array(classes, pa.string())
    if given.probabilities and (names is None or _are_indices(pa.array(names, pa.string()), known)):
        if names is None and len(given.probabilities) != len(classes):
            raise given.wrong(
                f"there are {len(given.probabilities)} probabilities a row, and {len(classes)}"
                " classes of the view",
                "name the classes: columns such as prob.cat",
            )
        order = range(len(classes)) if names is None else map(int, names)
        names = tuple(classes[index] for index in order)
    if labels is not None and len(labels):
        found = labels.unique()
        if _are_indices(found, known):
            texts = labels.dictionary_encode()
            looked_up = pa.array([classes[int(each)] for each in texts.dictionary.to_pylist()])
            labels = pa.DictionaryArray.from_arrays(texts.indices, looked_up)
    return replace(given, labels=labels, classes=names)


def _are_indices(found: pa.Array, classes: pa.Array) -> bool:
    """Whether these are indices of classes: whole numbers in range, and none is a class's name."""
    if found.null_count or pc.any(pc.is_in(found, value_set=classes)).as_py():
        return False
    return all(
        text.isascii() and text.isdecimal() and len(text) <= 6 and int(text) < len(classes)
        for text in found.to_pylist()
    )


def _columns(given: Given) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    labels = given.labels
    probabilities = _probabilities(given)
    if labels is None and probabilities:
        labels = _most_likely(list(probabilities.values()), given.classes or ())
    if labels is None and given.values is None:
        raise given.wrong(
            "there is neither a label, a value nor a probability",
            "name the columns path and label, value, or prob.CLASS for each class",
        )
    if labels is not None and given.values is not None:
        raise given.wrong("there are labels and values", "a class or a number is predicted")
    if labels is not None:
        columns[LABEL] = labels
    if given.values is not None:
        columns[VALUE] = given.values
    if given.scores is not None:
        columns[SCORE] = given.scores
    for name, column in {**columns, **probabilities}.items():
        _refuse_gaps(given, name, column)
    return {**columns, **probabilities}


def _refuse_gaps(given: Given, name: str, column: pa.Array) -> None:
    if len(column) != len(given.paths):
        raise given.wrong(f"{name} has {len(column):,} rows, not {len(given.paths):,}")
    floating = pa.types.is_floating(column.type)
    good = pc.fill_null(pc.is_finite(column), False) if floating else pc.is_valid(column)
    if not pc.all(good).as_py() and len(good):
        row = pc.index(good, False).as_py()
        path = given.paths[row].as_py()
        raise given.wrong(
            f"row {row + 1} ({quoted(path)}) has no {printable(name)}",
            "every row says something, in finite numbers",
        )


def _probabilities(given: Given) -> dict[str, pa.Array]:
    if not given.probabilities:
        return {}
    names = given.classes or ()
    if len(names) != len(given.probabilities) or len({*names}) < len(names):
        raise given.wrong("each class has one column of probabilities")
    if len(names) > CLASSES_MAX:
        raise given.wrong(f"there are {len(names):,} classes, at most {CLASSES_MAX:,}")
    found = {PROBABILITY + n: c for n, c in zip(names, given.probabilities, strict=True)}
    total: Any = None
    for name, column in found.items():
        _refuse_gaps(given, name, column)
        ends = pc.min_max(column).as_py()
        if len(column) and (ends["min"] < 0 or ends["max"] > 1 + SUM_WITHIN):
            raise given.wrong(f"{printable(name)} goes from {ends['min']} to {ends['max']}",
                              "a probability is 0 to 1")  # fmt: skip
        wide = column.cast(pa.float64())
        total = wide if total is None else pc.add(total, wide)
    off = pc.greater(pc.abs(pc.subtract(total, 1.0)), SUM_WITHIN)
    if pc.any(off).as_py():
        row = pc.index(off, True).as_py()
        raise given.wrong(
            f"the probabilities of row {row + 1} ({quoted(given.paths[row].as_py())}) add up to"
            f" {total[row].as_py():.6g}",
            "give the probabilities of all classes, which add up to 1",
        )  # fmt: skip
    return found


def _most_likely(columns: Sequence[pa.Array], names: Sequence[str]) -> pa.Array:
    """Returns the class of the highest probability of each row, the first of equal ones."""
    best, at = columns[0], pa.repeat(pa.scalar(0, pa.int32()), len(columns[0]))
    for index, column in enumerate(columns[1:], 1):
        better = pc.greater(column, best)
        best = pc.if_else(better, column, best)
        at = pc.if_else(better, pa.scalar(index, pa.int32()), at)
    return pa.DictionaryArray.from_arrays(at, pa.array(names, pa.string()))


def given_of(
    paths: Any,
    *,
    labels: Any = None,
    values: Any = None,
    scores: Any = None,
    probabilities: Any = None,
    classes: Sequence[str] | None = None,
    where: str = "the predictions",
) -> Given:
    """Returns predictions of sequences or arrays; see `Predictions.add`. Raises InvalidInput."""
    said = {"values": values, "scores": scores}
    try:
        columns: tuple[pa.Array, ...] = ()
        if probabilities is not None:
            columns = tuple(numbers(each) for each in _transposed(probabilities))
        return Given(
            texts(paths), None if labels is None else texts(labels),
            **{k: None if v is None else numbers(v) for k, v in said.items()},
            probabilities=columns, classes=None if classes is None else tuple(map(str, classes)),
            where=where,
        )  # fmt: skip
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{where}: {printable(str(error))[:200]}") from error


def _transposed(rows: Any) -> list[Any]:
    """Returns the columns of an array, or of a sequence of rows."""
    shape = getattr(rows, "shape", None)
    if shape is not None:
        if len(shape) != 2:
            raise ValueError("probabilities have a row an example and a column a class")
        return [rows[:, at] for at in range(shape[1])]
    if isinstance(rows, dict):
        raise ValueError("probabilities have a row an example and a column a class")
    return [list(column) for column in zip(*rows, strict=True)]


def texts(column: Any) -> pa.Array:
    """Returns a column as texts: whole numbers as they are written, no fractions."""
    array = column if isinstance(column, pa.Array) else pa.array(column)
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_floating(array.type):
        array = array.cast(pa.int64())  # pandas makes floats of integers; a fraction is refused
    if not (
        pa.types.is_string(array.type)
        or pa.types.is_large_string(array.type)
        or pa.types.is_integer(array.type)
        or pa.types.is_null(array.type)
        or array.type == pa.string_view()
    ):
        raise ValueError(f"a label or path is text, not {array.type}")
    return array.cast(pa.string())


def numbers(column: Any) -> pa.Array:
    """Returns a column as floats of 32 bits where it has those, else of 64."""
    array = column if isinstance(column, pa.Array) else pa.array(column)
    if pa.types.is_boolean(array.type) or not (
        pa.types.is_floating(array.type)
        or pa.types.is_integer(array.type)
        or pa.types.is_null(array.type)
    ):
        raise ValueError(f"numbers are needed, not {array.type}")
    half = pa.types.is_float16(array.type)
    return array if array.type == pa.float32() else array.cast(
        pa.float32() if half else pa.float64()
    )  # fmt: skip
