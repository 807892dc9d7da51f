"""Git's wildcard patterns: that they are git's, and that none takes long."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import LONG

from dsm.model.wildmatch import Folders, One, Piece, Rest, Slash, Star, compile_pattern, parse

TIMES = 40 if LONG else 1

# What patterns are made of here: whole constructs, and the signs that take them apart.
PARTS = [
    *"ab*?/[]!^-\\:1.", "**", "**/", "/**", "/**/", "**\\/", "[ab]", "[!a]", "[^b]", "[[:digit:]]",
    "[[:x:]]", "[\\]]", "[a-]", "[]-a]", "[z-a]", "[.-0]", "[a\\-b]", "é", "\xff", "\n",
]  # fmt: skip
SIGNS = [*"aaabbb///1-]\\.[!^:*\n", "é", "\xff"]

patterns = st.lists(st.sampled_from(PARTS), max_size=9).map("".join)
texts = st.lists(st.sampled_from(SIGNS), max_size=9).map("".join)


def fits(pattern: str, text: str, *, paths: bool = True) -> bool:
    return bool(compile_pattern(pattern, paths=paths)(text))


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "a/b", False),
        ("a/*", "a/", True),
        ("a/*/c", "a/b/c", True),
        ("a/*/c", "a//c", True),
        ("?", "/", False),
        ("[!a]", "/", False),
        ("[/]", "/", False),
        ("[.-0]", "/", False),
        ("\\/", "/", True),
        ("**", "a/b", True),
        ("**/a", "a", True),
        ("**/a", "b/c/a", True),
        ("**/a", "ba", False),
        ("a/**", "a/", True),
        ("a/**", "a", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "ab", False),
        ("a**/b", "ax/b", True),
        ("a**/b", "a/x/b", False),
        ("**\\/a", "a", False),
        ("**\\/a", "x/y/a", True),
        ("**/**/**", "", True),
        ("**/a/b/**/c/*", "x/a/b/a/b/q/c/d", True),
        ("**/a/*b/c", "a/b/a/xb/c", True),
        ("*ab*ab", "xabxab", True),
        ("*ab*b", "xab", False),
        ("[]-a]", "^", True),
        ("[]-]", "-", True),
        ("[!]-]", "]", False),
        ("[\\]]", "\\", False),
        ("[\\]]", "]", True),
        ("[\\-_]", "-", True),
        ("[a-\\c]", "b", True),
        ("[z-a]", "m", False),
        ("[[:digit:]x]", "7", True),
        ("[[:digit:]x]", "d", False),
        ("[[:nosuch:]a]", "a", False),
        ("[[:]", ":", True),
        ("[[:ab]", ":", True),
        ("[a", "[a", False),
        ("a\\", "a\\", False),
        ("a\\", "a", False),
        ("é?", "éa", True),
        ("?", "é", True),
    ],
)
def test_patterns_of_paths(pattern: str, text: str, expected: bool) -> None:
    """A slash is taken by a slash or `**` alone; a broken pattern fits nothing."""
    assert expected == fits(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("a*c", "a/b/c", True), ("?", "/", True), ("[!a]", "/", True), ("**/a", "a", False)],
)
def test_elsewhere_a_slash_is_a_sign(pattern: str, text: str, expected: bool) -> None:
    """Without `paths`, stars, `?` and sets take slashes, and `**` is a star."""
    assert expected == fits(pattern, text, paths=False)


def test_bytes_are_matched_one_by_one() -> None:
    """A pattern of bytes sees two of them where one of text sees one letter."""
    two = compile_pattern("é?".encode(), paths=True)
    assert [bool(two(text.encode())) for text in ("éa", "éé")] == [True, False]
    assert [bool(compile_pattern(b"??", paths=True)(t)) for t in (b"a", b"\xc3\xa9")] == [
        False,
        True,
    ]
    assert compile_pattern(b"[\x80-\xff]", paths=True)(b"\xc3")


def slow(pieces: Sequence[Piece], text: str) -> bool:
    """Tries every way in which pieces can take a text: plain, and exponential."""
    if not pieces:
        return text == ""
    piece, rest = pieces[0], pieces[1:]
    if isinstance(piece, Rest):
        return True
    if isinstance(piece, Star):
        reach = text.split("/")[0]
        return any(slow(rest, text[n:]) for n in range(len(reach) + 1))
    if isinstance(piece, Folders):
        starts = [n + 1 for n, sign in enumerate(text) if sign == "/"]
        return any(slow(rest, text[n:]) for n in [*([0] if piece.maybe_none else []), *starts])
    if not text:
        return False
    if isinstance(piece, Slash):
        return text[0] == "/" and slow(rest, text[1:])
    within = any(low <= text[0] <= high for low, high in piece.ranges)
    return text[0] != "/" and within != piece.negated and slow(rest, text[1:])


@settings(max_examples=400 * TIMES, deadline=None)
@given(patterns, st.lists(texts, min_size=1, max_size=8))
def test_the_expression_fits_what_trying_everything_finds(pattern: str, some: list[str]) -> None:
    """Never reconsidering loses no match."""
    pieces = parse(pattern, paths=True)
    expected = [pieces is not None and slow(pieces, text) for text in some]
    assert expected == [fits(pattern, text) for text in some]


def as_gitignore(line: bytes, path: bytes) -> bool:
    """What one line of an ignore file says of one path, by git's use of its patterns."""
    if b"/" not in line:
        return bool(compile_pattern(line, paths=False)(path.rpartition(b"/")[2]))
    line = line.removeprefix(b"/")
    plain = re.match(rb"[^*?\[\\]*", line)
    assert plain is not None
    if not path.startswith(plain[0]):
        return False
    return bool(compile_pattern(line[plain.end() :], paths=True)(path[plain.end() :]))


def git_says(folder: Path, lines: list[bytes], paths: list[bytes]) -> list[bool]:
    """Asks `git check-ignore` of each path, with each line in an ignore file of its own."""
    asked = []
    for number, line in enumerate(lines):
        (folder / f"d{number}").mkdir(exist_ok=True)
        (folder / f"d{number}/.gitignore").write_bytes(line + b"\n")
        asked += [b"d%d/%s" % (number, path) for path in paths]
    done = subprocess.run(
        ["git", "check-ignore", "--stdin", "-z", "-v", "-n", "--no-index"],
        input=b"".join(path + b"\0" for path in asked), stdout=subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    fields = done.stdout.split(b"\0")[:-1]
    assert asked == fields[3::4]
    return [source != b"" for source in fields[0::4]]


@pytest.fixture(scope="module")
def git_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path_factory.mktemp("git")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def is_one_line(line: bytes) -> bool:
    """Whether git reads the line as one pattern, and as nothing but that."""
    return line[:1] not in (b"!", b"#") and line[-1:] != b"/" and b"\n" not in line and line != b""


def is_path(path: bytes) -> bool:
    return not {b"", b".", b"..", b".git"} & set(path.split(b"/")) and b"\n" not in path


@pytest.mark.parametrize("seed", range(4 * TIMES))
def test_patterns_are_gits(git_folder: Path, seed: int) -> None:
    """A path is ignored by git when a line fits it, or a folder above it: for random ones."""
    random = Random(seed)
    made = (("".join(random.choices(PARTS, k=random.randint(1, 9)))).encode() for _ in count())
    lines = list(islice(filter(is_one_line, made), 150))
    made = (("".join(random.choices(SIGNS, k=random.randint(1, 9)))).encode() for _ in count())
    paths = list(islice(filter(is_path, made), 60))
    expected = git_says(git_folder, lines, paths)
    folders = {path: [path[: m.start()] for m in re.finditer(b"/", path)] for path in paths}
    found = [
        any(as_gitignore(line, each) for each in [path, *folders[path]])
        for line in lines
        for path in paths
    ]
    assert expected == found


def test_sets_are_gits_for_every_byte(git_folder: Path) -> None:
    """Each class and range holds the bytes that it holds in git."""
    names = ["alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct"]
    names += ["space", "upper", "xdigit"]
    lines = [f"[[:{name}:]]".encode() for name in names]
    lines += [b"[!a-z]", b"[^\x80-\xff]", b"[]-`]", b"[\\a-\\c]", b"[a-c-e]", b"[--0]", b"[!-a]"]
    paths = [bytes([byte]) for byte in range(1, 256) if byte not in b"./"]
    found = [as_gitignore(line, path) for line in lines for path in paths]
    assert git_says(git_folder, lines, paths) == found


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 30 + "b", "a" * 250),
        ("*[ab]" * 200 + "c", "ab" * 2000),
        ("**/a/" * 100 + "b", "a/" * 2000 + "x"),
        ("**/*a*a/" * 50 + "b", "aaaa/" * 800),
        ("*/" * 500 + "**/" + "*/" * 500 + "x", "a/" * 2000),
        ("**/" + "a/" * 400 + "b/**/c", "a/" * 2000 + "c"),
        ("?*" * 900 + "b", "a" * 4000),
        ("*" + "a" * 2000 + "b*c", "a" * 4000),
        ("*" * 100_000 + "b", "a" * 4000),
    ],
)
@pytest.mark.parametrize("paths", [True, False])
def test_no_pattern_explodes(pattern: str, text: str, paths: bool) -> None:
    """Patterns that take for ever to try in every way are answered, for texts that nearly fit."""
    assert [fits(pattern, text, paths=paths), fits(pattern, text + "/", paths=paths)] == [False] * 2


def test_a_pattern_longer_than_any_path_fits_nothing() -> None:
    """It is not even translated."""
    assert not fits("[ab]" * 100_000, "a" * 100_000)
    assert fits("a" * 16_000, "a" * 16_000)
    assert parse("[ab]", paths=True) == [One((("a", "a"), ("b", "b")))]
