"""What a query may do in DuckDB: its own parser takes the query apart, and each part must be known.

DuckDB has no authorizer, but shows how it reads a query as JSON. The invariant: a kind of part, a
function, a table function or a type that is on no list is refused, also within the views, macros
and generated columns that a query uses, before DuckDB binds any name: binding a table function
runs code of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from dsm.model.names import printable
from dsm.sources.allowed import (
    DUCKDB_EXPRESSIONS,
    DUCKDB_FUNCTIONS,
    DUCKDB_PARTS,
    DUCKDB_TABLE_FUNCTIONS,
    DUCKDB_TYPE_IDS,
    DUCKDB_TYPES,
)
from dsm.sources.failures import BadQuery, QueryRefused
from dsm.sources.statement import definition_of

# Runs a query of ours, with one value for `$1` or none; returns its rows.
Ask = Callable[[str, str | None], list[dict[str, Any]]]

_OWN = """
SELECT 'type' AS kind, type_name AS name, '' AS text FROM duckdb_types() WHERE NOT internal
UNION ALL SELECT 'view', view_name, sql FROM duckdb_views() WHERE NOT internal
UNION ALL SELECT 'internal', view_name, '' FROM duckdb_views() WHERE internal
UNION ALL SELECT 'schema', schema_name, '' FROM duckdb_schemas() WHERE NOT internal
UNION ALL SELECT 'schema', database_name, '' FROM duckdb_databases() WHERE NOT internal
"""
_MACROS = """
SELECT function_name AS name, macro_definition AS text FROM duckdb_functions() WHERE NOT internal
"""
_COLUMNS = """
SELECT COLUMNS('^(table_name|column_default|generation_expression)$')
FROM duckdb_columns() WHERE NOT internal
"""
_HINT = "dsm runs functions that compute with values only; the list is in dsm/sources/allowed.py"
_DEPTH_MAX = 20


def check(ask: Ask, text: str) -> None:
    """Takes a query apart without binding it. Raises QueryRefused; BadQuery for a syntax error."""
    _Check(ask).query(text, 0)


class _Check:
    def __init__(self, ask: Ask):
        self._ask = ask
        self._seen: set[tuple[str, str]] = set()
        # What the database defines for itself: kind -> name -> definitions.
        self._own: dict[str, dict[str, list[str]]] = {
            kind: {} for kind in ("type", "view", "internal", "schema")
        }
        for row in ask(_OWN, None):
            known = self._own[row["kind"]]
            known.setdefault(str(row["name"]).lower(), []).append(str(row["text"]))

    def query(self, text: str, depth: int) -> None:
        """Checks a query, or the definition of something that one uses."""
        if depth > _DEPTH_MAX:
            raise QueryRefused("the query uses views within views, too many to be checked")
        (row,) = self._ask("SELECT json_serialize_sql($1::VARCHAR)::VARCHAR AS tree", text)
        try:
            tree = json.loads(row["tree"])
        except RecursionError:
            raise QueryRefused("the query nests too deep to be checked") from None
        if tree["error"]:
            if tree["error_type"] == "parser":
                raise BadQuery("the query has a syntax error")
            raise QueryRefused(
                "the query, or a view that it uses, is none that DuckDB shows for a check",
                hint="write it as SELECT; a PIVOT as aggregates with FILTER",
            )
        left: list[Any] = [tree["statements"]]
        while left:
            part = left.pop()
            if isinstance(part, list):
                left += part
            elif isinstance(part, dict):
                left += self._inside(part, depth)

    def _inside(self, part: dict[str, Any], depth: int) -> Iterable[Any]:
        """Checks a part of a query; returns what it consists of."""
        kind = part.get("type")
        if "class" in part:
            self._known(part["class"], DUCKDB_EXPRESSIONS)
        elif isinstance(kind, str):
            self._known(kind, DUCKDB_PARTS)
        if kind == "TABLE_FUNCTION":
            function = part["function"]
            self._function(function, depth, "table function", DUCKDB_TABLE_FUNCTIONS)
            others = (value for key, value in part.items() if key != "function")
            return [*others, *function.values()]
        if "function_name" in part:
            self._function(part, depth, "function", DUCKDB_FUNCTIONS)
        elif kind == "BASE_TABLE":
            self._table(part, depth)
        self._type(part)
        return part.values()

    def _known(self, kind: object, known: frozenset[str]) -> None:
        if kind not in known:
            raise _refusal(f"a part of the kind {kind}")

    def _type(self, part: dict[str, Any]) -> None:
        name = part.get("type_name", part.get("user_type_name"))
        if isinstance(name, str) and name.lower() not in DUCKDB_TYPES | self._own["type"].keys():
            raise _refusal(f"the type {name}")
        if "type_info" in part and str(part["id"]).lower() not in DUCKDB_TYPE_IDS:
            raise _refusal(f"the type {part['id']}")

    def _function(
        self, part: dict[str, Any], depth: int, what: str, allowed: frozenset[str]
    ) -> None:
        name = str(part["function_name"]).lower()
        if name in self._macros:
            self._definitions("macro", name, self._macros[name], depth)
        elif re.fullmatch(r"\w+", name) and name not in allowed:  # the others are operators
            raise _refusal(f"the {what} {name}")

    def _table(self, part: dict[str, Any], depth: int) -> None:
        name = str(part["table_name"]).lower()
        for qualifier in (part["catalog_name"], part["schema_name"]):
            if qualifier and str(qualifier).lower() not in {"main", *self._own["schema"]}:
                raise _refusal(f"the schema {qualifier}")
        if name in self._own["view"]:
            texts = [definition_of(text) for text in self._own["view"][name]]
            self._definitions("view", name, texts, depth)
        elif name in self._own["internal"]:
            raise _refusal(f"the table {name}")
        for expression in self._generated.get(name, ()):
            self._definitions("column", expression, [expression], depth)

    def _definitions(self, kind: str, name: str, texts: list[str], depth: int) -> None:
        if (kind, name) not in self._seen:
            self._seen.add((kind, name))
            for text in texts:
                query = re.match(r"[\s(]*(select|with|from|values)\b", text, re.IGNORECASE)
                self.query(text if query else f"SELECT ({text}\n)", depth + 1)

    @cached_property
    def _macros(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in self._ask(_MACROS, None):  # DuckDB takes 20 ms to list them
            found.setdefault(str(row["name"]).lower(), []).append(str(row["text"]))
        return found

    @cached_property
    def _generated(self) -> dict[str, list[str]]:
        """The expressions of generated columns, by the name of their table."""
        found: dict[str, list[str]] = {}
        for row in self._ask(_COLUMNS, None):
            # A release that does not tell them apart has them among the defaults.
            text = str(row.get("generation_expression", row["column_default"]) or "")
            if text and not text.lower().startswith("nextval("):
                found.setdefault(str(row["table_name"]).lower(), []).append(text)
        return found


def _refusal(what: str) -> QueryRefused:
    return QueryRefused(
        f"the query uses {printable(what)}, which is not allowed in DuckDB", hint=_HINT
    )
