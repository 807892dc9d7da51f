"""One statement and its parameters, as each dialect reads them."""

from __future__ import annotations

import pytest

from dsm.sources.statement import (
    DUCKDB,
    POSTGRESQL,
    SQLITE,
    UNKNOWN,
    Dialect,
    NotOneQuery,
    parse,
)

ALL = [POSTGRESQL, SQLITE, DUCKDB, UNKNOWN]
KNOWN = [POSTGRESQL, SQLITE, DUCKDB]

ONE = [
    "SELECT 1", "select 1;", "SELECT 1 ; -- the end", "SELECT 1;;\n; /* done */", "(SELECT 1)",
    "/* first */ WITH a AS (SELECT 1) SELECT * FROM a", "VALUES (1)", "-- a\nSELECT 1 -- b",
]  # fmt: skip
QUOTED = ["SELECT ';'", "SELECT 'it''s;'", 'SELECT 1 AS ";"', "SELECT 1 -- ;\n", "SELECT /*;*/ 1"]
TWO = [
    "SELECT 1; SELECT 2", "SELECT 1;DROP TABLE t", "SELECT ''; DROP TABLE t --'",
    "SELECT 'a''';DELETE FROM t --'", "SELECT 1 -- x\n; DROP TABLE t", "SELECT /* ' */ 1; DROP TABLE t",
    'SELECT "a"";" ; DROP TABLE t', "SELECT 1;/* */DROP TABLE t", "SELECT '\\'; DROP TABLE t --'",
]  # fmt: skip
NO_QUERY = [
    "", "  ", ";", "-- nothing", "DROP TABLE t", "DELETE FROM t", "INSERT INTO t VALUES (1)",
    "PRAGMA query_only = OFF", "ATTACH 'x.db' AS x", "COPY t TO 'x'", "SET x = 1", "BEGIN",
    "EXPLAIN ANALYZE SELECT 1", "CALL f()", "(DELETE FROM t)", "SELECT 1\0",
    "SELECT 'open", "SELECT /* open", 'SELECT "open',
]  # fmt: skip


@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("text", ONE)
def test_one_query_is_taken(text: str, dialect: Dialect) -> None:
    """Comments, brackets and closing semicolons do not make a second statement."""
    statement = parse(text, dialect)
    assert statement.parameters == ()
    assert statement.text.endswith("\n")


@pytest.mark.parametrize("dialect", KNOWN, ids=lambda d: d.name)
@pytest.mark.parametrize("text", QUOTED)
def test_quoted_semicolons_are_text(text: str, dialect: Dialect) -> None:
    """A semicolon in a string, a name or a comment ends nothing."""
    assert parse(text, dialect).text == text + "\n"


@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("text", TWO)
def test_a_second_statement_is_refused(text: str, dialect: Dialect) -> None:
    """However it is dressed, what follows a semicolon is found."""
    with pytest.raises(NotOneQuery, match="the query has a second statement, in line"):
        parse(text, dialect)


@pytest.mark.parametrize("dialect", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("text", NO_QUERY)
def test_only_queries_that_read(text: str, dialect: Dialect) -> None:
    """What does not begin as a query, or does not end, is refused."""
    with pytest.raises(
        NotOneQuery,
        match=r"^the query (is empty|does not begin|holds a NUL|has (quoted text|comment) without an end)",
    ):
        parse(text, dialect)


def test_dialects_quote_differently() -> None:
    """Dollar quotes, E-strings, nested comments and brackets count where they are known."""
    for text in ("SELECT $$;$$", "SELECT $a$ ; $$ ; $a$", r"SELECT E'\';'"):
        assert parse(text, POSTGRESQL).text == text + "\n"
        assert parse(text, DUCKDB).text == text + "\n"
        with pytest.raises(NotOneQuery, match="in line 1, column"):
            parse(text, SQLITE)
        with pytest.raises(NotOneQuery, match="the query has a semicolon before its end, in line"):
            parse(text, UNKNOWN)
    nested = "SELECT /* /* ; */ ; */ 1"
    assert parse(nested, POSTGRESQL).text == nested + "\n"
    for dialect in (SQLITE, DUCKDB, UNKNOWN):
        with pytest.raises(NotOneQuery, match="within a comment"):
            parse(nested, dialect)
    assert parse("SELECT [;], `;` FROM t", SQLITE).parameters == ()
    with pytest.raises(NotOneQuery, match="the query has a second statement, in line 1, column"):
        parse("SELECT [;] FROM t", POSTGRESQL)
    with pytest.raises(NotOneQuery, match="second statement"):
        parse("SELECT $a$ $A$; DROP TABLE t; $a$ || 1; DELETE", POSTGRESQL)


@pytest.mark.parametrize("text", ["SELECT ?", "SELECT @a", "SELECT $a", "SELECT ?1"])
def test_sqlite_has_no_unbound_variables(text: str) -> None:
    """SQLite would take them for NULL; they are refused."""
    with pytest.raises(NotOneQuery, match="without a name"):
        parse(text, SQLITE)


def test_parameters_become_placeholders() -> None:
    """`:name` is numbered by first use; text, casts and slices stay as they are."""
    text = "SELECT ':no', a::int, b[1:2] FROM t WHERE x = :one AND (y=:two OR z = :one)"
    for dialect, one, two in ((POSTGRESQL, "$1", "$2"), (DUCKDB, "$1", "$2"), (SQLITE, "?1", "?2")):
        statement = parse(text.replace("b[1:2]", "b") if dialect is SQLITE else text, dialect)
        assert statement.parameters == ("one", "two")
        assert statement.text.endswith(f"WHERE x = {one} AND (y={two} OR z = {one})\n")
    assert parse("SELECT :a, :b, :a", UNKNOWN).parameters == ("a", "b", "a")
    assert parse("SELECT :a, :b, :a", UNKNOWN).text == "SELECT ?, ?, ?\n"
    assert parse("SELECT :a, 1", SQLITE).with_nulls() == "SELECT NULL, 1\n"


def test_places_are_those_of_the_text_as_written() -> None:
    """A position that a database tells is found again although parameters became shorter."""
    text = "SELECT *\nFROM t WHERE day > :a_long_name AND nope = :x"
    statement = parse(text, POSTGRESQL)
    assert statement.place(statement.text.index("nope") + 1) == (2, 37, "nope")
    assert statement.place(statement.text.index("$1") + 1) == (2, 20, ":a_long_name")
    assert statement.place(1) == (1, 1, "SELECT")
    assert statement.place(10_000)[0] == 2
