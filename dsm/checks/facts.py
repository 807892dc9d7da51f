"""What probes say of the content of examples: kept answers, and new ones by worker processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import one_array
from dsm.checks.examining import examined
from dsm.checks.kept_facts import SCHEMA, KeptFacts
from dsm.checks.probes.probe import CRASHED, MISSING, Facts, Probe
from dsm.checks.probes.table import PROBES

if TYPE_CHECKING:
    from dsm.repo.repository import Repository

KEPT_ROWS = 1 << 16  # made before they are kept: what an interruption may cost
_ASK_AGAIN = f'"({MISSING}|{CRASHED})": '


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What a probe says of the rows of a table: `facts` of each distinct object, and which one
    each row has."""

    facts: Sequence[Facts]
    rows: pa.Array

    def where(self, fails: Callable[[Facts], bool]) -> pa.Array:
        """Returns which rows have facts that fail."""
        return pa.array([fails(each) for each in self.facts], pa.bool_()).take(self.rows)

    def column(self, value: Callable[[Facts], Any], kind: Any = None) -> pa.Array:
        """Returns what is said of each row."""
        kind = pa.string() if kind is None else kind
        return pa.array([value(each) for each in self.facts], kind).take(self.rows)


def facts_of(repository: Repository, probe: str, table: pa.Table) -> TableFacts:
    """Returns what a probe says of the content of examples, each object examined once.

    Raises what reading objects raises.
    """
    encoded = one_array(one_array(table.column("object")).dictionary_encode())
    objects = encoded.dictionary
    asked = PROBES[probe]
    kept = KeptFacts(repository.layout, f"{asked.name}-{asked.version}")
    known = kept.table()
    at = pc.index_in(objects, value_set=one_array(known.column("object")))
    unknown = objects.filter(pc.is_null(at))
    made = []
    for part in _made(repository, asked, unknown.to_pylist()):
        # What a library could say is asked again when it is there, and when it has been mended.
        again = pc.match_substring_regex(part.column("facts"), _ASK_AGAIN)
        kept.add(part.filter(pc.invert(again)))
        made.append(part)
    if made:
        known = pa.concat_tables([known, *made])
        at = pc.index_in(objects, value_set=one_array(known.column("object")))
    texts = known.column("facts").take(at)
    # Many objects are alike: what is said of them is read once.
    told = one_array(one_array(texts).dictionary_encode())
    each = [json.loads(text) for text in told.dictionary.to_pylist()]
    facts = [each[number] for number in told.indices.to_pylist()]
    return TableFacts(facts, encoded.indices)


def _made(repository: Repository, probe: Probe, oids: list[bytes]) -> Iterator[pa.Table]:
    """Examines objects; yields rows to be kept, some at a time."""
    rows: list[tuple[bytes, str]] = []
    for part in examined(repository, probe, oids):
        rows += part
        if len(rows) >= KEPT_ROWS:
            yield _table(probe, rows)
            rows = []
    if rows:
        yield _table(probe, rows)


def _table(probe: Probe, rows: list[tuple[bytes, str]]) -> pa.Table:
    oids, texts = zip(*rows, strict=True)
    name = f"{probe.name}-{probe.version}"
    return pa.table([list(oids), [name] * len(rows), list(texts)], schema=SCHEMA)
