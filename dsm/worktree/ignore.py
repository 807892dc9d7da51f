"""Ignore rules: which files and folders of a work tree are left alone.

Hides `.dsmignore` files, which use gitignore syntax and work as git's do: rules count from the
folder of their file, the deeper file wins, within a file the last rule that matches wins, and
nothing below an ignored folder can be taken back. `.dsm` and `.git` are ignored always.

pathspec turns each pattern into a regular expression; the verdict is found here, for one path at
a time, because pathspec's own lets `!src/` take back `src/build/` from an earlier `build/`, which
git does not.
"""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Callable
from typing import NamedTuple

from dsm.errors import InvalidInput
from dsm.model.names import printable

IGNORE_FILE = ".dsmignore"
_IGNORE_FILE_BYTES_MAX = 1 << 20
_ALWAYS = (".dsm", ".git")


class _Rule(NamedTuple):
    """One line: whether it `fits` the name (or, when anchored, the path from its folder)."""

    fits: Callable[[str], object | None]
    ignores: bool
    folders_only: bool
    anchored: bool


class _Level(NamedTuple):
    """The rules of one file, which speak of paths that begin with `prefix` ('' or 'folder/')."""

    prefix: str
    rules: tuple[_Rule, ...]  # the last line first


class IgnoreRules:
    """The rules that hold in one folder of the work tree; immutable to its users."""

    __slots__ = ("_folders", "_levels")

    def __init__(self, levels: tuple[_Level, ...] = ()) -> None:
        self._levels = levels  # the deepest file first
        self._folders: dict[str, bool] = {}  # verdicts, for the parents of many files

    @classmethod
    def at(cls, root: str) -> IgnoreRules:
        """Returns the rules of the work tree at `root`; raises InvalidInput (see `enter`)."""
        return cls().enter("", root, os.path.lexists(os.path.join(root, IGNORE_FILE)))

    def enter(self, dir_relpath: str, dir_path: str, has_ignore_file: bool) -> IgnoreRules:
        """Returns the rules in a folder below this one: with those of its own file, if any.

        `dir_relpath` is relative to the root, `dir_path` is where the folder can be opened.
        Raises InvalidInput when the file cannot be read, or names the line that is wrong.
        """
        if not has_ignore_file:
            return self
        prefix = dir_relpath + "/" if dir_relpath else ""
        rules = _read_rules(os.path.join(dir_path, IGNORE_FILE), prefix + IGNORE_FILE)
        return IgnoreRules((_Level(prefix, rules), *self._levels)) if rules else self

    @property
    def trivial(self) -> bool:
        """Whether nothing but the folders `.dsm` and `.git` is ignored."""
        return not self._levels

    def ignored(self, relpath: str, is_dir: bool) -> bool:
        """Returns whether the path, relative to the root, or a folder above it is ignored.

        Folders above count by the rules known here; those below the folder that was entered last
        may have files of their own, which only `enter` reads.
        """
        if not self._levels:
            # Most names are settled by these two, without taking the path apart.
            if ".dsm" not in relpath and ".git" not in relpath:
                return False
            return any(name in _ALWAYS for name in relpath.split("/"))
        parent, _, name = relpath.rpartition("/")
        if name in _ALWAYS:
            return True
        if parent:
            verdict = self._folders.get(parent)
            if verdict is None:
                verdict = self._folders[parent] = self.ignored(parent, True)
            if verdict:
                return True
        return self._matched(relpath, name, is_dir)

    def _matched(self, relpath: str, name: str, is_dir: bool) -> bool:
        has_newline = "\n" in relpath
        for prefix, rules in self._levels:
            if not relpath.startswith(prefix):
                continue
            from_level = relpath[len(prefix) :]
            if has_newline:
                # In the expressions '.' does not take a newline; NUL, which no pattern and no
                # name has, stands in for it.
                from_level, name = from_level.replace("\n", "\0"), name.replace("\n", "\0")
            for fits, ignores, folders_only, anchored in rules:
                if (is_dir or not folders_only) and fits(from_level if anchored else name):
                    return ignores
        return False


def _read_rules(path: str, shown: str) -> tuple[_Rule, ...]:
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
    rules = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            rule = _parse_line(line.removesuffix(b"\r").decode())
        except UnicodeDecodeError:
            raise InvalidInput(f"{shown}, line {number}, is not UTF-8") from None
        except (ValueError, re.error) as error:
            raise InvalidInput(
                f"{shown}, line {number}: {printable(str(error))}", hint="see gitignore(5)"
            ) from None
        if rule is not None:
            rules.append(rule)
    return tuple(reversed(rules))


def _read(path: str) -> bytes | None:
    # O_NONBLOCK: a FIFO of that name must not hang the command.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _IGNORE_FILE_BYTES_MAX:
            return None
        return file.read()


def _parse_line(line: str) -> _Rule | None:
    """Returns the rule of one line, None for a blank or a comment; raises ValueError, re.error."""
    line = _without_trailing_spaces(line)
    if line.startswith("#"):
        return None
    ignores = not line.startswith("!")
    pattern = line if ignores else line[1:]
    folders_only = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    if pattern in ("", "/"):
        return None
    if re.search(r"\[[^]]*\[:\w+:\]", pattern):
        raise ValueError("classes such as [:alpha:] are not known; write [A-Za-z]")

    from pathspec import GitIgnoreSpec

    # '!' and '/' at the ends are dealt with; what remains of them, and '#', stands for itself.
    escaped = "\\" + pattern if pattern[0] in "!#" else pattern
    if escaped[-1].isspace():
        escaped = escaped[:-1].removesuffix("\\") + f"[{escaped[-1]}]"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # '[[' is fine in a glob
        regex = GitIgnoreSpec.from_lines([escaped]).patterns[0].regex
    if regex is None:
        return None  # git too drops a pattern whose '[' is never closed
    # pathspec's expressions go on to match what lies below a folder of that name, where git has
    # asked about the folder already; only those of `**` at the end, which end in no group, should.
    fits = regex.fullmatch if regex.groups else regex.search
    return _Rule(fits, ignores, folders_only, anchored="/" in pattern)


def _without_trailing_spaces(line: str) -> str:
    """Returns the line without the spaces at its end, up to one that a backslash keeps."""
    kept = line.rstrip(" ")
    backslashes = len(kept) - len(kept.rstrip("\\"))
    return kept + " " if backslashes % 2 and len(kept) < len(line) else kept
