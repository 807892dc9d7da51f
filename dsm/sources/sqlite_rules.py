"""What a query may do in SQLite: only what is on the list, found by SQLite's own compiler.

ADBC's driver has no way to set an authorizer, so Python's SQLite compiles the query on the same
file with one that sees every function, table and pragma, also those within views. It compiles only:
the query runs in the driver, whose program for it is then looked through as well. So neither
release of SQLite is taken at the other's word.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterable

from dsm.model.names import printable
from dsm.sources.allowed import SQLITE_FUNCTIONS, SQLITE_TABLE_FUNCTIONS
from dsm.sources.failures import QueryRefused
from dsm.sources.statement import Statement

# Those that a window may be over, or that take groups of rows, where Python's SQLite lacks them.
_AGGREGATES = frozenset({"string_agg", "jsonb_group_array", "jsonb_group_object"})
# How an instruction of a program names the function that it calls: `upper(1)`.
_CALL = re.compile(r"(.+)\(-?\d+\)")
_CALLING = re.compile(r"Function|PureFunc|Agg")
_PLAIN = re.compile(r"CREATE (TABLE|VIEW|INDEX|UNIQUE INDEX|TRIGGER)\b", re.IGNORECASE)


def check(uri: str, statement: Statement) -> None:
    """Compiles a query without running it. Raises QueryRefused for what is on no list, and
    sqlite3.Error for what SQLite does not understand."""
    text = statement.with_nulls()
    refused: list[str] = []
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
        _add_missing_functions(database)
        tables, plain = _tables(database)
        # Connected now, so that none needs to be while the authorizer watches; but not where one
        # of the file may have taken the name.
        for name in SQLITE_TABLE_FUNCTIONS - tables if plain else ():
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute(f"EXPLAIN SELECT * FROM {name}")
                tables.add(name)
        database.set_authorizer(_judge(tables, refused))
        program: list[tuple[object, ...]] = []
        try:
            program = database.execute(f"EXPLAIN {text}").fetchall()
        except sqlite3.Error:
            if not refused:
                raise
    if refused:
        raise QueryRefused(_sentence(refused[0]), hint=_HINT)
    check_program((row[1], row[5]) for row in program)


def check_program(instructions: Iterable[tuple[object, object]]) -> None:
    """Looks through the `opcode` and `p4` that EXPLAIN shows. Raises QueryRefused."""
    for opcode, operand in instructions:
        if _CALLING.match(str(opcode)):
            found = _CALL.fullmatch(str(operand))
            name = found[1] if found else str(operand)
            if name.lower() not in SQLITE_FUNCTIONS:
                raise QueryRefused(_sentence(f"the function {name}"), hint=_HINT)


_HINT = "dsm runs functions that compute with values only; the list is in dsm/sources/allowed.py"


def _sentence(what: str) -> str:
    return f"the query uses {printable(what)}, which is not allowed in SQLite"


def _tables(database: sqlite3.Connection) -> tuple[set[str], bool]:
    """Returns the tables and views of a file, in small letters, and whether there is nothing else
    but indexes and triggers: no virtual table."""
    found, plain = {"sqlite_master", "sqlite_schema"}, True
    for kind, name, sql in database.execute("SELECT type, name, sql FROM sqlite_master"):
        match = _PLAIN.match(sql or "CREATE INDEX")  # which SQLite makes for itself
        plain = plain and match is not None
        if match is not None and kind in ("table", "view"):
            found.add(str(name).lower())
    return found, plain


def _judge(tables: set[str], refused: list[str]) -> Callable[..., int]:
    """Returns an authorizer that writes down what it refuses."""

    def judge(action: int, first: str | None, second: str | None, *_: object) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            if (second or "").lower() in SQLITE_FUNCTIONS:
                return sqlite3.SQLITE_OK
            refused.append(f"the function {second}")
        elif action == sqlite3.SQLITE_READ:
            # Without a column: a table of which nothing but its rows is asked, or the name of a
            # part of the query. One that is virtual was refused before it could be connected.
            if not second or (first or "").lower() in tables:
                return sqlite3.SQLITE_OK
            refused.append(f"the table {first}")
        elif action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_PRAGMA):
            refused.append("a virtual table")  # which does so when it is connected
        else:
            refused.append("something that does more than read")
        return sqlite3.SQLITE_DENY

    return judge


def _add_missing_functions(database: sqlite3.Connection) -> None:
    """Makes functions known that only the driver's SQLite has. They are never called."""
    rows = database.execute("SELECT name FROM pragma_function_list")
    for name in SQLITE_FUNCTIONS - {str(row[0]).lower() for row in rows}:
        if name in _AGGREGATES:
            database.create_window_function(name, -1, _Never)
        elif name.isidentifier():
            database.create_function(name, -1, _never, deterministic=True)


def _never(*_: object) -> None:
    raise AssertionError("a function that is only compiled was called")


class _Never:
    step = inverse = value = finalize = _never
