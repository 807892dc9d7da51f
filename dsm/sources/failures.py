"""What a source answers when it fails, without what databases like to quote: rows and secrets.

The invariant: no character of a driver's message reaches an error of ours. What is told is the
kind of failure (by SQLSTATE, where there is one), the place in the query, and names that stand in
the query's own text. The driver's exception is neither cause nor context of ours, so no traceback
shows it either.
"""

from __future__ import annotations

import re

from dsm.errors import Conflict, DsmError, InvalidInput, Refused, StorageFailed
from dsm.sources.statement import Statement


class BadQuery(InvalidInput):
    """The source does not understand the query, or a parameter does not fit it."""

    code = "bad-query"


class SourceFailed(StorageFailed):
    """The source could not be reached, broke off, or could not compute an answer."""

    code = "source"


class SourceRefused(Refused):
    """The source does not let this account in, or not at this data."""

    code = "source-refused"


class QueryRefused(Refused):
    """A query uses a function, table or type that dsm does not let queries use."""

    code = "query-refused"


class SecretMissing(Refused):
    """What a source's address is read from is not there."""

    code = "secret-missing"


class DriverMissing(StorageFailed):
    """The database driver that a source names is not installed."""

    code, retryable = "driver-missing", False


class LimitReached(Refused):
    """A query went over its limit of rows, of time or of memory and was ended."""

    code = "limit-reached"


class SourceChanged(Conflict):
    """The columns that a query gives are not those that were recorded."""

    code = "source-changed"


# SQLSTATE, or the first two characters of it -> what it means, and how to react.
_STATES: dict[str, tuple[type[DsmError], str]] = {
    "08": (SourceFailed, "the connection failed"),
    "22": (SourceFailed, "a value could not be converted or computed"),
    "22MIX": (SourceFailed, "a column holds values that are not of the type of its first rows"),
    "23": (SourceRefused, "the query tried to change data"),
    "25001": (SourceRefused, "the query tried to change the transaction, which only reads"),
    "25006": (SourceRefused, "the query tried to change data, and the session is read-only"),
    "25P03": (SourceFailed, "the database ended the idle session"),
    "28": (SourceRefused, "the database does not accept the account or its password"),
    "3D": (SourceFailed, "there is no such database"),
    "42501": (SourceRefused, "the account may not read what the query names"),
    "42601": (BadQuery, "the query has a syntax error"),
    "42703": (BadQuery, "the query names a column that does not exist"),
    "42P01": (BadQuery, "the query names a table that does not exist"),
    "42883": (BadQuery, "no function or operator fits the types it is used with"),
    "42702": (BadQuery, "the query names a column that could be one of several"),
    "42P18": (BadQuery, "the type of a parameter is not clear"),
    "42P02": (BadQuery, "the query has a parameter without a value"),
    "42": (BadQuery, "the database does not accept the query"),
    "3F": (BadQuery, "the query names a schema that does not exist"),
    "0A": (BadQuery, "the query asks for something that the database does not support"),
    "53": (SourceFailed, "the database has not enough memory, disk or connections"),
    "54": (BadQuery, "the query is too complex for the database"),
    "57014": (SourceFailed, "the database cancelled the query"),
    "57P": (SourceFailed, "the database ended the connection"),
    "58": (SourceFailed, "the database has an error of its own system"),
    "XX": (SourceFailed, "the database has an internal error"),
}
_CAST = "say the type: :name::timestamptz, or CAST(:name AS INTEGER)"
_HINTS = {
    "42883": _CAST, "42P18": _CAST, "42P02": "give it with --param NAME=VALUE",
    "22MIX": "CAST it in the query, or COALESCE its NULLs, so that all of its rows are alike",
}  # fmt: skip

# How drivers without SQLSTATE begin their messages. Only that they do is used, never the text.
_WORDS: tuple[tuple[str, str], ...] = (
    (r"no such column|Binder Error: Referenced column", "42703"),
    (r"no such table|Catalog Error: Table", "42P01"),
    (r"syntax error|incomplete input|Parser Error", "42601"),
    (r"readonly database|read-only mode", "25006"),
    (r"no such function|Catalog Error|Binder Error|ambiguous column", "42"),
    (r"Permission Error|not authorized", "42501"),
    (r"Type mismatch in column", "22MIX"),  # which only the driver of SQLite says
    (r"Conversion Error|Out of Range Error", "22"),
    (r"Out of Memory Error|out of memory|database or disk is full", "53"),
    (r"password authentication failed|no password supplied|role .* does not exist", "28"),
    (r"database .* does not exist", "3D"),
    (r"canceling statement|Interrupted|CANCELLED", "57014"),
    (r"terminating connection|server closed the connection|no connection to the server", "57P"),
    (r"could not connect|Failed to connect|connection to server|unable to open|IO Error", "08"),
)
_QUOTED = re.compile(
    r"[\"'`]([^\"'`\n]{1,100})[\"'`]|(?:column:|table:|function:|with name) ([\w.]{1,100})"
)


def translated(error: Exception, name: str, statement: Statement | None, phase: str) -> DsmError:
    """Returns our error for a driver's. Raise it outside the `except` block.

    `phase` is "connect", "prepare" (no row was read) or "read". The place in the query is told for
    "prepare", where it belongs to the text as it was sent.
    """
    state = _state(error)
    if phase == "connect" and state == "25006":
        state = ""  # DuckDB says so of a file that is not there
    kind, what = _meaning(state, phase)
    shown = f" (SQLSTATE {state})" if getattr(error, "sqlstate", None) else ""
    place = ""
    if statement is not None and phase == "prepare":
        place = place_of(error, statement)
    hint = _HINTS.get(state)
    if kind is SourceFailed and phase == "connect":
        hint = "check the address that the source reads, and that the database answers"
    elif hint is None and kind is SourceFailed and phase == "read" and state[:2] == "22":
        hint = "the database's own message is left out, since it may quote rows"
    return kind(f"source {name}: {what}{place}{shown}", hint=hint)


def is_refusal(error: Exception) -> bool:
    """Whether a database says that the account may not do what it asks for."""
    return _meaning(_state(error), "read")[0] is SourceRefused


def is_out_of_memory(error: Exception) -> bool:
    """Whether an engine says that it may take no more memory."""
    return _state(error)[:2] == "53"


def _meaning(state: str, phase: str) -> tuple[type[DsmError], str]:
    for key in (state, state[:3], state[:2]):
        if key in _STATES:
            return _STATES[key]
    if phase == "connect":
        return SourceFailed, "cannot be reached"
    if phase == "prepare":
        return BadQuery, "the database does not accept the query"
    return SourceFailed, "the query failed while its rows were read"


def _state(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and re.fullmatch("[0-9A-Z]{5}", state) and state != "00000":
        return state
    for pattern, meaning in _WORDS:
        if re.search(pattern, str(error)):
            return meaning
    return ""


def place_of(error: Exception, statement: Statement) -> str:
    """Returns where in the query a driver's error is, as far as the query's own words tell."""
    for key, value in getattr(error, "details", None) or ():
        key = key.decode(errors="replace") if isinstance(key, bytes) else key
        if key == "PG_DIAG_STATEMENT_POSITION" and value.isdigit():
            line, column, word = statement.place(int(value))
            near = f", at {word}" if word else ""
            return f", in line {line}, column {column}{near}"
    # A name is repeated only where the query has it as well.
    for quoted in _QUOTED.finditer(str(error)):
        word = quoted.group(1) or quoted.group(2)
        if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", statement.source):
            return f": {word}"
    return ""
