"""Path patterns: what a path says about its example, as in `{split}/{label}/{name}.jpg`.

A pattern describes the whole path below the dataset's root and compiles to one regular expression.
The invariant: no path takes long, because each segment is settled before the next is looked at and
nothing settled is reconsidered: the time grows with the path's length, and at worst with the square
of a segment's.

- `{label}` gives a label (it may occur more than once), `{time}` the time of the example, any
  other `{name}` an attribute: text, or typed by `{name:int}`, `{name:float}`, `{name:bool}`.
  A value that does not fit its type means that the path does not match. `{_}` is dropped.
- A field takes one or more characters of one segment. Where there is a choice, fields take as much
  as they can from left to right: `{name}.{ext}` splits `a.tar.gz` into `a.tar` and `gz`.
- A name that occurs again must have the same text again, which its first occurrence decides.
- `*` and `?` are as in shell globs, within one segment; `**` as a whole segment is any number of
  folders, as few as possible; at the end of a pattern it is everything below. `{{` and `}}` are
  braces. All else stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dsm.errors import InvalidInput
from dsm.model.example import AttributeValue
from dsm.model.names import check_attribute_name, check_label, printable
from dsm.model.timespec import TIME_SHAPE, parse_instant

PATTERN_CHARS_MAX = 1000
ANY_FOLDERS_MAX = 8

_SOME = "[^/]+"
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _fits_int64(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("not an int64")
    return number


def _is_finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("not finite")
    return number


# type -> what its text looks like, and text -> value (ValueError: it does not fit). `++` takes all
# digits at once: what follows a number in a pattern never begins with one.
_TYPES: dict[str, tuple[str, Callable[[str], AttributeValue]]] = {
    "str": (_SOME, str),
    "int": ("-?[0-9]++", _fits_int64),
    "float": (r"-?[0-9]++(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?", _is_finite),
    "bool": ("(?i:true|false|1|0)", lambda text: text.lower() in ("true", "1")),
}


@dataclass(frozen=True, slots=True)
class Match:
    """What a path says: labels without repetition, UTC microseconds, typed attributes."""

    labels: tuple[str, ...]
    time_us: int | None
    attributes: dict[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A compiled pattern; equal when its text is."""

    text: str
    _regex: re.Pattern[str] = field(repr=False, compare=False)
    # Positions among the groups of the expression.
    _labels: tuple[int, ...] = field(repr=False, compare=False)
    _time: int | None = field(repr=False, compare=False)
    _texts: tuple[tuple[str, int], ...] = field(repr=False, compare=False)
    _typed: tuple[tuple[str, int, str], ...] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Returns the compiled pattern; raises InvalidInput that names the place of a mistake."""
        reader = _Reader(text)
        segments = reader.segments()
        groups = reader.groups
        return cls(
            text,
            re.compile(_expression(segments)),
            tuple(i for i, (name, _) in enumerate(groups) if name == "label"),
            next((i for i, (name, _) in enumerate(groups) if name == "time"), None),
            tuple(
                (name, i)
                for i, (name, kind) in enumerate(groups)
                if kind == "str" and name not in _SPECIAL
            ),
            tuple((name, i, kind) for i, (name, kind) in enumerate(groups) if kind != "str"),
        )

    def match(self, path: str) -> Match | None:
        """Returns what `path`, relative to the dataset's root, says; None when it does not fit."""
        found = self._regex.fullmatch(path)
        if found is None:
            return None
        groups = found.groups()
        attributes: dict[str, AttributeValue] = {name: groups[i] for name, i in self._texts}
        try:
            labels = tuple([check_label(groups[i]) for i in self._labels])
            time_us = None if self._time is None else parse_instant(groups[self._time])
            for name, i, kind in self._typed:
                attributes[name] = _TYPES[kind][1](groups[i])
        except ValueError:  # InvalidInput is one too
            return None
        if len(labels) > 1:
            labels = tuple(dict.fromkeys(labels))
        return Match(labels, time_us, attributes)

    def time_of(self, path: str) -> int | None:
        """Returns the time that `path` tells, in microseconds UTC; None when it tells none."""
        match = None if self._time is None else self.match(path)
        return None if match is None else match.time_us


_SPECIAL = ("label", "time")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a segment: `captured` and, without groups, `shape` are its expressions."""

    captured: str
    shape: str
    # Takes any text: a field without a type, or `*`.
    wild: bool = False
    # Its length is not known before it is matched.
    open_ended: bool = False
    # The group that it makes; the group whose text it repeats.
    group: str | None = None
    refers: str | None = None


# A segment of the pattern; None is `**`.
_Segment = list[_Piece] | None


class _Reader:
    """Reads the text of a pattern into segments, and collects the groups of its fields."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.groups: list[tuple[str, str]] = []  # (name, type), in the order of the groups
        self._group_of: dict[str, int] = {}

    def segments(self) -> list[_Segment]:
        text = self._text
        if not text:
            raise self._wrong("it is empty", None, "write one such as {label}/{name}.jpg")
        if len(text) > PATTERN_CHARS_MAX:
            raise self._wrong(f"it is longer than {PATTERN_CHARS_MAX} characters", None)
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise self._wrong("it is not UTF-8", None)
        segments: list[_Segment] = []
        at = 0
        while at <= len(text):
            if text.startswith("**", at) and text[at + 2 : at + 3] in ("", "/"):
                segment, end = None, at + 2
            else:
                segment, end = self._segment(at)
            if segment is None and segments and segments[-1] is None:
                segments.pop()  # `**/**` says no more than `**`
            segments.append(segment)
            at = end + 1
        if segments.count(None) > ANY_FOLDERS_MAX:
            raise self._wrong(f"it has more than {ANY_FOLDERS_MAX} '**'", None)
        return segments

    def _segment(self, start: int) -> tuple[list[_Piece], int]:
        """Returns the pieces of the segment that begins at `start`, and where it ends."""
        text, at = self._text, start
        pieces: list[_Piece] = []
        while at < len(text) and text[at] != "/":
            char = text[at]
            if text.startswith(("{{", "}}"), at):
                piece, end = _literal(char), at + 2
            elif char == "{":
                piece, end = self._field(at)
            elif char == "}":
                raise self._wrong("a '}' closes nothing", at, "write '}}' for a brace itself")
            elif text.startswith("**", at):
                hint = "write '*' for any text, '/**/' for any folders"
                raise self._wrong("'**' is not a whole segment", at, hint)
            elif char == "*":
                piece, end = _Piece("[^/]*", "[^/]*", wild=True, open_ended=True), at + 1
            elif char == "?":
                piece, end = _Piece("[^/]", "[^/]"), at + 1
            else:
                piece, end = _literal(char), at + 1
            if pieces and _runs_on(pieces[-1], piece, char):
                hint = "put a character between them that tells where the first one ends"
                raise self._wrong("this touches the field or wildcard before it", at, hint)
            pieces.append(piece)
            at = end
        if text[start:at] in ("", ".", ".."):
            hint = "write it relative to the dataset's root, as paths are listed by dsm"
            raise self._wrong(f"the segment '{text[start:at]}' matches no path", start, hint)
        return pieces, at

    def _field(self, start: int) -> tuple[_Piece, int]:
        text = self._text
        end = start + 1
        while end < len(text) and text[end] not in "{}/":
            end += 1
        if text[end : end + 1] != "}":
            raise self._wrong("a '{' is not closed", start, "write '{{' for a brace itself")
        name, typed, kind = text[start + 1 : end].partition(":")
        if not _IDENTIFIER.fullmatch(name):
            hint = "use letters, digits and '_'; {_} drops what it matches"
            raise self._wrong(f"'{{{name}}}' is not a field's name", start, hint)
        if typed and kind not in _TYPES:
            hint = f"use one of {', '.join(_TYPES)}"
            raise self._wrong(f"'{kind}' is not a type of a field", start, hint)
        if typed and name in _SPECIAL:
            raise self._wrong(f"{{{name}}} takes no type", start, f"write {{{name}}}")
        return self._piece(name, kind or "str", start), end + 1

    def _piece(self, name: str, kind: str, start: int) -> _Piece:
        shape = TIME_SHAPE if name == "time" else _TYPES[kind][0]
        wild = shape is _SOME
        if name == "_":
            return _Piece(shape, shape, wild=wild, open_ended=True)
        if name not in _SPECIAL:
            try:
                check_attribute_name(name)
            except InvalidInput as error:
                raise self._wrong(error.message, start, error.hint) from None
        if name in self._group_of and name != "label":
            index = self._group_of[name]
            if name == "time":
                raise self._wrong("{time} occurs twice", start, "write {_} for one of them")
            if self.groups[index][1] != kind:
                hint = "give it the same type each time"
                raise self._wrong(f"{{{name}}} has two types", start, hint)
            group = f"g{index}"
            return _Piece(f"(?P={group})", _SOME, refers=group)
        group = f"g{len(self.groups)}"
        self._group_of[name] = len(self.groups)
        self.groups.append((name, kind))
        return _Piece(f"(?P<{group}>{shape})", shape, wild=wild, open_ended=True, group=group)

    def _wrong(self, problem: str, at: int | None, hint: str | None = None) -> InvalidInput:
        place = "" if at is None else f" (character {at + 1})"
        shown = printable(self._text[:200])
        return InvalidInput(printable(f"pattern '{shown}': {problem}{place}"), hint=hint)


def _runs_on(piece: _Piece, following: _Piece, char: str) -> bool:
    """Returns whether the text does not tell where `piece` ends; `char` begins what follows."""
    if not piece.open_ended:
        return False
    typed = not piece.wild
    return following.open_ended or (
        typed and (char == "?" or char in "0123456789" or following.refers is not None)
    )


def _literal(char: str) -> _Piece:
    return _Piece(re.escape(char), re.escape(char))


def _expression(segments: Sequence[_Segment]) -> str:
    """Returns the regular expression of a whole path.

    Between two `**`, the first place where the segments fit is as good as any later one, and after
    the last `**` their number says where they begin: so both are settled at once.
    """
    if segments[-1] is None:
        segments = [*segments, [_Piece(_SOME, _SOME)]]
    blocks: list[list[str]] = [[]]
    for segment in segments:
        if segment is None:
            blocks.append([])
        else:
            blocks[-1].append(_segment_expression(segment))
    first, *later = blocks
    if not later:
        return "/".join(first)
    *middle, last = later
    parts = [segment + "/" for segment in first]
    for block in middle:
        parts.append(f"(?>(?:{_SOME}/)*?{'/'.join(block)}/)")
    rest = f"(?:{_SOME}/){{{len(last) - 1}}}{_SOME}\\Z"
    parts.append(f"(?>(?:{_SOME}/)*?(?={rest}))" + "/".join(last))
    return "".join(parts)


def _segment_expression(pieces: Sequence[_Piece]) -> str:
    """Returns the expression of one segment, which fits a text in at most one way.

    Fields that take as much as they can would try every division of a text that does not fit:
    255 ** fields of them. So each but the last takes as much as leaves enough for the rest, which
    a look ahead finds out, and then stays.
    """
    if sum(piece.open_ended for piece in pieces) < 2:
        return "".join(piece.captured for piece in pieces)
    wild = [i for i, piece in enumerate(pieces) if piece.wild]
    expression, start = "", 0
    for end in wild[1:]:
        part = "".join(piece.captured for piece in pieces[start:end])
        expression += f"(?>{part}(?={_remainder(pieces[end:])}))"
        start = end
    expression += "".join(piece.captured for piece in pieces[start:])
    return f"(?>{expression}(?=/|\\Z))"


def _remainder(pieces: Sequence[_Piece]) -> str:
    """Returns an expression without groups for the pieces at the end of a segment.

    Here each wild piece is as short as it can be: what follows then fits if it fits at all.
    """
    own_groups = {piece.group for piece in pieces if piece.group}
    settled, open_part = "", ""
    for piece in pieces:
        if piece.refers in own_groups:
            return settled + open_part  # its text is not known yet: what came before must do
        if piece.wild:
            settled += f"(?>{open_part})" if open_part else ""
            open_part = piece.shape + "?"
        else:
            open_part += piece.captured if piece.refers else piece.shape
    return f"{settled}{open_part}(?:/|\\Z)"
