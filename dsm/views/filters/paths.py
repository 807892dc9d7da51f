"""The filter by path: any of some globs matches."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypedDict

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.names import printable
from dsm.model.record_path import RECORD
from dsm.views.filters.filter import Asking, Clause, Filter, require_texts, texts
from dsm.views.filters.values import PathValue

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.views.filters.sql import SqlConditions


_WILD = frozenset("*?[\\")


class Asked(TypedDict, total=False):
    """Its keywords."""

    paths: Iterable[str] | None


class PathFilter(Filter):
    """Takes examples whose path one of the globs matches (sorted)."""

    columns = ("path",)

    def __init__(self, globs: tuple[str, ...]):
        self.globs = globs

    @classmethod
    def asked(cls, asked: Mapping[str, Any], asking: Asking) -> Self | None:
        if asked.get("paths") is None:
            return None
        from dsm.model.globs import check_glob

        globs = tuple(sorted({spelt(check_glob(glob)) for glob in texts(asked.get("paths"))}))
        if not globs:
            raise AnswerIsNo(
                "no example fits: the list of paths is empty",
                hint="leave paths out to take examples anywhere",
            )
        return cls(globs)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self | None:
        globs = tuple(fields.get("paths", ()))
        if not globs:
            return None
        from dsm.model.globs import check_glob

        require_texts(globs)
        for glob in globs:
            check_glob(glob)
        return cls(globs)

    def to_json(self) -> dict[str, Any]:
        return {"paths": list(self.globs)}

    def joined(self, other: Filter) -> Filter | None:
        if not isinstance(other, PathFilter):
            return None
        mine, theirs = set(self.globs), set(other.globs)
        return self if mine <= theirs else other if theirs <= mine else None

    def words(self) -> list[str]:
        return ["path " + " or ".join(map(printable, self.globs))]

    def clauses(self) -> list[Clause]:
        text = "path is " + " or ".join(map(printable, self.globs))
        return [Clause("path", text, self._mask, PathValue())]

    def _mask(self, table: pa.Table) -> pa.ChunkedArray:
        import pyarrow.compute as pc

        from dsm.format.manifest import RECORDS
        from dsm.history.fold import files_of
        from dsm.views.filters.glob import expression

        column, mask = table.column("path"), None
        files = None
        if RECORDS.name in table.column_names:
            own = table.column(RECORDS.name)
            if own.null_count < len(own):
                said = pc.equal(own, RECORD).fill_null(False)
                files = pc.if_else(said, files_of(column), column)
        for glob in self.globs:
            if files is None:
                passed = pc.match_substring_regex(column, expression(glob))
            else:  # a record fits where its file does
                passed = pc.match_substring_regex(files, expression(glob))
                if "#" in glob or not _WILD.isdisjoint(glob):
                    own = pc.match_substring_regex(column, expression(glob))
                    passed = pc.or_(passed, own)
            mask = passed if mask is None else pc.or_(mask, passed)
        return mask

    def narrow(self, conditions: SqlConditions) -> None:
        from dsm.views.filters.bounds import may_match

        query = conditions.query
        possible = [glob for glob in self.globs if may_match(glob, query.name)]
        if not possible:
            conditions.nothing_passes()
        name = query.key
        if name is None or len(possible) > conditions.list_max:
            return
        keys = []
        for glob in possible:
            literal = None
            if glob.startswith(query.name + "/") and _WILD.isdisjoint(glob):
                literal = conditions.keys_of_path(glob)
            if literal is None:
                return
            keys += literal
        if not keys:
            conditions.nothing_passes()
        kind, missing = conditions.kind(name), f"{conditions.column(name)} IS NULL OR "
        if kind == "string" and conditions.is_text_column(name):
            conditions.found.append(missing + conditions.text_among(name, keys))
        elif kind == "int" and all(conditions.is_whole(key) for key in keys):
            conditions.found += [missing + found for found in conditions.integers(name, keys)]


def spelt(glob: str) -> str:
    """Checks a glob and removes what does not change its meaning. Raises InvalidInput."""
    if "\0" in glob or any("\ud800" <= char <= "\udfff" for char in glob):
        raise InvalidInput(f"'{printable(glob)}' is no path of an example")
    text = re.sub(r"\A(?:\s|\./)+|[\s/]+\Z", "", re.sub("/{2,}", "/", glob))
    if not text or text.startswith("/") or text == ".":
        raise InvalidInput(
            f"'{printable(glob)}' is no path of an example",
            hint="paths are below the dataset's root, such as 'train/**/*.jpg'",
        )
    return text
