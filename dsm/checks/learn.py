"""A first contract, learnt from the data at hand, which passes it: to be read and tightened."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import names_of, one_array
from dsm.checks.rule import CHECK, ERROR, Rule, Subject
from dsm.checks.rules.contents import PROMISED
from dsm.checks.rules.duplicates import ConflictingLabels, Duplicates
from dsm.checks.rules.labels import counted
from dsm.checks.rules.leakage import Leakage
from dsm.checks.typed import FLOAT, INT, type_word
from dsm.history.fold import records_mask
from dsm.model.column_names import JSON, RECORD_FIELD, WRITTEN
from dsm.model.sizes import count_text
from dsm.statistics.samples import looked_at

_PARTS = frozenset(
    ("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "holdout")
)
VALUES_MAX, LABELS_MAX, EXTENSIONS_MAX = 20, 1000, 20


def learnt(table: pa.Table, dataset: str) -> str:
    """Returns the text of a contract that the examples of a snapshot pass.

    Fields of records are learnt where the table has them, `record.NAME`.
    """
    table = looked_at(table)
    examples = count_text(table.num_rows, "example")
    head = [
        f"# What may come into dataset {dataset}, learnt from {examples}.",
        "# Read it, and tighten what you rely on; the contract's reference lists all rules.",
        '# `on = "commit"` lets a rule stop a commit.',
        "",
        f"[dataset.{_text(dataset)}.rules]",
    ]
    lines = [*_files(table), *_twice(table), *_change(), *_balance(table)]
    tables = [*_labels(table, dataset), *_attributes(table, dataset)]
    return "\n".join([*head, *lines, *tables]) + "\n"


def _files(table: pa.Table) -> Iterator[str]:
    names = names_of(table).to_pylist()
    suffixes = {os.path.splitext(name)[1].lower() for name in names}
    if suffixes and "" not in suffixes and len(suffixes) <= EXTENSIONS_MAX:
        yield f"extensions.allow = {_list(sorted(suffixes))}"
    if table.num_rows:
        least, most = pc.min_max(table.column("size")).as_py().values()
        yield f"# Sizes are {least:,} to {most:,} bytes; twice the largest is allowed."
        yield f"size = {{ min = {min(1, least)}, max = {2 * most} }}"
    yield "# By content, whatever the name; these read what they check, and each object once:"
    kinds = _kinds(table, suffixes)
    if kinds:
        yield f"# media-types.allow = {_list(kinds)}"
    yield from (f"# {name} = {{}}" for name in ("decodes", "extension-fits", "personal-data"))


def _kinds(table: pa.Table, suffixes: set[str]) -> list[str]:
    """Returns the media types that names promise: none where some promise nothing.

    A line or a row of a file is not what the name of the file promises.
    """
    if not suffixes <= PROMISED.keys() or pc.any(records_mask(table)).as_py():
        return []
    found = set()
    for kind in map(PROMISED.__getitem__, suffixes):
        family = kind.partition("/")[0]
        found.add(f"{family}/*" if family in ("image", "audio", "video") else kind)
    # What is called text may begin as JSON does.
    return sorted(found | ({"application/json"} if "text/plain" in found else set()))


def _twice(table: pa.Table) -> Iterator[str]:
    subject = Subject(table, table)
    for kind in (ConflictingLabels, Duplicates):
        found = _findings(kind, {}, subject)
        yield from _told(found)
        yield f"{'# ' * bool(found)}{kind.name} = {{}}"
    sides = [
        name for name in table.column_names
        if name.startswith(("attr.", RECORD_FIELD)) and _are_parts(table.column(name))
    ]  # fmt: skip
    shared = {name: _findings(Leakage, {"by": name}, subject) for name in sides}
    for name, found in shared.items():
        yield from _told(found)
        if found:
            yield f"# leakage = {{ by = {_text(name)} }}"
    passed = ", ".join(f"{{ by = {_text(name)} }}" for name in sides if not shared[name])
    if passed:
        yield "# Nothing is in training and in testing; `near` finds what is nearly so."
        yield f"leakage = [{passed}]"


def _findings(kind: type[Rule], asked: dict[str, str], subject: Subject) -> int:
    rule = kind(asked, severity=ERROR, reason=None, on=(CHECK,), line=None)
    return sum(each.count for each in rule.check(subject))


def _told(found: int) -> Iterator[str]:
    if found:
        yield f"# {found:,} finding{'s' * (found != 1)} in the data at hand:"


def _are_parts(column: pa.ChunkedArray) -> bool:
    """Whether values are names of parts that a model must not see both of."""
    if not pa.types.is_string(column.type):
        return False
    names = {name.lower() for name in pc.unique(column.drop_null()).to_pylist()[: len(_PARTS) + 1]}
    return len(names) > 1 and names <= _PARTS


def _change() -> Iterator[str]:
    yield "# How far one change may go, unless it has a trailer approved=…"
    yield 'change = { max-removed = "10%", labels-stay = true, approved-by = "approved" }'


def _balance(table: pa.Table) -> Iterator[str]:
    counts = counted(table)
    if len(counts) > 1:
        ratio = max(counts.values()) / min(counts.values())
        yield f"# The most frequent label has {ratio:.4g} times the examples of the rarest."
        yield f"balance.max-ratio = {math.ceil(ratio * 1.5)}"


def _labels(table: pa.Table, dataset: str) -> Iterator[str]:
    names = sorted(counted(table))
    if not names:
        return
    least, most = pc.min_max(pc.list_value_length(table.column("labels"))).as_py().values()
    yield ""
    yield f"[dataset.{_text(dataset)}.rules.labels]"
    if len(names) <= LABELS_MAX:
        yield f"vocabulary = {_list(names)}"
    yield f"min = {least}"
    yield f"max = {most}"


def _attributes(table: pa.Table, dataset: str) -> Iterator[str]:
    records = table.filter(records_mask(table))
    for field in table.schema:
        is_record = field.name.startswith(RECORD_FIELD)
        if not is_record and not field.name.startswith("attr."):
            continue
        values = one_array((records if is_record else table).column(field.name))
        if values.null_count == len(values):
            continue
        yield ""
        yield f"[[dataset.{_text(dataset)}.rules.attribute]]"
        yield f"name = {_text(field.name.removeprefix('attr.'))}"
        is_json = (field.metadata or {}).get(WRITTEN) == JSON
        if not is_json:
            yield f'type = "{type_word(values.type)}"'
        yield from _missing(values)
        if not is_json:
            yield from _range(values)


def _missing(values: pa.Array) -> Iterator[str]:
    if not values.null_count:
        yield "required = true"
    else:
        share = values.null_count / len(values)
        yield f"# {share:.2%} have none."
        yield f"max-missing = {math.ceil(share * 100) / 100}"


def _range(values: pa.Array) -> Iterator[str]:
    if pa.types.is_string(values.type):
        several = pc.unique(values.drop_null())
        if len(several) <= VALUES_MAX and len(several) * 2 <= len(values):
            yield f"values = {_list(sorted(several.to_pylist()))}"
        else:
            least, most = pc.min_max(pc.utf8_length(values)).as_py().values()
            yield f"# Texts have {least:,} to {most:,} characters; twice the longest is allowed."
            yield f"max-chars = {max(1, 2 * most)}"
    elif type_word(values.type) in (INT, FLOAT):
        least, most = pc.min_max(values).as_py().values()
        finite = not pa.types.is_floating(values.type) or pc.all(pc.is_finite(values)).as_py()
        if finite and max(abs(least), abs(most)) < 2**63:
            yield f"min = {least!r}"
            yield f"max = {most!r}"


def _list(texts: list[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: Any) -> str:
    """Returns a text as TOML writes it, whatever is in it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
