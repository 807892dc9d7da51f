"""The rule of what kind of file the content is, whatever the name says."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.media_types import HEAD, TYPES, media_type
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import close_matches, quoted


def _types(value: object) -> tuple[str, ...]:
    found = options.texts(value)
    for each in found:
        if each not in TYPES and not (each.endswith("/*") and each[:-1] in _families()):
            near = close_matches(each, TYPES, 1)
            meant = f"; did you mean {near[0]}?" if near else f": known are {', '.join(TYPES)}"
            raise ValueError(f"names {quoted(each)}, which dsm does not tell from others{meant}")
    return found


def _told(data: bytes) -> str:
    return media_type(data[:HEAD], whole=len(data) <= HEAD)


def _families() -> set[str]:
    return {kind.partition("/")[0] + "/" for kind in TYPES}


class MediaTypes(Rule):
    """The content is of one of some media types, by how it begins."""

    name = "media-types"
    about = 'the content, whatever its name, is of these types: "image/jpeg", "image/*"'
    options = {"allow": _types}  # noqa: RUF012
    needed = ("allow",)
    reads_content = True

    def check(self, subject: Subject) -> Iterator[Failing]:
        table = subject.fresh
        assert subject.contents is not None, "this rule reads content"
        encoded = one_array(one_array(table.column("object")).dictionary_encode())
        objects = encoded.dictionary.to_pylist()
        told = {oid: _told(data) for oid, data in subject.contents(objects)}
        kinds = [told[oid] for oid in objects]
        column = pa.array(kinds, pa.string()).take(encoded.indices)
        wrong = pa.array([not self._allows(kind) for kind in kinds], pa.bool_())
        empty = pc.equal(table.column("size"), 0)  # of which the rule `size` tells
        mask = pc.and_not(wrong.take(encoded.indices), one_array(empty))
        text = f"its content is {{}}, not {' or '.join(self.asked['allow'])}"
        yield from failing(table, mask, text, column)

    def _allows(self, kind: str) -> bool:
        return any(
            kind == each or (each.endswith("/*") and kind.startswith(each[:-1]))
            for each in self.asked["allow"]
        )
