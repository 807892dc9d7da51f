"""Filters pushed down to PostgreSQL, DuckDB and SQLite: no row is lost, and fewer are sent."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sources.conftest import MISSING, Asked, Server, asked, server  # noqa: F401
from tiers import LONG, thinned

from dsm.errors import InvalidInput
from dsm.format.manifest import ATTRIBUTE
from dsm.model.timespec import EARLIEST_US, LATEST_US
from dsm.sources.key_paths import path_of_key
from dsm.sources.query import SourceQuery, define
from dsm.sources.statement import DUCKDB, POSTGRESQL, SQLITE, UNKNOWN, Dialect, parse
from dsm.views.filters.conditions import Condition, decimal_text
from dsm.views.filters.exclude import ExcludeFilter
from dsm.views.filters.labels import LabelFilter
from dsm.views.filters.paths import PathFilter
from dsm.views.filters.times import TimeFilter
from dsm.views.filters.where import WhereFilter
from dsm.views.query.view_query import ViewQuery
from dsm.views.source_rows.pushdown import label_query, narrowed

DIALECTS = {"postgresql": POSTGRESQL, "duckdb": DUCKDB, "sqlite": SQLITE}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BIG = (1 << 53) + 1
LABELS = [
    "fraud", " fraud ", "FRAUD", "fraud\t", "\u00a0fraud\u2003", "\u212a", "K", "not fraud", "ok",
    unicodedata.normalize("NFD", "été"), "été", "1", "01", "true", "it's", '"', "%", "''; --", None,
]  # fmt: skip
ASKED_LABELS = ["fraud", "FRAUD", "K", "été", "1", "-3", "01", "true", "it's", '"', "%", "''; --",
                ":id", "nothing", "9" * 30]  # fmt: skip
INTEGERS = [0, 1, -3, 2, 5, BIG, BIG - 1, -BIG, (1 << 63) - 1, -(1 << 63), None]
FLOATS = [0.0, -0.0, 0.1, 2.5, -1e300, 1e-310, 5.0, float("inf"), float("-inf"), float("nan"), None]
DECIMALS = ["0", "0.1", "2.5", "5", "1234567890.12345678", "-0.00000001", "9007199254740993", None]
HUGE = ["1e400", "1e-400", "-1e400", "NaN", "Infinity", "0.1000000000000000055511151231257827"]
WORDS = ["", " ", "left", "LEFT", "left ", "é", "e\u0301", "a'b", "日本", "1", "$$", None]
NUMBERS = [
    "0", "0.1", "2.5", "5", "-3", str(BIG), str(BIG - 1), str(1 << 63), str(-(1 << 63)), "1e399",
    "-1e399", "1e-350", "4503599627370495.5", "5.00000000000000000001", "1234567890.12345678",
]  # fmt: skip
TIMES = [
    datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 12, 30, 0, 1, tzinfo=UTC), NOW,
    datetime(1960, 5, 5, 5, 5, 5, 999_999, tzinfo=UTC), datetime(2300, 1, 1, tzinfo=UTC), None,
]  # fmt: skip
COLUMNS = {
    "postgresql": {
        "id": "text", "label": "text", "padded": "char(12)", "code": "bigint", "n": "bigint",
        "f": "double precision", "r": "real", "d": "numeric", "flag": "boolean", "word": "text",
        "fixed": "char(6)", "zoned": "timestamptz", "plain": "timestamp", "day": "date",
    },
    "duckdb": {
        "id": "VARCHAR", "label": "VARCHAR COLLATE NOCASE", "padded": "VARCHAR", "code": "BIGINT",
        "n": "BIGINT", "f": "DOUBLE", "r": "FLOAT", "d": "DECIMAL(38, 8)", "flag": "BOOLEAN",
        "word": "VARCHAR COLLATE NOCASE", "fixed": "VARCHAR", "zoned": "TIMESTAMPTZ",
        "plain": "TIMESTAMP", "day": "DATE",
    },
    "sqlite": {
        "id": "TEXT", "label": "TEXT COLLATE NOCASE", "padded": "VARCHAR(12)", "code": "INTEGER",
        "n": "INTEGER", "f": "REAL", "r": "REAL", "word": "TEXT COLLATE NOCASE", "fixed": "TEXT",
    },
}  # fmt: skip


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def made_rows(kind: str, count: int = 160) -> list[dict[str, Any]]:
    """Rows of all that is nasty, the same each time."""
    pick = random.Random(4).choice
    decimals = DECIMALS + (HUGE if kind == "postgresql" else [])
    rows: list[dict[str, Any]] = []
    for number in range(count):
        moment = pick(TIMES)
        day = pick(TIMES)
        rows.append(
            {
                "id": f"k{number}", "label": pick(LABELS), "padded": pick(["fraud", "ok", None]),
                "code": pick(INTEGERS), "n": pick(INTEGERS), "f": pick(FLOATS),
                "r": pick([0.0, 2.5, 5.0, 0.125, None]), "d": pick(decimals),
                "flag": pick([True, False, None]), "word": pick(WORDS),
                "fixed": pick(["left", "", "é", None]), "zoned": moment,
                "plain": None if moment is None else moment.replace(tzinfo=None),
                "day": None if day is None else day.date(),
            }
        )  # fmt: skip
    if kind == "postgresql":  # which fills up with blanks
        for row in rows:
            for name, size in (("padded", 12), ("fixed", 6)):
                row[name] = None if row[name] is None else row[name].ljust(size)
    if kind == "sqlite":
        for row in rows:
            row["f"] = None if row["f"] != row["f"] else row["f"]
    return rows


def as_literal(value: Any, kind: str) -> str:
    if value is None:
        return "NULL"
    text = value.isoformat() if isinstance(value, date) else str(value)
    return "CAST('" + text.replace("'", "''") + f"' AS {kind})"


@pytest.fixture(params=["postgresql", "duckdb", "sqlite"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Asked, list[Any]]:
    """A source of each kind, with a table `nasty`, and its rows."""
    kind: str = request.param
    rows, columns = made_rows(kind), COLUMNS[kind]
    declared = ", ".join(f"{name} {spelt}" for name, spelt in columns.items())
    if kind == "postgresql":
        running: Server = request.getfixturevalue("server")
        listed = ", ".join(
            "(" + ", ".join(as_literal(row[c], t) for c, t in columns.items()) + ")" for row in rows
        )
        running.do(
            "DROP TABLE IF EXISTS nasty", f"CREATE TABLE nasty ({declared})",
            f"INSERT INTO nasty VALUES {listed}",
        )  # fmt: skip
        return kind, asked(kind, running.address), rows
    pytest.importorskip(f"adbc_driver_{kind}", reason=MISSING)
    path = tmp_path / "rows.db"
    made: Any
    if kind == "duckdb":
        made = pytest.importorskip("duckdb", reason=MISSING).connect(str(path))
    else:
        made = sqlite3.connect(path)
    with contextlib.closing(made):
        made.execute(f"CREATE TABLE nasty ({declared})")
        marks = ", ".join("?" for _ in columns)
        made.executemany(
            f"INSERT INTO nasty VALUES ({marks})", [[row[c] for c in columns] for row in rows]
        )
        made.commit()
    return kind, asked(kind, str(path)), rows


def query_on(source: Asked, sql: str = "SELECT * FROM nasty", **roles: Any) -> SourceQuery:
    parameters = roles.get("parameters")
    return define("pay", "pay", sql, source.schema(sql, parameters), **roles)


def view_of(
    *,
    labels: tuple[str, ...] = (),
    all_labels: bool = False,
    exclude: tuple[str, ...] = (),
    since: int | None = None,
    until: int | None = None,
    paths: tuple[str, ...] = (),
    where: tuple[Condition, ...] = (),
) -> ViewQuery:
    times = since is not None or until is not None
    filters = (
        PathFilter(paths) if paths else None,
        LabelFilter(labels, all_labels) if labels else None,
        ExcludeFilter(exclude) if exclude else None,
        TimeFilter(since, until) if times else None,
        WhereFilter(where) if where else None,
    )
    found = tuple(each for each in filters if each is not None)
    return ViewQuery("cards", 3, "0" * 64, found)


def label_of(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [unicodedata.normalize("NFC", str(value).strip())]


def time_of(value: Any) -> int:
    if value is None:
        return us(NOW)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return us(value.replace(tzinfo=UTC))


def examples(query: SourceQuery, rows: list[dict[str, Any]]) -> pa.Table:
    """What the rows become, said once more."""
    times = [time_of(row[query.time] if query.time else None) for row in rows]
    key = query.key or "id"
    columns: dict[str, pa.Array] = {
        "path": pa.array([f"pay/{row[key]}.json" for row in rows]),
        "labels": pa.array(
            [label_of(row[query.label]) if query.label else [] for row in rows],
            pa.list_(pa.string()),
        ),
        "time": pa.array(times, pa.int64()).cast(pa.timestamp("us", "UTC")),
    }
    arrow = {"int": pa.int64(), "float": pa.float64(), "string": pa.string(), "bool": pa.bool_()}
    for name, kind in query.attributes.items():
        values = [row[name] for row in rows]
        if kind == "float":
            values = [None if v is None else float(Decimal(v)) for v in values]
        columns[ATTRIBUTE + name] = pa.array(values, arrow[kind], from_pandas=False)
    return pa.table(columns)


def passing(query: SourceQuery, rows: list[dict[str, Any]], view: ViewQuery) -> set[str]:
    table = examples(query, rows).append_column("id", pa.array([row["id"] for row in rows]))
    for clause in view.clauses():
        table = table.filter(clause.mask(table))
    return set(table["id"].to_pylist())


def sent(source: Asked, kind: str, query: SourceQuery, view: ViewQuery) -> list[str]:
    found = narrowed(query, view, DIALECTS[kind], time_us=us(NOW), columns=["id"])
    if found is None:
        return []
    if found.sql == query.sql:  # all of it
        return [f"k{n}" for n in range(160)]
    return [row["id"] for row in source.rows(found.sql, found.values)]


def random_view(pick: random.Random, query: SourceQuery) -> ViewQuery:
    filters: dict[str, Any] = {}
    few = lambda of: tuple(sorted(set(pick.sample(of, pick.choice([1, 1, 2, 4])))))  # noqa: E731
    if pick.random() < 0.35:
        filters["labels"] = few(ASKED_LABELS)
        filters["all_labels"] = pick.random() < 0.2
    if pick.random() < 0.3:
        filters["exclude"] = few(ASKED_LABELS)
    moments = [us(m) + pick.choice([-1, 0, 1]) for m in TIMES if m] + [EARLIEST_US, LATEST_US]
    if pick.random() < 0.3:
        filters["since"] = pick.choice(moments)
    if pick.random() < 0.3:
        filters["until"] = pick.choice(moments)
    if pick.random() < 0.2:
        filters["paths"] = few(
            ["pay/k1.json", "pay/k2.json", "pay/k%31.json", "pay/*", "*.json", "other/k1.json",
             "pay/k1.jpg", "p?y/k1*.json", "pay/k\\3.json", "[o-q]ay/k5.json", "**/k7.json",
             "k9.json", "pay", "pay/a/b", "pay/'; DROP TABLE nasty.json", "/pay/k1.json"]
        )  # fmt: skip
    where = set()
    for _ in range(pick.choice([0, 1, 1, 2])):
        where.add(random_condition(pick, query))
    return view_of(where=tuple(sorted(where)), **filters)


def random_condition(pick: random.Random, query: SourceQuery) -> Condition:
    name = pick.choice(sorted(query.attributes))
    kind = {"int": "number", "float": "number", "string": "text", "bool": "bool"}[
        query.attributes[name]
    ]
    op = pick.choice(["=", "!=", "<", "<=", ">", ">=", "in"])
    if kind == "bool":
        return Condition(name, pick.choice(["=", "!="]), kind, (pick.choice(["true", "false"]),))
    of = [decimal_text(n) for n in NUMBERS] if kind == "number" else [w for w in WORDS if w]
    values = tuple(sorted(set(pick.sample(of, 3 if op == "in" else 1))))
    return Condition(name, op, kind, values)


def test_no_row_is_lost(filled: tuple[str, Asked, list[Any]]) -> None:
    """Whatever the filters and the rows are, what passes exactly is sent."""
    kind, source, rows = filled
    pick = random.Random(kind)
    names = COLUMNS[kind]
    labels = [n for n in ("label", "padded", "code", "flag", None) if n is None or n in names]
    times = [n for n in ("zoned", "plain", "day", None) if n is None or n in names]
    fewer = total = 0
    for _ in range(12 if LONG else 7):
        query = query_on(
            source, key="id", label=pick.choice(labels), time=pick.choice(times),
            payload=("id",),
        )  # fmt: skip
        for _ in range(12 if LONG else 8):
            view = random_view(pick, query)
            ids = sent(source, kind, query, view)
            lost = passing(query, rows, view) - set(ids)
            assert (set(), view) == (lost, view)
            assert len(ids) == len(set(ids))
            total += 1
            fewer += len(ids) < len(rows)
    assert fewer > total / 2


@pytest.mark.parametrize(
    ("filters", "most"),
    [
        ({"labels": ("ok",)}, 130),
        ({"where": (Condition("n", "=", "number", ("5",)),)}, 30),
        ({"where": (Condition("word", "=", "text", ("é",)),)}, 30),
        ({"where": (Condition("f", "<", "number", ("0",)),)}, 80),
        ({"where": (Condition("n", "in", "number", ("0", "5")),)}, 50),
        ({"paths": ("pay/k1.json", "pay/k2.json")}, 2),
        ({"paths": ("other/*",)}, 0),
    ],
)
def test_fewer_rows_are_sent(
    filled: tuple[str, Asked, list[Any]], filters: dict[str, Any], most: int
) -> None:
    """The usual filters are worth it."""
    kind, source, _ = filled
    query = query_on(source, key="id", label="label")
    assert len(sent(source, kind, query, view_of(**filters))) <= most


def test_times_narrow(filled: tuple[str, Asked, list[Any]]) -> None:
    """Of a time column, only the times asked for come back, and NULL as the time it stands for."""
    kind, source, rows = filled
    if kind == "sqlite":
        pytest.skip("SQLite has no columns of times")
    for time in ("zoned", "plain", "day"):
        query = query_on(source, key="id", time=time)
        for since in (datetime(2200, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)):
            view = view_of(since=us(since))
            assert passing(query, rows, view) == set(sent(source, kind, query, view))


def test_types_of_sqlite_are_not_trusted(tmp_path: Path) -> None:
    """Values of another type than the column's pass, since nobody knows what they become."""
    pytest.importorskip("adbc_driver_sqlite", reason=MISSING)
    path = tmp_path / "rows.db"
    values = [1, 2, 2.5, "2", "two", b"2", None]
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE t (id TEXT, n INTEGER, f REAL, w TEXT, l TEXT)")
        made.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?, ?)",
            [(f"k{i}", v, v, v, v) for i, v in enumerate(values)],
        )
        made.commit()
    source = asked("sqlite", str(path))
    query = query_on(source, "SELECT * FROM t", key="id", label="l")

    def ids(view: ViewQuery) -> list[str]:
        found = narrowed(query, view, SQLITE, time_us=0, columns=["id"])
        assert found is not None
        return [row["id"] for row in source.rows(found.sql, found.values)]

    two = view_of(where=(Condition("n", "=", "number", ("2",)),))
    assert ids(two) == ["k1", "k2", "k3", "k4", "k5"]
    assert ids(view_of(where=(Condition("n", "=", "number", ("1",)),))) == ["k0", "k2", "k4", "k5"]
    assert ids(view_of(where=(Condition("w", "=", "text", ("2",)),))) == ["k1", "k3", "k5"]
    assert ids(view_of(labels=("2",))) == ["k1", "k3", "k5"]
    assert ids(view_of(exclude=("2",))) == ["k0", "k2", "k4", "k5", "k6"]


NAMES = ['a"b', "it's :x", "x; DROP TABLE nasty --", "/*", "$1", "$$", "é\u2028", "select", "[b"]


def test_names_are_data(filled: tuple[str, Asked, list[Any]]) -> None:
    """Columns, labels, keys and values may be spelt as they like: nothing of them is SQL."""
    kind, source, rows = filled
    for number, name in enumerate(NAMES):
        quoted = '"' + name.replace('"', '""') + '"'
        sql = f"SELECT id, label AS {quoted} FROM nasty"
        query = query_on(source, sql, key="id", label=name)
        attribute = query_on(source, sql, key="id")
        texts = ("fraud'; DROP TABLE nasty; --", ":dsm_1", "$1", "?", "') OR 1=1 --", name)
        for text in thinned(texts, 3, offset=number):
            view = view_of(labels=(text,), exclude=(text + "x",), paths=("pay/" + text + ".json",))
            found = narrowed(query, view, DIALECTS[kind], time_us=0)
            if found is not None:
                back = [row[name] for row in source.rows(found.sql, found.values)]
                assert [label for label in back if label.isascii() and label.isprintable()] == []
            where = Condition(name, "=", "text", (text,))
            if name in attribute.attributes:
                found = narrowed(attribute, view_of(where=(where,)), DIALECTS[kind], time_us=0)
                assert found is not None
                assert not source.rows(found.sql, found.values)
                assert text in (name, ":dsm_1", "$1", "?") or text not in found.sql
    assert [{"n": len(rows)}] == source.rows("SELECT count(*) AS n FROM nasty")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM nasty WHERE id <> :dsm_1;",
        "SELECT * FROM nasty WHERE id <> :dsm_1 -- all",
        "WITH w AS (SELECT * FROM nasty) SELECT * FROM w WHERE id <> :dsm_1 ; /* ; */ -- end",
        "(SELECT * FROM nasty WHERE id <> :dsm_1 ORDER BY id LIMIT 500)",
    ],
)
def test_the_querys_own_parameters(filled: tuple[str, Asked, list[Any]], sql: str) -> None:
    """A query with comments, an end and parameters named as ours keeps its meaning."""
    kind, source, rows = filled
    if kind == "sqlite" and sql.startswith("("):
        pytest.skip("SQLite has no parentheses around a query")
    query = query_on(source, sql, key="id", label="label", parameters={"dsm_1": "k1"})
    view = view_of(where=(Condition("n", ">=", "number", ("0",)),))
    found = narrowed(query, view, DIALECTS[kind], time_us=0)
    assert found is not None
    parse(found.sql, DIALECTS[kind])
    assert found.values == {"dsm_1": "k1", "dsm_2": 0}
    want = passing(query, rows, view) - {"k1"}
    assert want == {row["id"] for row in source.rows(found.sql, found.values)}


def test_labels_of_the_rows(filled: tuple[str, Asked, list[Any]]) -> None:
    """Each label that a row which passes has is told, however the database compares texts."""
    kind, source, rows = filled
    query = query_on(source, key="id", label="label")
    for view in (view_of(), view_of(exclude=("fraud",)), view_of(labels=("été", "K"))):
        found = label_query(query, view, DIALECTS[kind], time_us=0)
        assert found is not None
        values = [row["label"] for row in source.rows(found.sql, found.values)]
        assert len(values) == len(set(values))
        ids = passing(query, rows, view)
        assert {row["label"] for row in rows if row["id"] in ids} - {None} <= set(values)
    assert label_query(query_on(source, key="id"), view_of(), DIALECTS[kind], time_us=0) is None


# --- without a database --------------------------------------------------------------------------

SCHEMA = pa.schema(
    [("id", pa.string()), ("n", pa.int64()), ("l", pa.string()), ("c", pa.int32()),
     ("ls", pa.list_(pa.string())), ("t", pa.timestamp("us"))]
)  # fmt: skip


def made(**roles: Any) -> SourceQuery:
    return define("pay", "pay", "SELECT * FROM t; -- all", SCHEMA, **{"key": "id", **roles})


@pytest.mark.parametrize(
    ("query", "view"),
    [
        (made(), view_of(labels=("a",))),
        (made(label="l"), view_of(labels=("a", "b"), all_labels=True)),
        (made(label="c"), view_of(labels=("a",))),
        (made(), view_of(since=11)),
        (made(), view_of(until=10)),
        (made(), view_of(paths=("other/**",))),
        (made(), view_of(paths=("pay/a.jpg",))),
        (made(), view_of(paths=("pay/a/b",))),
        (made(), view_of(where=(Condition("height", "!=", "number", ("1",)),))),
        (made(), view_of(where=(Condition("n", "=", "number", ("2.5",)),))),
        (made(), view_of(where=(Condition("n", ">", "number", ("9" * 30,)),))),
    ],
)
def test_nothing_can_pass(query: SourceQuery, view: ViewQuery) -> None:
    """A source is not asked for rows that cannot pass."""
    for dialect in (POSTGRESQL, DUCKDB, UNKNOWN):
        assert narrowed(query, view, dialect, time_us=10) is None


@pytest.mark.parametrize(
    ("query", "view", "dialect"),
    [
        (made(), view_of(), POSTGRESQL),
        (made(label="l"), view_of(labels=("a",)), UNKNOWN),
        (made(key=None, label="l"), view_of(labels=("a",)), POSTGRESQL),
        (made(label="ls"), view_of(labels=("a", "b"), all_labels=True), POSTGRESQL),
        (made(), view_of(where=(Condition("size", ">", "number", ("1",)),)), POSTGRESQL),
        (made(), view_of(paths=("pay/a.json", "pay/*1.json")), POSTGRESQL),
        (made(), view_of(paths=("[pq]ay/a.json",)), POSTGRESQL),
        (made(time="t"), view_of(since=-(1 << 62)), POSTGRESQL),
    ],
)
def test_nothing_can_be_said(query: SourceQuery, view: ViewQuery, dialect: Dialect) -> None:
    """Where nothing is certain, or rows are numbered, the query stays as it was written."""
    for columns in (None, ["id"]):
        found = narrowed(query, view, dialect, time_us=10, columns=columns)
        assert found is not None
        assert (query.sql, {}) == (found.sql, found.values)


def test_columns_are_checked() -> None:
    """Only columns of the query can be asked for."""
    with pytest.raises(InvalidInput, match="no column"):
        narrowed(made(), view_of(), POSTGRESQL, time_us=0, columns=['id" FROM secret --'])


def test_names_that_differ_in_case() -> None:
    """Columns that a database could take for one another are left alone."""
    schema = pa.schema([("a", pa.string()), ("A", pa.int64())])
    query = define("pay", "pay", "SELECT 1", schema, key="a")
    view = view_of(where=(Condition("A", "=", "number", ("1",)),))
    found = narrowed(query, view, DUCKDB, time_us=0)
    assert found is not None
    assert found.sql == "SELECT 1"


HASH = "0f" * 32


@pytest.mark.parametrize("key", [HASH, HASH[:24], "a" * 200, "cut-0123456789abcdef", "a b%25"])
@pytest.mark.parametrize("kind", DIALECTS)
def test_keys_that_look_like_hashes_are_asked_for(key: str, kind: str) -> None:
    """A path that a glob names in full is looked up by its key, whatever the key looks like."""
    view = view_of(paths=(path_of_key(key, "pay", "json"),))
    found = narrowed(made(key="id"), view, DIALECTS[kind], time_us=0)
    assert found is not None
    assert [key] == list(found.values.values())


@pytest.mark.parametrize("glob", ["pay/%.json", "pay/" + "a" * 249 + ".json", "pay/é.json"])
def test_keys_that_are_not_certain_are_not_asked_for(glob: str) -> None:
    """The empty key, one that may have been cut and one of other letters may be in any row."""
    found = narrowed(made(key="id"), view_of(paths=(glob,)), POSTGRESQL, time_us=0)
    assert found is not None
    assert found.values == {}
