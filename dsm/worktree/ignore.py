"""Ignore rules: which files and folders of a work tree are left alone.

Hides `.dsmignore` files, which are read as git reads `.gitignore`, byte by byte: rules count from
the folder of their file, the deeper file wins, within a file the last rule that matches wins, and
nothing below an ignored folder can be taken back. A list of what systems and editors leave behind
stands below all of them, so that each of its rules can be taken back; it can be switched off.
`.dsm` and `.git` are ignored always.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from dsm.errors import InvalidInput
from dsm.model.names import printable

IGNORE_FILE = ".dsmignore"
_IGNORE_FILE_BYTES_MAX = 1 << 20
# Each name is compared with each pattern; a list of plain names may be as long as the file.
_WILDCARD_RULES_MAX = 10_000
_ALWAYS = (".dsm", ".git")
_SPECIAL = b"*?[\\"

# What is no data: left by systems, editors and notebooks, or secret. Listed in
# docs/how-to/leave-files-out.md.
DEFAULTS = (
    b".dsmignore", b"dsm.toml", b"dsm.lock",
    b".env*",
    b".DS_Store", b"._*", b".AppleDouble", b".Spotlight-V100", b".Trashes", b".fseventsd",
    b".TemporaryItems", b".DocumentRevisions-V100", b"__MACOSX", b"Icon\r",
    b"Thumbs.db", b"thumbs.db", b"ehthumbs.db", b"Desktop.ini", b"desktop.ini", b"$RECYCLE.BIN",
    b"System Volume Information",
    b"lost+found", b".Trash-*", b".nfs*", b".fuse_hidden*", b".directory",
    b"__pycache__", b".ipynb_checkpoints",
    b"?*~", b".*.sw[a-p]", b".sw[a-p]", b"\\#*#", b".#*", b"~$*", b".~lock.*#",
)  # fmt: skip

Fits = Callable[[bytes], object]


class Hints(NamedTuple):
    """What the last part of an ignored path looks like; any other name is kept without a look.

    It begins with one of `firsts`, or ends with one of `tails` (and of `lasts`, their last signs),
    or is one of `plain`.
    """

    firsts: frozenset[str]
    lasts: frozenset[str]
    tails: tuple[str, ...]
    plain: frozenset[str]

    def may_mean(self, name: str) -> bool:
        """Whether a rule may fit a name: what is ignored looks like that."""
        return name[:1] in self.firsts or name in self.plain or name.endswith(self.tails)


class _Rule(NamedTuple):
    """One line: whether it `fits` the name (or, when anchored, the path from its folder)."""

    place: int
    ignores: bool
    folders_only: bool
    anchored: bool
    plain: bytes | None  # fits this alone
    fits: Fits | None  # where it is not plain
    pattern: bytes


@dataclass(frozen=True, slots=True)
class _Level:
    """The rules of one file, which speak of paths that begin with `prefix` ('' or 'folder/').

    `shown` is the name of the file, '' for the default list.
    """

    prefix: bytes
    shown: str
    names: dict[bytes, list[_Rule]] = field(default_factory=dict)  # plain ones, the last line first
    paths: dict[bytes, list[_Rule]] = field(default_factory=dict)
    wild: list[_Rule] = field(default_factory=list)
    hints: Hints | None = None  # None where any name may be meant

    @classmethod
    def of(cls, prefix: bytes, shown: str, rules: Sequence[_Rule]) -> _Level:
        level = cls(prefix, shown, hints=_hints(rules))
        for rule in reversed(rules):
            if rule.plain is None:
                level.wild.append(rule)
            else:
                table = level.paths if rule.anchored else level.names
                table.setdefault(rule.plain, []).append(rule)
        return level

    def last(self, path: bytes, name: bytes, is_dir: bool) -> _Rule | None:
        """Returns the last rule that fits."""
        found: _Rule | None = None
        for rule in (*self.names.get(name, ()), *self.paths.get(path, ())):
            if (is_dir or not rule.folders_only) and (found is None or rule.place > found.place):
                found = rule
        for rule in self.wild:
            if found is not None and rule.place < found.place:
                break
            if is_dir or not rule.folders_only:
                assert rule.fits is not None
                if rule.fits(path if rule.anchored else name):
                    return rule
        return found


class IgnoreRules:
    """The rules that hold in one folder of the work tree; immutable to its users."""

    __slots__ = ("_files", "_folders", "_levels", "hints")

    def __init__(self, levels: tuple[_Level, ...] = (), *, files: bool = True) -> None:
        self._levels = levels  # the deepest file first
        self._files = files
        self._folders: dict[str, _Level | None] = {}  # what ignores the parents of many files
        self.hints = _merged([level.hints for level in levels])

    @classmethod
    def none(cls) -> IgnoreRules:
        """Returns the rules of who forces files in: nothing is ignored but `.dsm` and `.git`."""
        return cls(files=False)

    @classmethod
    def at(cls, root: str, *, defaults: bool = True) -> IgnoreRules:
        """Returns the rules of the work tree at `root`; raises InvalidInput (see `enter`)."""
        rules = cls((_default_level(),) if defaults else ())
        return rules.enter("", root, os.path.lexists(os.path.join(root, IGNORE_FILE)))

    def enter(self, dir_relpath: str, dir_path: str, has_ignore_file: bool) -> IgnoreRules:
        """Returns the rules in a folder below this one: with those of its own file, if any.

        `dir_relpath` is relative to the root, `dir_path` is where the folder can be opened.
        Raises InvalidInput when the file cannot be read.
        """
        if not has_ignore_file or not self._files:
            return self
        prefix = dir_relpath + "/" if dir_relpath else ""
        shown = prefix + IGNORE_FILE
        rules = _read_rules(os.path.join(dir_path, IGNORE_FILE), shown)
        if not rules:
            return self
        return IgnoreRules((_Level.of(_raw(prefix), shown, rules), *self._levels))

    def ignored(self, relpath: str, is_dir: bool) -> bool:
        """Returns whether the path, relative to the root, or a folder above it is ignored.

        Folders above count by the rules known here; those below the folder that was entered last
        may have files of their own, which only `enter` reads.
        """
        return self._by(relpath, is_dir) is not None

    def reason(self, relpath: str, is_dir: bool) -> str | None:
        """Says by what a path, or a folder above it, is ignored; None when it is not."""
        level = self._by(relpath, is_dir)
        if level is None:
            return None
        return f"ignored by {printable(level.shown)}" if level.shown else "ignored by default"

    def rule(self, relpath: str, is_dir: bool) -> str | None:
        """Says by which rule a path, or a folder above it, is ignored; None when it is not."""
        parts = relpath.split("/")
        for end in range(1, len(parts) + 1):
            path, folder = "/".join(parts[:end]), end < len(parts) or is_dir
            level = self._by(path, folder)
            if level is None:
                continue
            found = level.last(_raw(path)[len(level.prefix) :], _raw(parts[end - 1]), folder)
            if found is None or not level.shown:
                return "ignored by default"
            shown = printable(str(found.pattern, "utf-8", "replace")) + "/" * found.folders_only
            return f"ignored by the rule '{shown}' in {printable(level.shown)}"
        return None

    def _by(self, relpath: str, is_dir: bool) -> _Level | None:
        parent, _, name = relpath.rpartition("/")
        if name in _ALWAYS:
            return _OWN
        if parent:
            if parent not in self._folders:
                self._folders[parent] = self._by(parent, True)
            above = self._folders[parent]
            if above is not None:
                return above
        if not self._levels or (self.hints is not None and not self.hints.may_mean(name)):
            return None
        raw = _raw(relpath)
        last = raw[len(raw) - len(_raw(name)) :]
        for level in self._levels:
            if raw.startswith(level.prefix):
                rule = level.last(raw[len(level.prefix) :], last, is_dir)
                if rule is not None:
                    return level if rule.ignores else None
        return None


_OWN = _Level(b"", "")  # of `.dsm` and `.git`


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@cache
def _default_level() -> _Level:
    rules = [_parse_line(line, place) for place, line in enumerate(DEFAULTS)]
    return _Level.of(b"", "", [rule for rule in rules if rule is not None])


def _hints(rules: Sequence[_Rule]) -> Hints | None:
    firsts, tails, plain = set(), set(), set()
    for rule in rules:
        above, _, last = rule.pattern.rpartition(b"/")
        if rule.plain is not None:
            plain.add(last.decode("utf-8", "surrogateescape"))
            continue
        text = last.decode("ascii", "replace")  # what is no ASCII hints at nothing
        escaped = text.startswith("\\")
        first = text[escaped : escaped + 1]
        tail = text[max(map(text.rfind, "*?[]\\\ufffd")) + 1 :]
        if b"[" in above:  # the slash may be one of a set
            return None
        if first and first not in ("\ufffd" if escaped else "*?[\ufffd"):
            firsts.add(first)
        elif tail:
            tails.add(tail)
        else:
            return None
    return Hints(
        frozenset(firsts), frozenset(t[-1] for t in tails), tuple(sorted(tails)), frozenset(plain)
    )


def _merged(levels: Sequence[Hints | None]) -> Hints | None:
    known = [each for each in levels if each is not None]
    if len(known) < len(levels):
        return None
    own = Hints(frozenset("."), frozenset(), (), frozenset())  # of `.dsm`, `.git`, temporary files
    firsts, lasts, tails, plain = zip(own, *known, strict=True)
    return Hints(
        frozenset().union(*firsts), frozenset().union(*lasts),
        tuple(dict.fromkeys(tail for each in tails for tail in each)),
        frozenset().union(*plain),
    )  # fmt: skip


def _read_rules(path: str, shown: str) -> list[_Rule]:
    shown = printable(shown)
    try:
        data = _read(path)
    except OSError as error:
        raise InvalidInput(f"cannot read {shown}: {error.strerror}") from error
    if data is None:
        raise InvalidInput(
            f"{shown} is not a file of at most {_IGNORE_FILE_BYTES_MAX >> 20} MiB",
            hint="put gitignore patterns into it, one a line, or remove it",
        )
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    rules = [
        rule
        for place, line in enumerate(lines)
        if (rule := _parse_line(line.removesuffix(b"\r"), place)) is not None
    ]
    if sum(rule.plain is None for rule in rules) > _WILDCARD_RULES_MAX:
        raise InvalidInput(
            f"{shown} has more than {_WILDCARD_RULES_MAX:,} patterns with wildcards",
            hint="ignore whole folders, or name files without wildcards",
        )
    return rules


def _read(path: str) -> bytes | None:
    # O_NONBLOCK: a FIFO of that name must not hang the command.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _IGNORE_FILE_BYTES_MAX:
            return None
        return file.read()


def _compiled_when_asked(pattern: bytes, *, paths: bool) -> Fits:
    """Compiles a pattern with the first name that it is asked of: most trees have none."""
    compiled: list[Fits] = []

    def fits(name: bytes) -> object:
        if not compiled:
            from dsm.model.wildmatch import compile_pattern

            compiled.append(compile_pattern(pattern, paths=paths))
        return compiled[0](name)

    return fits


def _parse_line(line: bytes, place: int) -> _Rule | None:
    """Returns the rule of one line; None for a blank, a comment, or what fits no name."""
    if line.startswith(b"#"):
        return None
    line = _without_trailing_spaces(line.partition(b"\0")[0])
    ignores = not line.startswith(b"!")
    pattern = line if ignores else line[1:]
    folders_only = pattern.endswith(b"/")
    pattern = pattern.removesuffix(b"/")
    anchored = b"/" in pattern
    pattern = pattern.removeprefix(b"/")
    if not pattern:
        return None
    # What stands before the first special byte is compared as it is: so in `a**/b` the stars are
    # the beginning of a pattern, which git takes for "in all folders".
    literal = next((at for at, byte in enumerate(pattern) if byte in _SPECIAL), len(pattern))
    plain: bytes | None = None
    fits: Fits | None = None
    if literal == len(pattern):
        plain = pattern
    elif not anchored:
        fits = _compiled_when_asked(pattern, paths=False)
    else:
        fits = _after(pattern[:literal], _compiled_when_asked(pattern[literal:], paths=True))
    return _Rule(
        place=place, ignores=ignores, folders_only=folders_only, anchored=anchored,
        plain=plain, fits=fits, pattern=pattern,
    )  # fmt: skip


def _after(literal: bytes, fits: Fits) -> Fits:
    """Matches what comes after a literal beginning."""
    if not literal:
        return fits
    size = len(literal)
    return lambda path: path.startswith(literal) and fits(path[size:])


def _without_trailing_spaces(line: bytes) -> bytes:
    """Returns the line without the spaces at its end, up to one that a backslash keeps."""
    kept = line.rstrip(b" ")
    backslashes = len(kept) - len(kept.rstrip(b"\\"))
    return kept + b" " if backslashes % 2 and len(kept) < len(line) else kept
