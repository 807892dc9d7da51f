"""From what people ask to a query: numbers, tags, dates and shares become exact values.

Reads headers of changesets, never a manifest or an object: the version of a view costs the same
whatever the size of the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dsm.errors import AnswerIsNo, InvalidInput, NotFound
from dsm.model.changeset import Changeset
from dsm.model.keywords import refuse_unknown
from dsm.model.names import printable
from dsm.model.target import DEFAULT, Target, target_of
from dsm.repo.log import ChangesetLog
from dsm.views.filters import table as filters
from dsm.views.filters.conditions import decimal_text
from dsm.views.filters.filter import Asking, Filter, texts
from dsm.views.query.view_query import ChangesetRange, ViewQuery


class HasQuery(Protocol):
    """Whatever asks a question, such as a view."""

    @property
    def query(self) -> ViewQuery:
        """The question."""


Operand = str | HasQuery
Percent = str | int | float
_PART = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


class FilterAsked(filters.Asked, total=False):
    """The keywords that narrow a question, with names for some."""

    split: str | Iterable[str] | None
    segment: str | Iterable[str] | None
    pick: Iterable[Any] | None
    missing: str | None


class Asked(FilterAsked, total=False):
    """What is asked of `prepare`, as it was written; see there for what the keywords mean."""

    percent: Percent | None
    changesets: str | Iterable[int | str] | None
    at: str | int | None
    per_label: int | None
    balance: str | None
    sample: str | int | float | None
    seed: str | int | None
    view: Operand | None
    and_: Operand | Iterable[Operand] | None
    or_: Operand | Iterable[Operand] | None
    minus: Operand | Iterable[Operand] | None
    target: str | None
    classes: Iterable[str] | None


class Named(Protocol):
    """What the names in a question stand for."""

    def split_filter(self, text: str) -> Filter | None:
        """Returns the filter of a part of a split, `NAME:PART`; None when all are in it."""

    def view_query(self, text: str) -> ViewQuery:
        """Returns the query of a prepared view, by version or name."""

    def segment_filters(self, name: str) -> list[Filter]:
        """Returns the filters of a segment."""

    def pick_filter(
        self, given: Any, missing: str | None, number: int, runs: Sequence[ChangesetRange]
    ) -> Filter:
        """Returns the filter of picked examples of a changeset, or of those of `runs`."""


def resolve(
    log: ChangesetLog,
    dataset_id: str,
    asked: Asked,
    *,
    now_us: int,
    named: Callable[[], Named],
    target: Callable[[], Target] = lambda: DEFAULT,
) -> ViewQuery:
    """Returns the query that was asked for; `target` gives the dataset's own, for none asked for.

    `named` gives what knows for what names of splits and segments stand.

    Raises InvalidInput, NotFound, AnswerIsNo.
    """
    refuse_unknown("prepare", asked, [*Asked.__annotations__, "name"])
    if not log.head():
        raise AnswerIsNo(f"dataset {log.name} has no changeset yet", hint="`dsm commit` first")
    runs: tuple[ChangesetRange, ...] = ()
    expression = _expression(asked, dataset_id, named)
    at, changesets = asked.get("at"), asked.get("changesets")
    if changesets is not None:
        if at is not None:
            raise InvalidInput("give changesets or a snapshot (at), not both")
        runs = _runs(log, changesets)
        changeset = log.get(runs[-1][1])
        if runs == ((1, changeset.number),):
            runs = ()
    elif at is None and expression is not None:
        changeset = _newest(log, expression)
    else:
        changeset = log.get(log.resolve("head" if at is None else at))
    few = filters.as_few(_given_filters(asked, changeset, now_us, named, runs))
    # What no one filter says is said by views: each filter of that kind is one, and all count.
    apart = filters.doubled(few)
    if expression is not None or apart:
        from dsm.views.filters import members

        leaves = [] if expression is None else [expression]
        for each in few:
            if type(each) in apart:
                view = ViewQuery(dataset_id, changeset.number, changeset.id, (each,), runs)
                leaves.append(members.view(view.to_json()))
        few = [each for each in few if type(each) not in apart]
        few.append(members.MembersFilter.of(members.both(*leaves)))
    query = ViewQuery(
        dataset_id, changeset.number, changeset.id,
        filters.in_order(few), runs, share_of(asked.get("percent")),
        target=_target(asked, changeset.attributes, target),
        **_draws(asked, changeset.attributes),
    )  # fmt: skip
    return query if expression is None else plain(query)


def plain(query: ViewQuery) -> ViewQuery:
    """Returns the query of the one view that a query asks for, if it asks for nothing else."""
    fields = query.to_json()
    asked = fields.get("views", {}).get("view")
    beside = fields.keys() - {"format", "kind", "dataset", "at", "views", "target"}
    if asked is None or beside or asked["at"] != fields["at"]:
        return query
    found = ViewQuery.from_json(asked, "a view")
    return replace(found, target=query.target)


class _Question:
    """Something that has a query."""

    def __init__(self, query: ViewQuery):
        self.query = query


def together(log: ChangesetLog, one: ViewQuery, others: Iterable[ViewQuery], how: str) -> ViewQuery:
    """Returns the query of views put together in turn; `how` is `and_`, `or_` or `minus`.

    Their target is that of the first one. Raises InvalidInput for views of two datasets.
    """
    asked: Any = {"view": _Question(one), how: [_Question(each) for each in others]}
    return resolve(log, one.dataset, asked, now_us=0, named=_no_names, target=lambda: one.target)


def _no_names() -> Named:
    raise AssertionError("no names were given")


def _expression(asked: Asked, dataset_id: str, named: Callable[[], Named]) -> dict[str, Any] | None:
    """Returns the expression of views that is asked for: of `and_`, `or_` and `minus` in turn."""
    first = asked.get("view")
    rest = {name: asked.get(name) for name in ("and_", "or_", "minus")}
    if first is None:
        if any(given is not None for given in rest.values()):
            raise InvalidInput(
                "views are put together with a first one", hint="such as --view A --minus B"
            )
        return None
    from dsm.views.filters import members

    def one(operand: Operand) -> dict[str, Any]:
        query = named().view_query(operand) if isinstance(operand, str) else operand.query
        if query.dataset != dataset_id:
            raise InvalidInput(
                "views of two datasets cannot be put together",
                hint="views of one dataset can; `dsm view list` lists them",
            )
        return members.view(query.to_json())

    found = one(first)
    for name, given in rest.items():
        several: list[Any] = [given] if _is_one(given) else list(given or ())  # type: ignore[call-overload]
        for each in several:
            if name == "and_":
                found = members.both(found, one(each))
            elif name == "or_":
                found = members.either(found, one(each))
            else:
                found = members.both(found, members.negated(one(each)))
    return found


def _is_one(given: Any) -> bool:
    return isinstance(given, str) or hasattr(given, "query")


def _newest(log: ChangesetLog, expression: dict[str, Any]) -> Changeset:
    """Returns the newest changeset that views ask for. Raises InvalidInput."""
    from dsm.views.filters.members import newest

    at = newest(expression)
    changeset = log.get(at["number"])
    if changeset.id != at["changeset"]:
        raise InvalidInput(f"a view asks for changeset {changeset.number} of another history")
    return changeset


def _draws(asked: Asked, attributes: Mapping[str, str]) -> dict[str, Any]:
    """Returns what is drawn of what filters leave. Raises InvalidInput, NotFound."""
    if all(asked.get(name) is None for name in ("per_label", "balance", "sample")):
        if asked.get("seed") is not None:
            raise InvalidInput(
                "there is nothing to draw with a seed",
                hint="--seed belongs to --sample, --per-label and --balance",
            )
        return {}
    from dsm.views.query.draws import asked_balance, asked_sample

    return {"balance": asked_balance(asked, attributes), "sample": asked_sample(asked)}


def asked_filters(
    asked: Mapping[str, Any], changeset: Changeset, *, now_us: int, named: Callable[[], Named]
) -> tuple[Filter, ...]:
    """Returns the filters that are asked for, one of a kind.

    Raises InvalidInput, also where no one filter says what two of a kind ask; NotFound, AnswerIsNo.
    """
    try:
        return filters.in_order(_given_filters(asked, changeset, now_us, named))
    except filters.NoOneFilterError as error:
        raise InvalidInput(
            f"no one filter says {error}",
            hint="make a segment of each: `dsm prepare` takes what several have in common",
        ) from None


def _given_filters(
    asked: Mapping[str, Any],
    changeset: Changeset,
    now_us: int,
    named: Callable[[], Named],
    runs: Sequence[ChangesetRange] = (),
) -> list[Filter]:
    """Returns the filters that are asked for, those of segments and parts of splits among them.

    What is picked are examples of the changeset, or of those of `runs`.
    """
    found = filters.asked_for(asked, Asking.of(changeset, now_us))
    given = asked.get("split")
    for text in texts(given) if given is not None else ():
        part = named().split_filter(text)
        found += [] if part is None else [part]
    given = asked.get("segment")
    for name in texts(given) if given is not None else ():
        found += named().segment_filters(name)
    given, missing = asked.get("pick"), asked.get("missing")
    if given is not None:
        found.append(named().pick_filter(given, missing, changeset.number, runs))
    elif missing is not None:
        raise InvalidInput("nothing is picked that could be missing", hint="give --pick, too")
    return found


def _target(asked: Asked, attributes: Mapping[str, str], default: Callable[[], Target]) -> Target:
    """Returns the target that is asked for, else the default. Raises InvalidInput, NotFound."""
    column, classes = asked.get("target"), asked.get("classes")
    if column is None and classes is None:
        return default()
    found = target_of(column, classes)
    found.refuse_unknown(attributes)
    return found.with_categories_of(default())


def _runs(log: ChangesetLog, given: str | Iterable[int | str]) -> tuple[ChangesetRange, ...]:
    """Reads `1,3-5` or numbers; returns sorted runs that neither touch nor overlap."""
    parts: Sequence[str] = (
        given.split(",") if isinstance(given, str) else [str(part) for part in given]
    )
    wanted: list[ChangesetRange] = []
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            raise InvalidInput(
                f"'{printable(part)}' is no changeset", hint="write changesets like 1,3-5"
            )
        first = int(match[1])
        last = int(match[2] or first)
        if first > last:
            raise InvalidInput(f"'{part.strip()}' runs backwards", hint=f"write {last}-{first}")
        wanted.append((first, last))
    if not wanted:
        raise InvalidInput("no changeset is listed", hint="write changesets like 1,3-5")
    head = log.head()
    for first, last in wanted:
        if first < 1 or last > head:
            raise NotFound(
                f"dataset {log.name} has no changeset {last if last > head else first}",
                hint=f"its newest one is {head}",
            )
    runs: list[ChangesetRange] = []
    for first, last in sorted(wanted):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(runs[-1][1], last))
        else:
            runs.append((first, last))
    return tuple(runs)


def share_of(given: Percent | None) -> str | None:
    """Returns the exact decimal of `0.8`, `.80` or `80%`, None for all. Raises InvalidInput."""
    if given is None:
        return None
    text = repr(given) if isinstance(given, float) else str(given).strip()
    wrong = InvalidInput(
        f"'{printable(text)}' is not a share of the examples",
        hint="write more than 0 and at most 1, such as 0.8, or 80%",
    )
    hundredths = text.endswith("%")
    try:
        number = decimal_text(text[:-1] if hundredths else text)
        if hundredths:
            number = decimal_text(number + "e-2")
    except InvalidInput as error:
        raise wrong from error
    if number == "1":
        return None
    if not number.startswith("0."):
        raise wrong
    return number
