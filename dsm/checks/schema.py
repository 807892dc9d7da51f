"""The schema of a dataset in a contract: what an example is, in one table instead of several rules.

    [dataset.photos.schema]
    media-types = ["image/jpeg"]
    classes = ["cat", "dog"]
    labels = { max = 1 }
    attributes.width = { type = "int", min = 32, required = true }
    fields.question = { type = "string", required = true }

Each entry stands for a rule, and what is found names that rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dsm.checks.rule import SHARED, Rule
from dsm.checks.rules.table import BY_NAME
from dsm.checks.toml_lines import Place
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import close_matches, quoted

# Those that take a list stand for a rule with this option; the others are a rule's own table.
LISTS = {"media-types": "allow", "extensions": "allow", "classes": "are"}
TABLES = ("labels", "image", "audio", "text", "size")
COLUMNS = ("attributes", "fields")  # tables of tables
_KEYS = (*LISTS, *TABLES, *COLUMNS)

Make = Callable[[type[Rule], Mapping[str, Any], Place], Iterator[Rule]]
Wrong = Callable[[Place, str], None]


def schema_rules(given: Any, place: Place, make: Make, wrong: Wrong) -> Iterator[Rule]:
    """Yields the rules that a schema stands for; `make` reads one, `wrong` takes a mistake."""
    if not isinstance(given, dict):
        wrong(place, "schema is no table")
        return
    shared = {key: given[key] for key in SHARED if key in given}
    for key, value in given.items():
        at = (*place, key)
        if key in LISTS:
            yield from make(BY_NAME[key], {LISTS[key]: value, **shared}, at)
        elif key in TABLES and isinstance(value, dict):
            yield from make(BY_NAME[key], {**shared, **value}, at)
        elif key in COLUMNS and isinstance(value, dict):
            yield from _columns(value, at, shared, make, wrong)
        elif key in (*TABLES, *COLUMNS):
            wrong(at, f"{key} is no table")
        elif key not in SHARED:
            near = close_matches(key, [*_KEYS, *SHARED], 1)
            meant = f"; did you mean {near[0]}?" if near else f": it has {', '.join(_KEYS)}"
            wrong(at, f"a schema has no {quoted(key)}{meant}")


def _columns(
    given: Mapping[str, Any], place: Place, shared: Mapping[str, Any], make: Make, wrong: Wrong
) -> Iterator[Rule]:
    word, before = ("field", RECORD_FIELD) if place[-1] == "fields" else ("attribute", "")
    for name, fields in given.items():
        if not isinstance(fields, dict):
            wrong((*place, name), f"{word} {quoted(name)} is no table")
        elif "name" in fields:
            wrong((*place, name, "name"), f"the name of the {word} stands before it")
        else:
            asked = {**shared, **fields, "name": before + name}
            yield from make(BY_NAME["attribute"], asked, (*place, name))
