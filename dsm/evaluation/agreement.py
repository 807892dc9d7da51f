"""How far annotators agree: Cohen's kappa of two, Fleiss' kappa of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from dsm.errors import InvalidInput
from dsm.evaluation.groups import text_codes
from dsm.evaluation.numeric import Array, load, one
from dsm.model.names import quoted
from dsm.views.selection.selection import Selection


@dataclass(frozen=True, slots=True)
class PairKappa:
    """Two annotators on the examples that both labelled; kappa is None where chance explains it."""

    one: str
    two: str
    examples: int
    agreed: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Disputed:
    """An example of which annotators say different things; `majority` is None for a tie."""

    path: str
    said: dict[str, str]
    majority: str | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of annotators; `fleiss` is over the `complete` examples that all labelled."""

    pairs: list[PairKappa]
    fleiss: float | None
    complete: int
    disputed: list[Disputed]


def agreement_of(selection: Selection, annotators: Sequence[str]) -> Agreement:
    """Compares annotators, each an attribute that has the label that one of them gave.

    Raises InvalidInput for fewer than two, NotFound for what is no attribute.
    """
    if len({*annotators}) < 2:
        raise InvalidInput("agreement needs two annotators", hint="--annotator ann --annotator bob")
    columns = {name: f"attr.{name.removeprefix('attr.')}" for name in dict.fromkeys(annotators)}
    known = {name for layer in selection.layers for name in layer.table.column_names}
    for name, column in columns.items():
        if column not in known:
            raise InvalidInput(
                f"no example has an attribute {quoted(name)}",
                hint="a label file with a column for each annotator makes them attributes",
            )
    rows = selection.evaluation.rows(["path", *columns.values()])
    names, said = text_codes([one(rows.column(column)) for column in columns.values()])
    np = load()
    pairs = [
        _pair(first, second, said[first_at], said[second_at], len(names))
        for (first_at, first), (second_at, second) in combinations(enumerate(columns), 2)
    ]
    stacked = np.stack(said)
    whole = (stacked >= 0).all(axis=0)
    return Agreement(
        pairs, fleiss_kappa(_votes(stacked[:, whole], len(names))), int(whole.sum()),
        _disputed(one(rows.column("path")), list(columns), names, stacked),
    )  # fmt: skip


def cohen_kappa(one: Array, two: Array, classes: int) -> float | None:
    """Returns Cohen's kappa of two lists of classes; None where agreement by chance is certain."""
    np = load()
    if not len(one):
        return None
    table = np.bincount(one * classes + two, minlength=classes * classes)
    table = table.reshape(classes, classes) / len(one)
    observed, expected = float(np.trace(table)), float(table.sum(1) @ table.sum(0))
    return None if expected >= 1 else (observed - expected) / (1 - expected)


def fleiss_kappa(votes: Array) -> float | None:
    """Returns Fleiss' kappa of votes: a row an example, a column a class, equal sums of rows."""
    np = load()
    if not votes.size:
        return None
    raters = int(votes[0].sum())
    shares = votes.sum(0) / votes.sum()
    agreed = ((votes * votes).sum(1) - raters) / (raters * (raters - 1))
    expected = float((shares**2).sum())
    return None if expected >= 1 else (float(np.mean(agreed)) - expected) / (1 - expected)


def _votes(stacked: Array, classes: int) -> Array:
    np = load()
    votes = [(stacked == at).sum(0) for at in range(classes)]
    return np.stack(votes, axis=1) if votes else np.zeros((0, 0), np.int64)


def _pair(one: str, two: str, said: Array, other: Array, classes: int) -> PairKappa:
    np = load()
    both = (said >= 0) & (other >= 0)
    agreed = int(np.count_nonzero(both & (said == other)))
    kappa = cohen_kappa(said[both], other[both], classes)
    return PairKappa(one, two, int(both.sum()), agreed, kappa)


def _disputed(
    paths: object, annotators: Sequence[str], names: Sequence[str], stacked: Array
) -> list[Disputed]:
    np = load()
    highest = stacked.max(axis=0)
    lowest = np.where(stacked < 0, len(names), stacked).min(axis=0)
    found = []
    for at in np.flatnonzero((highest >= 0) & (lowest != highest)).tolist():
        said = {
            annotator: names[place]
            for annotator, place in zip(annotators, stacked[:, at].tolist(), strict=True)
            if place >= 0
        }
        counts = {label: list(said.values()).count(label) for label in said.values()}
        best = [label for label, count in counts.items() if count == max(counts.values())]
        found.append(Disputed(
            paths[at].as_py(), said, best[0] if len(best) == 1 else None  # type: ignore[index]
        ))  # fmt: skip
    return found
