"""The table of filters: a filter is a module and a row, and whatever depends on it asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from situations import Work

from dsm.errors import AnswerIsNo
from dsm.views.comparison.explain import explain
from dsm.views.comparison.why import why
from dsm.views.filters import table
from dsm.views.filters.filter import Asking, Clause, Filter
from dsm.views.filters.sql import SqlConditions
from dsm.views.filters.values import PathValue
from dsm.views.query.describe import describe
from dsm.views.query.resolve import Asked
from dsm.views.query.view_query import ViewQuery


@dataclass(frozen=True, slots=True)
class SuffixFilter(Filter):
    """A filter that is not one of ours: the path ends so."""

    suffix: str
    columns = ("path",)

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        return cls(asked["suffix"]) if "suffix" in asked else None

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        return cls(fields["suffix"]) if "suffix" in fields else None

    def to_json(self) -> dict[str, Any]:
        return {"suffix": self.suffix}

    def words(self) -> list[str]:
        return [f"suffix {self.suffix}"]

    def clauses(self) -> list[Clause]:
        return [Clause("suffix", f"path ends in {self.suffix}", self._mask, PathValue())]

    def _mask(self, rows: pa.Table) -> pa.ChunkedArray:
        return pc.ends_with(rows.column("path"), self.suffix)

    def narrow(self, conditions: SqlConditions) -> None:
        conditions.nothing_passes()


@pytest.fixture
def two(work: Work, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Two examples, and a filter that only the table knows."""
    monkeypatch.setattr(table, "FILTERS", (*table.FILTERS, SuffixFilter))
    monkeypatch.setitem(Asked.__annotations__, "suffix", str)
    work.ds.add({"a.jpg": b"one", "b.png": b"two"}, labels=["x"])
    work.ds.commit("two")
    return work


def test_a_filter_is_added_by_a_module_and_a_row(two: Work) -> None:
    """A filter that only the table knows is hashed, remembered, told, evaluated and explained."""
    every = two.ds.prepare()
    view = two.ds.prepare(labels=["x"], suffix=".jpg", name="pictures")  # type: ignore[call-arg]
    assert [example.path for example in view] == ["a.jpg"]
    assert view.query.to_json()["labels"] == {"any": ["x"]}
    assert view.query.to_json()["suffix"] == ".jpg"
    assert view.query == ViewQuery.from_json(view.query.to_json(), "here")
    assert view.version == two.repo.view("pictures").version != every.version
    assert describe(view.query) == "label x, suffix .jpg, up to changeset 1"
    (reason,) = explain(every, view).reasons
    assert (
        reason.change, reason.clause, reason.text,
    ) == ("dropped", "suffix", "B asks that path ends in .jpg")  # fmt: skip
    checks = [(check.clause, check.passed) for check in why(view, "b.png").checks]
    assert checks == [("label", True), ("suffix", False)]
    with pytest.raises(AnswerIsNo, match="fits the query") as caught:
        two.ds.prepare(suffix=".gif")  # type: ignore[call-arg]
    assert caught.value.hint == "matches per filter alone: path ends in .gif 0"


def test_no_other_file_knows_what_the_filters_ask() -> None:
    """Outside of `filters` no module of the views imports a filter's module: it asks the query."""
    package = Path(table.__file__).parent.parent
    own = [path.stem for path in (package / "filters").glob("*.py")]
    shared = {
        "split_definition",
        "keyed_hash",
        "members",
        "picks",
        "filter",
        "table",
        "values",
        "sql",
        "label_counts",
        "conditions",
        "__init__",
    }
    strays = [
        f"{path.relative_to(package).as_posix()} imports {name}"
        for path in package.rglob("*.py") if path.parent.name != "filters"
        for name in own if name not in shared
        and f"dsm.views.filters.{name} " in path.read_text()
    ]  # fmt: skip
    assert strays == []


def test_keywords_that_are_none_are_refused(two: Work) -> None:
    """A misspelt keyword is no question."""
    with pytest.raises(TypeError, match="lables"):
        two.ds.prepare(lables=["x"])  # type: ignore[call-arg]
