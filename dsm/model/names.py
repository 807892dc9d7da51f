"""What a name may be, and how a name is shown.

Paths of examples, names of datasets, tags and attributes, labels. The invariant: a name that has
passed its check can be stored, sent and restored on any machine without reaching outside its
folder or into `.dsm`, and `printable` of any text whatever cannot steer a terminal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dsm.errors import InvalidInput

# The key of the trailers that `dsm commit --derived-from` makes.
DERIVED_FROM = "derived-from"
PATH_BYTES_MAX = 4096
COMPONENT_BYTES_MAX = 255
LABEL_CHARS_MAX = 255
ATTRIBUTE_CHARS_MAX = 100

# The columns of a manifest, and the words that label files and patterns use for them.
RESERVED_ATTRIBUTES = frozenset(
    ["path", "op", "object", "offset", "length", "size", "time", "label", "labels", "annotation"]
)

_PROTECTED = (".dsm", ".git")
# Expressions are texts here, which `re` compiles when the first of them is used: every command
# loads this module, and few need more than one of them.
_PLAIN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_ILLEGAL_RUN = r"[^A-Za-z0-9._-]+"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]"
# Controls, line and paragraph separators, everything that turns the writing direction, and lone
# surrogates (bytes of a file name that are not UTF-8).
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSAFE_CHAR = f"[{_UNSAFE}]"
_UNSAFE_OR_BACKSLASH = rf"[{_UNSAFE}\\]"
_SHORT_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\"}
# Unicode's Default_Ignorable_Code_Point: drawn as nothing, skipped by some file systems.
_IGNORABLE = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# Applied after case folding, so that a letter and its capital share a key; a pair such as Greek
# nu, whose capital looks like N and whose small letter looks like v, can follow only one of them.
_HOMOGLYPHS = str.maketrans(
    "авеёіїјкмнорстухѕһԁԛԝӏ" + "αβεγηικμνορτυχζ",
    "abeëiïjkmhopctyxshdqwl" + "abeyhikmvoptuxz",
)


def check_path(path: str) -> str:
    """Returns `path`, a legal path of an example below its dataset's root.

    Raises InvalidInput when it is empty, absolute, longer than 4096 bytes, not UTF-8, or has a
    component that is empty, `.`, `..`, longer than 255 bytes or an alias of `.dsm` or `.git`.
    """
    # Called for every file of a scan: plain ASCII without a hidden component is settled here.
    if (
        path.isascii()
        and 0 < len(path) <= COMPONENT_BYTES_MAX
        and "/." not in path
        and "//" not in path
        and "\0" not in path
        and path[0] not in "/."
        and path[-1] != "/"
    ):
        return path
    return _check_unusual_path(path)


def check_paths(paths: Sequence[str]) -> None:
    """Raises what `check_path` raises for any of these."""
    # All together, as `check_path` does for one: between two slashes no component is hidden.
    text = "/" + "/".join(paths) + "/"
    if (
        text.isascii()
        and "/." not in text
        and "//" not in text
        and "\0" not in text
        and max(map(len, paths), default=0) <= COMPONENT_BYTES_MAX
    ):
        return
    for path in paths:
        check_path(path)


def _check_unusual_path(path: str) -> str:
    if not path:
        raise InvalidInput("a path is empty", hint="name a file below the dataset's root")
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        raise InvalidInput(
            f"the name {quoted(path)} is not UTF-8",
            hint="rename the file; dsm keeps names as UTF-8 text",
            items=(printable(path),),
        ) from None
    if "\0" in path:
        raise _bad_path(path, "contains a NUL character")
    if path[0] == "/":
        raise _bad_path(path, "is absolute", "give it relative to the dataset's root")
    if len(encoded) > PATH_BYTES_MAX:
        raise _bad_path(path, f"is {len(encoded)} bytes long (at most {PATH_BYTES_MAX})")
    for component in path.split("/"):
        if component == "":
            raise _bad_path(path, "has an empty component", "remove the extra '/'")
        if component in (".", ".."):
            raise _bad_path(path, f"has the component '{component}'", "write it without")
        if len(component.encode()) > COMPONENT_BYTES_MAX:
            raise _bad_path(path, f"has a component of over {COMPONENT_BYTES_MAX} bytes")
        if component in _PROTECTED:
            raise _bad_path(path, f"lies in {component}, which is never part of a dataset")
        if (component[0] == "." or not component.isascii()) and is_protected_name(component):
            raise _bad_path(
                path,
                f"has the component {quoted(component)}, which some file systems take for "
                "'.dsm' or '.git'",
                "rename it",
            )
    return path


def is_protected_name(component: str) -> bool:
    """Whether this is the name of a folder of dsm or git, or some file system takes it so."""
    return _folded(component) in _PROTECTED


def is_store_name(component: str) -> bool:
    """Whether this is the name of a repository's own folder, or some file system takes it so."""
    return _folded(component) == _PROTECTED[0]


def _folded(component: str) -> str:
    if not component.isascii():
        from unicodedata import normalize

        component = re.sub(_IGNORABLE, "", normalize("NFKC", component))
    return component.casefold().rstrip(". ")


def _bad_path(path: str, problem: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(f"the path {quoted(path)} {problem}", hint=hint, items=(printable(path),))


def check_dataset_name(name: str) -> str:
    """Returns `name`, a legal name of a dataset; raises InvalidInput."""
    return _check_plain_name("dataset", name)


def is_plain_name(name: str) -> bool:
    """Tells whether a dataset, tag, view or source could have this name."""
    return re.fullmatch(_PLAIN_NAME, name) is not None


def check_tag_name(name: str, what: str = "tag") -> str:
    """Returns `name`, a legal name of a tag, or of what is named like one; raises InvalidInput.

    A tag is neither a number nor `head`, which name changesets already.
    """
    _check_plain_name(what, name)
    if name.isdigit():
        raise InvalidInput(
            f"the {what} name '{name}' would hide changeset {name}", hint=f"try 'v{name}'"
        )
    if name.lower() == "head":
        raise InvalidInput(f"the {what} name '{name}' means the newest changeset already")
    return name


def _check_plain_name(what: str, name: str) -> str:
    if not re.fullmatch(_PLAIN_NAME, name):
        raise InvalidInput(
            f"{quoted(name)} cannot name a {what}",
            hint="use 1 to 100 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    if ".." in name or name.endswith(".") or name.lower().endswith(".lock"):
        raise InvalidInput(
            f"'{name}' cannot name a {what}", hint="avoid '..', and '.' or '.lock' at the end"
        )
    return name


def dataset_name_for(folder_name: str) -> str:
    """Returns a legal dataset name that resembles the name of a folder."""
    name = folder_name
    if not name.isascii():
        from unicodedata import combining, normalize

        # "Été" becomes "Ete" rather than "t".
        name = "".join(c for c in normalize("NFKD", name) if not combining(c))
    name = re.sub(r"\.{2,}", ".", re.sub(_ILLEGAL_RUN, "-", name)).strip("-._")[:100]
    while name != (shorter := re.sub(r"\.lock\Z", "", name, flags=re.IGNORECASE).rstrip("-._")):
        name = shorter
    return name or "dataset"


def check_attribute_name(name: str) -> str:
    """Returns `name`, a legal name of an attribute; raises InvalidInput.

    Any text of 1 to 100 characters without controls, but not a column that manifests have anyway.
    """
    if not name.strip():
        raise InvalidInput("an attribute has no name")
    if len(name) > ATTRIBUTE_CHARS_MAX:
        raise InvalidInput(
            f"the attribute name {quoted(name)} is {len(name)} characters long "
            f"(at most {ATTRIBUTE_CHARS_MAX})"
        )
    if re.search(_CONTROL, name):
        raise InvalidInput(f"the attribute name {quoted(name)} has a control character")
    if name.lower() in RESERVED_ATTRIBUTES:
        raise InvalidInput(
            f"the attribute name '{name}' is reserved",
            hint=f"choose another, such as 'my_{name.lower()}'",
        )
    return name


def check_label(label: str) -> str:
    """Returns the label without surrounding blanks and in Unicode form NFC; raises InvalidInput.

    A label is 1 to 255 characters of visible UTF-8 text without control characters.
    """
    text = label.strip()
    if text.isascii() and text.isprintable() and 0 < len(text) <= LABEL_CHARS_MAX:
        return text
    if re.search(_CONTROL, text):
        raise InvalidInput(f"the label {quoted(text)} has a control character or is not UTF-8")
    from unicodedata import normalize

    text = normalize("NFC", text)
    if not re.sub(_IGNORABLE, "", text):
        raise InvalidInput("a label is empty")
    if len(text) > LABEL_CHARS_MAX:
        raise InvalidInput(
            f"the label {quoted(text)} is {len(text)} characters long (at most {LABEL_CHARS_MAX})"
        )
    return text


def check_labels(given: Iterable[str] | None) -> tuple[str, ...]:
    """Checks and sorts labels; a text by itself is one label, not one for each letter."""
    return tuple(sorted({*map(check_label, [given] if isinstance(given, str) else given or ())}))


def printable(text: str) -> str:
    """Returns `text` as it may be written to a terminal, in one line.

    Controls, line separators and writing-direction controls are escaped (`\\n`, `\\x1b`,
    `\\u202e`), as are bytes of a file name that are not UTF-8 (`\\xff`). A backslash is doubled
    only when something else is escaped, so ordinary names stay as they are.
    """
    if text.isprintable() or not re.search(_UNSAFE_CHAR, text):
        return text
    return re.sub(_UNSAFE_OR_BACKSLASH, _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    code = ord(char)
    if code < 0x80:
        return _SHORT_ESCAPES.get(char) or f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:  # how Python carries an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}"


def quoted(text: str) -> str:
    """Returns `printable` text in quotes for a message, the middle of a long one left out."""
    shown = printable(text)
    return f"'{shown}'" if len(shown) <= 160 else f"'{shown[:100]}…{shown[-50:]}'"


def lookalike_key(name: str) -> str:
    """Returns a key that two names share when they look alike or may collide in a file system.

    Letter case, Unicode form, invisible characters and common Cyrillic and Greek homoglyphs make
    no difference to it.
    """
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    # Unicode's compatibility caseless matching (D146), then what it does not know of.
    folded = normalize("NFKD", normalize("NFD", name).casefold()).casefold()
    letters = normalize("NFKC", re.sub(_IGNORABLE, "", folded)).translate(_HOMOGLYPHS)
    return normalize("NFKC", letters)


def close_matches(name: str, candidates: Iterable[str], limit: int = 3) -> tuple[str, ...]:
    """Returns up to `limit` candidates that `name` may have meant, the nearest first.

    Letter case makes no difference. Meant for hundreds of candidates, not for every path.
    """
    from difflib import get_close_matches

    by_key: dict[str, list[str]] = {}
    for candidate in candidates:
        by_key.setdefault(candidate.casefold(), []).append(candidate)
    keys = get_close_matches(name.casefold(), by_key, n=limit) if limit > 0 else []
    return tuple(candidate for key in keys for candidate in by_key[key])[:limit]


def attributes_hint(name: str, known: Iterable[str], *, has_records: bool = False) -> str:
    """Returns the hint of a refusal of `name`, an attribute that no example has.

    A field of records is no attribute unless that was asked for, which people do not expect: where
    the dataset `has_records`, the hint says so.
    """
    names = sorted(known)
    if near := close_matches(name, names):
        return f"did you mean {near[0]}?"
    made = "`dsm add FILE --records --attr-field FIELD` makes a field of records an attribute"
    if name.startswith("record."):
        return made
    listed = f"attributes: {', '.join(map(printable, names[:10])) or 'none'}"
    return f"{listed}; {made}" if has_records else listed
