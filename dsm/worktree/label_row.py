"""What is said of one example, and the spelling of annotations: compact JSON with sorted names."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dsm.model.example import AttributeValue, Example

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """What a label file says of one path; None where it says nothing.

    `labels` is () when the row says that there are none. `time_us` is in microseconds since 1970
    in UTC, `annotation` is JSON text with sorted keys and no blanks; when it `adds_members`, other
    members of the annotation that there was stay.
    """

    labels: tuple[str, ...] | None = None
    time_us: int | None = None
    annotation: str | None = None
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    adds_members: bool = False

    def annotated(self, before: str | None) -> str | None:
        """Returns the annotation of an example that had this one before."""
        if self.annotation is None:
            return before
        if self.adds_members and before is not None:
            held = json.loads(before)
            if isinstance(held, dict):
                return json_text({**held, **json.loads(self.annotation)})
        return self.annotation

    def said_of(self, example: Example) -> Example:
        """Returns an example as this row has it; what it does not say stays."""
        return replace(
            example,
            labels=example.labels if self.labels is None else tuple(sorted(set(self.labels))),
            time=example.time if self.time_us is None else self.time_us,
            time_given=example.time_given or self.time_us is not None,
            annotation=self.annotated(example.annotation),
            attributes={**example.attributes, **self.attributes},
        )


def _strict_decoder() -> json.JSONDecoder:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            raise ValueError("an object has the same name twice")
        return members

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number in JSON")

    return json.JSONDecoder(object_pairs_hook=unique, parse_constant=refuse)


STRICT = _strict_decoder()  # refuses names that occur twice, and what is no number in JSON


def json_text(value: object) -> str:
    """Returns compact JSON with sorted keys; raises ValueError."""
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
    except (TypeError, RecursionError) as error:  # a date within a Parquet struct, say
        raise ValueError(f"the annotation is not JSON: {error}") from None
    if not is_utf8(text):
        raise ValueError("the annotation holds half a character (a lone surrogate)")
    return text


def annotation_text(text: str) -> str:
    """Returns the JSON that the text is, else the text as a JSON string; raises ValueError."""
    try:
        value = STRICT.decode(text)
    except (ValueError, RecursionError) as error:
        wrong = isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError)
        if wrong and text.lstrip()[:1] in ("{", "["):
            raise
        value = text  # the word NaN is a transcript here
    return json_text(value)


def annotations_of(
    told: Sequence[Any] | None, members: Sequence[dict[str, Any] | None]
) -> list[Any]:
    """Returns the annotations of a table, with what its columns of lists and objects say.

    Text that is JSON of a list, an object or a text is that, as in CSV. Its members count before
    those of columns: image folders repeat objects, as lists that are empty where none are said.
    """
    if told is None:
        return list(members)
    found: list[Any] = []
    for at, value in enumerate(told):
        beside = dict((members[at] if members else None) or {})
        if isinstance(value, str) and value.lstrip().startswith(("{", "[", '"')):
            with contextlib.suppress(ValueError, RecursionError):  # a text that begins like that
                value = STRICT.decode(value)
        objects = beside.get("objects")
        if objects == {"bbox": [], "categories": []}:
            del beside["objects"]
        if isinstance(value, dict):
            value = {**beside, **value}
        elif beside:
            value = beside if value is None else {**beside, "annotation": value}
        found.append(value)
    return found


def as_said(columns: dict[str, Any]) -> dict[str, Any]:
    """Returns the columns of a table; of metadata that `dsm get` wrote, those that say something.

    There `attr.NAME` is an attribute, and the object, the size and the like are of the bytes.
    """
    if not {"file_name", "path", "object", "changeset"} <= columns.keys():
        return columns
    other = {"path", "object", "offset", "length", "size", "changeset", "label"}
    return {
        name.removeprefix("attr."): values for name, values in columns.items() if name not in other
    }


def is_utf8(text: str) -> bool:
    """Whether the text can be written: no half of a character is in it."""
    return text.isascii() or not _SURROGATE.search(text)
