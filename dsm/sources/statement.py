"""One SQL statement: that it is one, that it only reads, and where its parameters stand.

Hides how dialects quote and comment. Invariant: what leaves here as a `Statement` is a single query
under the rules of its dialect, and no value is part of its text: `:name` became a placeholder of
the driver. Text that could be read in two ways is refused, not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from dsm.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a database reads SQL. `placeholder` is formatted with the parameter's number."""

    name: str
    placeholder: str
    first_words: frozenset[str] = frozenset({"select", "with", "values"})
    nested_comments: bool = False
    escape_strings: bool = False  # E'it\'s'
    dollar_quotes: bool = False  # $tag$ ... $tag$
    brackets: bool = False  # [a name] and `a name`
    variables: str = ""  # what begins a variable of the database's own: refused
    known: bool = True


_READS = frozenset({"select", "with", "values", "table"})
POSTGRESQL = Dialect(
    "postgresql", "${}", _READS, nested_comments=True, escape_strings=True, dollar_quotes=True
)  # fmt: skip
DUCKDB = Dialect(
    "duckdb", "${}", _READS | {"from"}, escape_strings=True, dollar_quotes=True, variables="?"
)  # fmt: skip
SQLITE = Dialect("sqlite", "?{}", brackets=True, variables="?@$#")
# A database that is not known: a semicolon may stand at the end only, wherever it seems to be.
UNKNOWN = Dialect("unknown", "?", escape_strings=True, dollar_quotes=True, known=False)


@dataclass(frozen=True, slots=True)
class Statement:
    """A checked query. `parameters` are the names to bind, in order; `text` ends with a newline."""

    text: str
    parameters: tuple[str, ...]
    source: str  # as it was written
    # For each placeholder: where it ends in `text`, and where its `:name` ends in `source`.
    _marks: tuple[tuple[int, int], ...]
    _pieces: tuple[str, ...]

    def place(self, position: int) -> tuple[int, int, str]:
        """Returns line, column and word of a character of `text` (from 1), as it was written."""
        offset = position - 1
        for in_text, in_source in reversed(self._marks):
            if in_text <= offset:
                offset += in_source - in_text
                break
        offset = max(0, min(offset, len(self.source)))
        before = self.source[:offset]
        word = re.match(r"[:\w.\"]{1,60}|\S?", self.source[offset:])
        return before.count("\n") + 1, offset - before.rfind("\n"), word.group() if word else ""

    def with_nulls(self) -> str:
        """Returns the text with NULL for every parameter, to ask for the columns alone."""
        return "NULL".join(self._pieces)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "space", "comment", "quoted", "parameter", "end", "word", "other"
    start: int
    end: int


class NotOneQuery(InvalidInput):
    """The text is not exactly one query that only reads."""

    code = "not-one-query"


def parse(text: str, dialect: Dialect) -> Statement:
    """Checks a query and finds its parameters. Raises NotOneQuery."""
    if not text.strip():
        raise NotOneQuery("the query is empty")
    if "\0" in text:
        raise NotOneQuery("the query holds a NUL character")
    tokens = list(_tokens(text, dialect))
    ends = [token for token in tokens if token.kind == "end"]
    stop = ends[0].start if ends else len(text)
    for token in tokens:
        if token.start > stop and token.kind not in ("space", "comment", "end"):
            raise NotOneQuery(
                f"the query has a second statement, {_where(text, token.start)}",
                hint="a source runs one query; write what belongs together as WITH … SELECT …",
            )
    tokens = [token for token in tokens if token.start < stop]
    if not dialect.known and ";" in text[:stop].rstrip():
        raise NotOneQuery(
            f"the query has a semicolon before its end, {_where(text, text.index(';'))}",
            hint="for a database whose SQL dsm does not know, give such text as a parameter",
        )
    _check_first_word(text, tokens, dialect)
    return _with_placeholders(text[:stop], tokens, dialect)


def _check_first_word(text: str, tokens: list[_Token], dialect: Dialect) -> None:
    for token in tokens:
        word = text[token.start : token.end].lower()
        if token.kind in ("space", "comment") or word == "(":
            continue
        if token.kind == "word" and word in dialect.first_words:
            return
        words = ", ".join(sorted(dialect.first_words)).upper()
        raise NotOneQuery(
            f"the query does not begin as one that reads, {_where(text, token.start)}",
            hint=f"it begins with one of {words}",
        )
    raise NotOneQuery("the query is empty")


def _with_placeholders(text: str, tokens: list[_Token], dialect: Dialect) -> Statement:
    names: list[str] = []
    pieces, marks, at, length = [], [], 0, 0
    for token in tokens:
        if token.kind != "parameter":
            continue
        name = text[token.start + 1 : token.end]
        if name not in names or not dialect.known:
            names.append(name)
        piece = text[at : token.start]
        placeholder = dialect.placeholder.format(
            names.index(name) + 1 if dialect.known else len(names)
        )
        pieces.append((piece, placeholder))
        length += len(piece) + len(placeholder)
        at = token.end
        marks.append((length, at))
    # A newline, so that whatever a driver puts behind the query is not part of a comment.
    rest = text[at:] + "\n"
    whole = "".join(piece + placeholder for piece, placeholder in pieces) + rest
    parts = (*(piece for piece, _ in pieces), rest)
    return Statement(whole, tuple(names), text, tuple(marks), parts)


def definition_of(view: str) -> str:
    """Returns the query of a `CREATE VIEW … AS …` as DuckDB writes it down. Raises NotOneQuery."""
    depth = 0
    for token in _tokens(view, DUCKDB):
        text = view[token.start : token.end]
        depth += (text == "(") - (text == ")")
        if token.kind == "word" and text.lower() == "as" and not depth:
            return view[token.end :].strip().rstrip(";")
    raise NotOneQuery("a view that the query uses is none that dsm can read")


def called_names(statement: Statement, dialect: Dialect) -> set[str]:
    """Returns the names that stand before a parenthesis, as PostgreSQL folds them: functions, among
    others. Raises NotOneQuery when a name is spelt by escapes, `U&"…"`."""
    text, found = statement.source, set()
    if re.search(r'(?<![\w$])[uU]&"', _without_quoted(text, dialect)):
        raise NotOneQuery("the query spells a name by escapes, which cannot be checked")
    tokens = [t for t in _tokens(text, dialect) if t.kind not in ("space", "comment")]
    for token, after in pairwise(tokens):
        name = text[token.start : token.end]
        if text[after.start : after.end] != "(":
            continue
        if token.kind == "word":
            found.add(name.lower())
        elif token.kind == "quoted" and name.startswith('"'):
            found.add(name[1:-1].replace('""', '"'))
    return found


def _without_quoted(text: str, dialect: Dialect) -> str:
    """Returns the text with the content of quotes and comments left out."""
    return "".join(
        text[t.start]
        if t.kind == "quoted"
        else ""
        if t.kind == "comment"
        else text[t.start : t.end]
        for t in _tokens(text, dialect)
    )


def quoted(name: str) -> str:
    """Returns the name of a column as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


# --- reading --------------------------------------------------------------------------------

_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_WORD = re.compile(r"[^\W\d][\w$]*")
_NUMBER = re.compile(r"\d[\w.]*")
_DOLLAR = re.compile(r"\$(?:[^\W\d]\w*)?\$")
_PARAMETER = re.compile(r":[A-Za-z_]\w*", re.ASCII)
# What can stand before the colon of an array slice, of a key, or of a cast.
_BEFORE_COLON = re.compile(r"[\w'\"\]):`]")


def _tokens(text: str, dialect: Dialect) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        kind, end = _next(text, at, dialect)
        yield _Token(kind, at, end)
        at = end


def _next(text: str, at: int, dialect: Dialect) -> tuple[str, int]:
    char, two = text[at], text[at : at + 2]
    if found := _SPACE.match(text, at):
        return "space", found.end()
    if two == "--":
        # PostgreSQL ends such a comment at either; where others disagree, it is refused.
        end = min((i for i in (text.find("\n", at), text.find("\r", at)) if i >= 0), default=-1)
        if end >= 0 and text[end] == "\r" and text[end : end + 2] != "\r\n":
            raise NotOneQuery(f"the query has a bare carriage return, {_where(text, end)}")
        return "comment", len(text) if end < 0 else end
    if two == "/*":
        return "comment", _comment_end(text, at, dialect)
    if char in "'\"":
        return "quoted", _quoted_end(text, at, char)
    if dialect.brackets and char in "`[":
        return "quoted", _quoted_end(text, at, "`" if char == "`" else "]")
    if char == "$" and dialect.dollar_quotes and (tag := _DOLLAR.match(text, at)):
        end = text.find(tag.group(), tag.end())
        if end < 0:
            raise _unfinished("quoted text", text, at)
        return "quoted", end + len(tag.group())
    return _plain(text, at, dialect)


def _plain(text: str, at: int, dialect: Dialect) -> tuple[str, int]:
    char = text[at]
    if word := _WORD.match(text, at):
        quoted = text[word.end() : word.end() + 1] == "'"
        if quoted and word.group().lower() == "e" and dialect.escape_strings:
            return "quoted", _escaped_end(text, word.end())
        return "word", word.end()
    if number := _NUMBER.match(text, at):
        return "other", number.end()
    if char == ";":
        return "end", at + 1
    if char == ":":
        slice_or_cast = at > 0 and _BEFORE_COLON.match(text[at - 1])
        if not slice_or_cast and (found := _PARAMETER.match(text, at)):
            return "parameter", found.end()
        # The second colon of a cast belongs to the first.
        return "other", at + (2 if text.startswith("::", at) else 1)
    if char in dialect.variables:
        raise NotOneQuery(
            f"the query has a parameter without a name, {_where(text, at)}",
            hint="write parameters as :name",
        )
    return "other", at + 1


def _comment_end(text: str, at: int, dialect: Dialect) -> int:
    depth, here = 1, at + 2
    while depth:
        close, opening = text.find("*/", here), text.find("/*", here)
        if close < 0:
            raise _unfinished("comment", text, at)
        if 0 <= opening < close:
            if not dialect.nested_comments:
                raise NotOneQuery(
                    f"the query has a comment within a comment, {_where(text, opening)}",
                    hint="databases disagree where such a comment ends; take one away",
                )
            depth, here = depth + 1, opening + 2
        else:
            depth, here = depth - 1, close + 2
    return here


def _quoted_end(text: str, at: int, quote: str) -> int:
    here = at + 1
    while True:
        end = text.find(quote, here)
        if end < 0:
            raise _unfinished("quoted text", text, at)
        if quote == "]" or text[end + 1 : end + 2] != quote:
            return end + 1
        here = end + 2


def _escaped_end(text: str, at: int) -> int:
    here = at + 1
    while here < len(text):
        if text[here] == "\\" or text[here : here + 2] == "''":
            here += 2
        elif text[here] == "'":
            return here + 1
        else:
            here += 1
    raise _unfinished("quoted text", text, at)


def _unfinished(what: str, text: str, at: int) -> NotOneQuery:
    return NotOneQuery(f"the query has {what} without an end, {_where(text, at)}")


def _where(text: str, at: int) -> str:
    before = text[:at]
    return f"in line {before.count(chr(10)) + 1}, column {at - before.rfind(chr(10))}"
