"""The plain part of YAML that `data.yaml` files of detectors are written in.

Mappings and lists by indentation or in brackets, scalars, and blocks of text after `|` or `>` (such
as the script of a download, which is text here). Hides nothing else on purpose: no tags, anchors or
aliases, so a document is as large as it looks and makes nothing but texts, numbers, lists and
mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOW = re.compile(
    r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\[\]{},:"'][^\[\]{},:]*(?::(?!\s)[^\[\]{},:]+)*"""
)
_BLOCK = re.compile(r"([|>])([-+]?)")
_IN_QUOTES = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^']|'')*'""")
_PAIR = r"u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"  # of halves, as JSON has them
_ESCAPE = re.compile(rf"\\({_PAIR}|x[0-9A-Fa-f]{{2}}|u[0-9A-Fa-f]{{4}}|U[0-9A-Fa-f]{{8}}|.)")
_ESCAPES = {
    "0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f",
    "r": "\r", "e": "\x1b", " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0",
    "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_DEPTH_MAX = 20


class NotPlain(ValueError):
    """The text is not YAML, or more of it than is read; `line` counts from 1."""

    def __init__(self, line: int, problem: str):
        super().__init__(problem)
        self.line = line


def parse(text: str) -> Any:
    """Returns what the document says. Raises NotPlain."""
    lines: list[tuple[int, int, str]] = []
    blocks: dict[int, str] = {}
    written = text.split("\n")
    end = 0  # of a block of text, as the number of its last line
    for number, line in enumerate(written, 1):
        told = _without_comment(line.rstrip())
        if number <= end or not told.strip() or (told in ("---", "...") and not lines):
            continue
        indent = len(told) - len(told.lstrip())
        if "\t" in told[:indent]:
            raise NotPlain(number, "a tab stands where blanks should")
        lines.append((number, indent, told.strip()))
        begun = _begins_block(told.strip())
        if begun is not None:
            blocks[number], end = _block(written, number, indent, begun)
    reader = _Reader(_joined(lines), blocks)
    value = reader.block(0, 0) if reader.lines else None
    if reader.at < len(reader.lines):
        raise NotPlain(reader.lines[reader.at][0], "the indentation fits nothing above")
    return value


def _begins_block(told: str) -> re.Match[str] | None:
    """Returns how a text begins that goes over the lines below; None where none does."""
    if told[-1] not in "|>-+":
        return None
    named = _key(told)
    rest = named[1] if named else told[2:].strip() if told.startswith("- ") else ""
    return _BLOCK.fullmatch(rest)


def _block(lines: list[str], number: int, indent: int, begun: re.Match[str]) -> tuple[str, int]:
    """Returns the text below a line, and the number of its last line."""
    end = number
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip(" ")) > indent
    ):
        end += 1
    found = [line.removesuffix("\r") for line in lines[number:end]]
    first = next((line for line in found if line.strip()), "")
    margin = len(first) - len(first.lstrip(" "))
    between, last = ("\n" if begun[1] == "|" else " "), ("" if begun[2] == "-" else "\n")
    told = between.join(line[margin:] for line in found).rstrip("\n ")
    return told + last if told else "", end


def _outside(line: str) -> Iterator[tuple[int, str]]:
    """Yields the letters that are in no quotes, with their places."""
    at, before, only_dashes = 0, "", True
    while at < len(line):
        char = line[at]
        if char in "'\"" and (only_dashes or before in "[{,:"):
            match = _IN_QUOTES.match(line, at)
            if match is None:
                return  # never closed, which is told when the value is read
            at, before, only_dashes = match.end(), char, False
            continue
        yield at, char
        if char != " ":
            before, only_dashes = char, only_dashes and char == "-"
        at += 1


def _without_comment(line: str) -> str:
    if "#" in line:
        for at, char in _outside(line):
            if char == "#" and (at == 0 or line[at - 1] in " \t"):
                return line[:at].rstrip()
    return line


def _joined(lines: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Puts a list or mapping in brackets that goes over several lines into one."""
    found: list[tuple[int, int, str]] = []
    parts: list[str] = []
    open_ = 0
    for number, indent, told in lines:
        depth = _brackets(told, open_ > 0)
        if not open_:
            found.append((number, indent, told))
            parts = [told]
        else:
            parts.append(told)
        open_ += depth
        if open_ <= 0:
            first = found[-1]
            found[-1] = (first[0], first[1], " ".join(parts))
            open_ = 0
    if open_:
        raise NotPlain(found[-1][0], "a bracket is not closed")
    return found


def _brackets(told: str, within: bool) -> int:
    """Returns how many more brackets are opened than closed; of a plain text none is."""
    if not within:
        named = _key(told)
        value = named[1] if named else told.removeprefix("- ").lstrip()
        if value[:1] not in ("[", "{"):
            return 0
    return sum((c in "[{") - (c in "]}") for _, c in _outside(told))


def _key(told: str) -> tuple[str, str] | None:
    """Returns a name and what follows its colon; None where there is no name."""
    if told[0] in "'\"":
        match = _IN_QUOTES.match(told)
        rest = told[match.end() :].lstrip() if match else ""
        if match is None or (rest != ":" and not rest.startswith(": ")):
            return None
        return match[0], rest[1:].strip()
    if told[0] in "[]{}&*!|>%@`,":
        return None
    at = told.find(": ")
    if at < 0 and told.endswith(":"):
        at = len(told) - 1
    return None if at < 1 else (told[:at].rstrip(), told[at + 1 :].strip())


class _Reader:
    def __init__(self, lines: list[tuple[int, int, str]], blocks: dict[int, str]):
        self.lines, self.blocks, self.at = lines, blocks, 0

    def block(self, indent: int, depth: int) -> Any:
        number, found, told = self.lines[self.at]
        if depth > _DEPTH_MAX:
            raise NotPlain(number, "this is nested too deeply")
        if found < indent:
            raise NotPlain(number, "the indentation fits nothing above")
        if told == "-" or told.startswith("- "):
            return self._list(found, depth)
        if _key(told):
            return self._mapping(found, depth)
        self.at += 1
        return _scalar(told, number, depth)

    def _list(self, indent: int, depth: int) -> list[Any]:
        values = []
        while self.at < len(self.lines):
            number, found, told = self.lines[self.at]
            if found != indent or not (told == "-" or told.startswith("- ")):
                break
            rest = told[1:].strip()
            self.at += 1
            if number in self.blocks:
                values.append(self.blocks[number])
            elif rest:
                if _key(rest):
                    raise NotPlain(number, "a mapping in a list is more YAML than is read")
                values.append(_scalar(rest, number, depth))
            else:
                values.append(self._below(indent + 1, depth))
        return values

    def _mapping(self, indent: int, depth: int) -> dict[Any, Any]:
        values: dict[Any, Any] = {}
        while self.at < len(self.lines):
            number, found, told = self.lines[self.at]
            named = _key(told) if found == indent else None
            if named is None:
                break
            key = _scalar(named[0], number, depth)
            if not isinstance(key, str | int) or key in values:
                raise NotPlain(number, f"the name {named[0]:.40} cannot stand here, or does twice")
            self.at += 1
            rest = named[1]
            if number in self.blocks:
                values[key] = self.blocks[number]
                continue
            # A list may begin right below its name, without being indented.
            values[key] = _scalar(rest, number, depth) if rest else self._below(
                indent + 1, depth, lists_from=indent
            )  # fmt: skip
        return values

    def _below(self, indent: int, depth: int, lists_from: int | None = None) -> Any:
        if self.at == len(self.lines):
            return None
        _, found, told = self.lines[self.at]
        is_list = told == "-" or told.startswith("- ")
        if found >= indent or (is_list and lists_from is not None and found >= lists_from):
            return self.block(found, depth + 1)
        return None


def _scalar(text: str, number: int, depth: int) -> Any:
    if text[0] in "[{":
        value, end = _flow(text, 0, number, depth + 1)
        if text[end:].strip():
            raise NotPlain(number, "there is more after the bracket")
        return value
    if text[0] in "&*!|>%@`":
        raise NotPlain(number, f"'{text[0]}' begins more YAML than is read")
    if text[0] == '"':
        return _unquoted(text, number)
    if text[0] == "'":
        if _IN_QUOTES.fullmatch(text) is None:
            raise NotPlain(number, "the text in quotes is not closed")
        return text[1:-1].replace("''", "'")
    if _INT.fullmatch(text):
        return int(text)
    return {"null": None, "~": None, "true": True, "false": False}.get(text, text)


def _unquoted(text: str, number: int) -> str:
    """Returns the text in double quotes, with what its escapes stand for."""
    if _IN_QUOTES.fullmatch(text) is None:
        raise NotPlain(number, "the text in quotes is not closed")

    def told(match: re.Match[str]) -> str:
        escape = match[1]
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        if len(escape) == 11:
            high, low = int(escape[1:5], 16), int(escape[7:], 16)
            return chr(0x10000 + (high - 0xD800 << 10) + low - 0xDC00)
        code = int(escape[1:], 16) if len(escape) > 1 else -1
        if not 0 <= code <= 0x10FFFF or 0xD800 <= code < 0xE000:
            raise NotPlain(number, f"'\\{escape[:9]}' stands for no letter")
        return chr(code)

    return _ESCAPE.sub(told, text[1:-1])


def _flow(text: str, at: int, number: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH_MAX:
        raise NotPlain(number, "this is nested too deeply")
    closing = "]" if text[at] == "[" else "}"
    items: list[Any] = []
    members: dict[Any, Any] = {}
    at += 1
    while True:
        at = _skip(text, at)
        if text[at : at + 1] == closing:
            return (items if closing == "]" else members), at + 1
        value, at = _flow_value(text, at, number, depth)
        at = _skip(text, at)
        if closing == "}":
            if text[at : at + 1] != ":" or not isinstance(value, str | int) or value in members:
                raise NotPlain(number, "a mapping in brackets has names and values")
            members[value], at = _flow_value(text, _skip(text, at + 1), number, depth)
            at = _skip(text, at)
        else:
            items.append(value)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != closing:
            raise NotPlain(number, f"',' or '{closing}' is missing")


def _flow_value(text: str, at: int, number: int, depth: int) -> tuple[Any, int]:
    if text[at : at + 1] in ("[", "{"):
        return _flow(text, at, number, depth + 1)
    match = _FLOW.match(text, at)
    if match is None or not match[0].strip():
        raise NotPlain(number, "a value is missing")
    return _scalar(match[0].strip(), number, depth), match.end()


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] == " ":
        at += 1
    return at
