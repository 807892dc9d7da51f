"""From what people pick (paths, object ids) to the list of paths that a query refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import AnswerIsNo, InvalidInput, NotFound
from dsm.model.names import printable
from dsm.views.filters.picks import END, LIST_BYTES_MAX, PickFilter

PATH_BYTES_MAX = 4096
REFUSE, IGNORE = MISSING = ("refuse", "ignore")
_ID = re.compile(r"[0-9a-f]{64}")


def pick_filter(given: Iterable[Any], missing: str | None, table: pa.Table, of: str) -> PickFilter:
    """Returns the filter for what is picked of the rows of a snapshot, which `of` names.

    An item is a path, an object id (64 hex digits, or 32 bytes), which stands for all examples with
    that content, or something that has a `path`. Raises NotFound with what is unknown, unless
    `missing` is "ignore"; AnswerIsNo when nothing is left, InvalidInput for what is neither.
    """
    if missing not in (None, *MISSING):
        raise InvalidInput(
            f"{printable(str(missing))} is no way to treat missing ones",
            hint="--missing is refuse or ignore",
        )
    texts = pa.array(_distinct(given), pa.string())
    if not len(texts):
        raise AnswerIsNo(
            "no example fits: the list of picks is empty", hint="leave it out to pick nothing out"
        )
    paths, objects = table.column("path"), table.column("object")
    known = pc.is_in(texts, value_set=paths.combine_chunks())
    chosen = pc.is_in(paths, value_set=texts)
    rest = texts.filter(pc.invert(known)).to_pylist()
    ids = {text: bytes.fromhex(text) for text in map(str.lower, rest) if _ID.fullmatch(text)}
    if ids:
        wanted = pa.array(ids.values(), objects.type)
        chosen = pc.or_(chosen, pc.is_in(objects, value_set=wanted))
        there = set(pc.unique(objects.filter(pc.is_in(objects, value_set=wanted))).to_pylist())
        rest = [text for text in rest if ids.get(text.lower()) not in there]
    if rest and missing != IGNORE:
        which = f"{len(rest):,} of {len(texts):,} that are picked are no examples"
        raise NotFound(
            (f"{printable(rest[0])} is no example" if len(rest) == 1 else which) + f" of {of}",
            hint="paths count from the dataset's root; --missing ignore drops those that are"
            " unknown",
            items=tuple(rest),
        )
    found = pc.unique(paths.filter(chosen))
    if not len(found):
        raise AnswerIsNo(f"none of the {len(texts):,} that are picked is an example of {of}")
    data = b"".join(path.encode() + END for path in found.to_pylist())
    if len(data) > LIST_BYTES_MAX:
        raise InvalidInput(f"a list of picks has at most {LIST_BYTES_MAX:,} bytes")
    return PickFilter.of_list(data, len(found))


def _distinct(given: Iterable[Any]) -> list[str]:
    """Returns the items as texts, each once. Raises InvalidInput for what is none."""
    found: dict[str, None] = {}
    size = 0
    for item in [given] if isinstance(given, (str, bytes)) else given:
        value = getattr(item, "path", item)
        if isinstance(value, bytes) and len(value) == 32:
            value = value.hex()
        if hasattr(value, "as_py"):  # a value of an Arrow array
            value = value.as_py()
        if not isinstance(value, str):
            raise InvalidInput(
                f"{type(item).__name__} is nothing to pick by",
                hint="give paths, object ids (64 hex digits) or examples",
            )
        text = value.removeprefix("./")
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            raise InvalidInput(f"the path '{printable(text)}' is not UTF-8") from None
        if not text or length > PATH_BYTES_MAX or "\0" in text:
            raise InvalidInput(
                f"'{printable(text[:80])}' is no path of an example and no object id"
            )
        if text not in found:
            found[text] = None
            size += length + 1
            if size > LIST_BYTES_MAX:
                raise InvalidInput(f"a list of picks has at most {LIST_BYTES_MAX:,} bytes")
    return list(found)
