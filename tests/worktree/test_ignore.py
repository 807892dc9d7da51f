"""Ignore rules: that they are git's, what is ignored by default, and whatever they say."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiers import LONG

from dsm.errors import InvalidInput
from dsm.worktree.ignore import Hints, IgnoreRules


def rules_in(root: Path, text: str) -> IgnoreRules:
    (root / ".dsmignore").write_text(text, newline="")
    return IgnoreRules.at(str(root))


def listing(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name not in (".git", ".gitignore"))


def looks_so(hints: Hints | None, name: str) -> bool:
    """What a scan asks before it asks the rules."""
    return hints is None or (
        name[0] in hints.firsts or name.endswith(hints.tails) or name in hints.plain
    )


def ignored_paths(root: str, *, defaults: bool = False) -> set[str]:
    """Walks the tree as a scan does, and returns what is ignored, with all that lies below it."""
    found: set[str] = set()

    def walk(folder: str, rules: IgnoreRules, within_ignored: bool) -> None:
        for name in listing(os.path.join(root, folder)):
            path = f"{folder}/{name}" if folder else name
            is_dir = os.path.isdir(os.path.join(root, path))
            ignored = within_ignored or rules.ignored(path, is_dir)
            if ignored:
                found.add(path)
                assert within_ignored or looks_so(rules.hints, name), path
            if is_dir:
                full = os.path.join(root, path)
                has_file = not ignored and ".dsmignore" in os.listdir(full)
                walk(path, rules.enter(path, full, has_file), ignored)

    walk("", IgnoreRules.at(root, defaults=defaults), False)
    return found


def test_without_files_nothing_but_the_own_folders_is_ignored(tmp_path: Path) -> None:
    """`.dsm` and `.git` are ignored at any depth, as folder or file; names like them are not."""
    rules = IgnoreRules.at(str(tmp_path), defaults=False)
    ignored = [".dsm", ".git", "a/.git", "a/.dsm/packs/x", ".git/config"]
    kept = [".dsmignore", ".gitignore", "a.dsm", "x.git/y", ".github/x", "a/b.jpg", "git", ""]
    assert [rules.ignored(path, True) for path in ignored] == [True] * 5
    assert [rules.ignored(path, False) for path in ignored] == [True] * 5
    assert [rules.ignored(path, False) for path in kept] == [False] * 8


def test_the_own_folders_cannot_be_taken_back(tmp_path: Path) -> None:
    """A negated rule does not reach `.dsm` and `.git`."""
    rules = rules_in(tmp_path, "!.dsm\n!.git/\n*.tmp\n")
    paths = [".dsm", "a/.git", ".dsm/packs/x"]
    assert [rules.ignored(path, False) for path in paths] == [True] * 3


@pytest.mark.parametrize(
    ("text", "path", "ignored"),
    [
        ("*.tmp", "a/b.tmp", True),
        ("*.tmp\n!keep.tmp", "keep.tmp", False),
        ("!keep.tmp\n*.tmp", "keep.tmp", True),
        ("/build", "build", True),
        ("/build", "a/build", False),
        ("build/", "build", False),  # a file
        ("build/", "build/x", True),
        ("a/b", "x/a/b", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**", "a/x/y", True),
        ("a/**\n!a/**/\n!*.jpg", "a/x/y.jpg", False),
        ("foo/**\n!foo/keep", "foo/keep", False),
        ("out/\n!out/keep", "out/keep", True),  # the folder is ignored
        ("build/\n!src/", "src/build/x", True),
        ("# comment\n\n\\#x", "#x", True),
        ("\\!x", "!x", True),
        ("a ", "a", True),
        ("a\\ ", "a ", True),
        ("a\t", "a\t", True),
        ("a\r\n*.tmp\r\n", "a", True),
        ("\ufeffa", "a", True),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("a*z", "a\nz", True),
        ("a", "a\n", False),
        ("x/**/z", "x/\n/z", True),
        ("[abc", "[abc", False),  # never closed: git drops it
        ("!", "a", False),
        ("/", "a", False),
        ("[[a]", "[", True),
        ("é?", "éa", True),
        ("?a", "éa", False),  # é is two bytes
        ("??a", "éa", True),
        ("é*", "éa", True),
        ("old[\\-_]*", "old-1", True),  # a backslash in a set escapes
        ("old[\\-_]*", "old\\1", False),
        ("x[\\]]y", "x]y", True),
        ("[[:digit:]]*.tmp", "1a.tmp", True),
        ("[[:digit:]]*.tmp", "a.tmp", False),
        ("[[:no:]]", "n", False),  # git fits nothing with it
        ("[z-a]", "m", False),
        ("a\\", "a\\", False),  # a backslash at the end fits nothing
        ("a\0b", "a", True),  # git reads a line up to NUL
        ("  # no comment", "  # no comment", True),
        ("a \\ ", "a  ", True),
        ("a\\  ", "a ", True),
        ("a\r ", "a\r", True),
        ("\r", "\r", False),
        ("a**/b", "ax/y/b", True),
        ("a**/b", "a/b", True),
        ("x/**y", "x/ay", True),
        ("x/**y", "x/a/y", False),
        ("!!a\n", "!a", False),
        ("*\n!!a\n", "!a", False),
        ("//", "a", False),
    ],
)
def test_rules_are_gits(tmp_path: Path, text: str, path: str, ignored: bool) -> None:
    """Gitignore syntax means here what it means to git."""
    assert ignored == rules_in(tmp_path, text).ignored(path, False)


def test_the_deeper_file_wins(tmp_path: Path) -> None:
    """Rules count from the folder of their file, and come before those above it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".dsmignore").write_text("!*.log\n/x\n")
    root = rules_in(tmp_path, "*.log\n")
    below = root.enter("a", str(tmp_path / "a"), True)
    assert root.ignored("a/b.log", False)
    assert not below.ignored("a/b.log", False)
    assert below.ignored("a/x", False)
    assert not below.ignored("x", False)
    assert not below.ignored("ab/x", False)


def test_a_folder_without_rules_keeps_those_above(tmp_path: Path) -> None:
    """Entering a folder that has no rules costs nothing."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".dsmignore").write_text("# nothing\n")
    rules = rules_in(tmp_path, "*.log\n")
    assert rules is rules.enter("a", str(tmp_path / "a"), False)
    assert rules is rules.enter("a", str(tmp_path / "a"), True)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"#" * (1 << 20) + b"#", "a/.dsmignore is not a file of at most 1 MiB"),
        (b"?\n" * 10_001, "a/.dsmignore has more than 10,000 patterns with wildcards"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, data: bytes, problem: str) -> None:
    """The message names the file from the root."""
    (tmp_path / ".dsmignore").write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        IgnoreRules().enter("a", str(tmp_path), True)
    assert problem == caught.value.message[: len(problem)]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder, a FIFO or a broken link in its place is not taken for an empty file."""
    ignore_file = tmp_path / ".dsmignore"
    ignore_file.mkdir()
    with pytest.raises(InvalidInput, match=r"is not a file|cannot read"):
        IgnoreRules.at(str(tmp_path))
    ignore_file.rmdir()
    os.mkfifo(ignore_file)
    with pytest.raises(InvalidInput, match="is not a file"):
        IgnoreRules.at(str(tmp_path))
    ignore_file.unlink()
    ignore_file.symlink_to("missing")
    with pytest.raises(InvalidInput, match=r"cannot read \.dsmignore: No such file"):
        IgnoreRules.at(str(tmp_path))


def test_a_long_list_of_names_is_taken(tmp_path: Path) -> None:
    """As many plain names as a file can hold are looked up, not gone through; the last one wins."""
    lines = [f"bad-{number}.jpg" for number in range(40_000)]
    rules = rules_in(tmp_path, "\n".join([*lines, "!bad-7.jpg", "sub/bad-8.png"]))
    asked = [f"x/{name}" for name in lines] + ["sub/bad-8.png", "bad-8.png", "x/sub/bad-8.png"]
    kept = [path for path in asked if not rules.ignored(path, False)]
    assert kept == ["x/bad-7.jpg", "bad-8.png", "x/sub/bad-8.png"]


# --- what is ignored by default ---------------------------------------------------------------------

LEFT_BEHIND = [
    ".DS_Store", "._1.jpg", "Thumbs.db", "desktop.ini", "__pycache__/x.pyc", ".env", ".env.local",
    ".ipynb_checkpoints/a-checkpoint.ipynb", "notes.txt~", ".notes.txt.swp", "#notes.txt#",
    ".#notes.txt", "~$table.xlsx", ".~lock.table.ods#", ".nfs000001", "lost+found/x", "Icon\r",
    "__MACOSX/._1.jpg", ".dsmignore", "$RECYCLE.BIN/x", "System Volume Information/x", ".Trash-0/x",
]  # fmt: skip
KEPT = [
    "_1.jpg", "a~b", "thumbs.jpg", "env", "pycache/x", ".a/x", ".hidden", "x.swp", "a#b#", "#x",
    "Icon", "desktop.init", "IMG_1.jpg", "DS_Store", "$1", "~x", "found/x", "dsmignore", ".gitignore",
]  # fmt: skip


@pytest.mark.parametrize("where", ["", "deep/er/"])
def test_what_systems_leave_behind_is_no_data(tmp_path: Path, where: str) -> None:
    """The default list holds at any depth; each of its rules can be taken back, or all at once."""
    rules = IgnoreRules.at(str(tmp_path))
    everything = [where + path for path in (*LEFT_BEHIND, *KEPT)]
    assert [path for path in everything if not rules.ignored(path, False)] == [
        where + path for path in KEPT
    ]
    off = IgnoreRules.at(str(tmp_path), defaults=False)
    assert [path for path in everything if off.ignored(path, False)] == []
    back = rules_in(tmp_path, "!._*\n!.env\n")
    assert [back.ignored(where + path, False) for path in ("._1.jpg", ".env", ".env.local")] == [
        False, False, True,
    ]  # fmt: skip


def test_the_hints_spare_most_names_a_look(tmp_path: Path) -> None:
    """Few kept names look like an ignored one; that no ignored one does not, the walks below ask."""
    hints = IgnoreRules.at(str(tmp_path)).hints
    looks = [path for path in KEPT if looks_so(hints, path.rpartition("/")[2])]
    assert looks == [".hidden", "#x", "~x", ".gitignore"]
    hints = rules_in(tmp_path, "*.tmp\na/*.jpeg\nbad-*\n\\!x*\n").hints
    names = ["1.jpg", "1.tmp", "2.jpeg", "bad-1", "b", "!x", "amp"]
    assert [name for name in names if looks_so(hints, name)] == [
        "1.tmp", "2.jpeg", "bad-1", "b", "!x",
    ]  # fmt: skip
    for anything in ("*", "?", "[ab]*", "*[0-9]", "a/**", "*\\é", "é*"):
        assert rules_in(tmp_path, anything).hints is None


def test_what_ignores_a_path_is_named(tmp_path: Path) -> None:
    """The reason names the file whose rule it is, or the default list."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".dsmignore").write_text("x\n")
    rules = rules_in(tmp_path, "*.tmp\nout/\n").enter("a", str(tmp_path / "a"), True)
    assert [rules.reason(path, False) for path in ("b.tmp", "out/x", "a/x", ".env", "kept")] == [
        "ignored by .dsmignore", "ignored by .dsmignore", "ignored by a/.dsmignore",
        "ignored by default", None,
    ]  # fmt: skip


# --- beside git -------------------------------------------------------------------------------------

# Names and patterns that can meet.
NAMES = st.sampled_from(["a", "b", "ab", "a.b", ".a", " a", "a ", "#a", "!a", "x\ny", "a\\", "[a]"])
WILD = ["*", "**", "?", "a*", "*b", "a?", ".*", "*.b", "x*y", "a**", "**b"]
CLASSES = ["[ab]", "[!a]", "[a-b]?", "[^a]*", "[]a]", "[\\]a]", "[[:alpha:]]", "[b-a]", "[a"]
LITERAL = ["a", "b", "ab", "a.b", "#a", "!a", " a", "a ", "a\t"]
ESCAPED = ["\\#a", "\\!a", "\\a", "\\[a\\]", "a\\\\", "a\\*", "a\\ "]
GLOBS = st.sampled_from([*WILD, *CLASSES, *LITERAL, *ESCAPED])
LINES = st.builds(
    lambda negate, root, globs, slash, blanks: negate + root + "/".join(globs) + slash + blanks,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "", "/"]),
    st.lists(GLOBS, min_size=1, max_size=3),
    st.sampled_from(["", "", "/"]),
    st.sampled_from(["", "", "", "  "]),
)
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8)
# Lines for the root, and for folders by number.
RULES = st.lists(
    st.tuples(st.integers(0, 9), st.lists(LINES, min_size=1, max_size=4)), min_size=1, max_size=3
)


def make_tree(root: str, paths: list[list[str]], rules: list[tuple[int, list[str]]]) -> None:
    folders = [root]
    for path in paths:
        folder = root
        for name in path[:-1]:
            folder = os.path.join(folder, name)
            if not os.path.lexists(folder):
                os.mkdir(folder)
                folders.append(folder)
            elif not os.path.isdir(folder):
                break
        else:
            file = os.path.join(folder, path[-1])
            if not os.path.lexists(file):
                Path(file).touch()
    for place, (number, lines) in enumerate(rules):
        folder = folders[number % len(folders)] if place else root
        for name in (".dsmignore", ".gitignore"):
            Path(folder, name).write_text("\n".join(lines) + "\n", newline="")


needs_git = pytest.mark.skipif(
    shutil.which("git") is None, reason="git, the yardstick, is not installed"
)


def ignored_by_git(root: str, paths: list[str]) -> set[str]:
    """Returns those of the paths that git ignores; they exist, and may be no UTF-8."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", root], env=environment, check=True)
    out = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=root, env=environment,
        input=b"\0".join(map(os.fsencode, paths)), capture_output=True, check=False,
    ).stdout  # fmt: skip
    return {os.fsdecode(path) for path in out.split(b"\0")} - {""}


@needs_git
@settings(max_examples=100, deadline=None)
@given(TREES, RULES)
def test_git_ignores_the_same(paths: list[list[str]], rules: list[tuple[int, list[str]]]) -> None:
    """On random trees with random rules at random depths, `git check-ignore` agrees."""
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, paths, rules)
        everything = [
            os.path.relpath(os.path.join(folder, name), root)
            for folder, below, names in os.walk(root)
            for name in [*below, *names]
            if name != ".gitignore"
        ]
        assert ignored_by_git(root, everything) == ignored_paths(root)


# Parts of patterns and names, as bytes: sets with every oddity, stars, escapes, blanks, half
# characters.
SIGNS = [b"a", b"b", b"z", b"0", b"-", b"!", b"^", b"]", b"[", b"\\", b" ", b".", b"#", b"\t", b"\r",
         "é".encode(), b"\xe9", b"\xff", b":"]  # fmt: skip
IN_SETS = [b"a", b"b", b"a-b", b"b-a", b"0-9", b"-", b"]", b"[", b"\\]", b"\\-", b"\\\\", b"!", b"^",
           b"[:alpha:]", b"[:digit:]", b"[:punct:]", b"[:no:]", b"[:", b":]", b"\xc3-\xe9",
           "é".encode(), b"/", b".", b" ", b"\\a-\\b", b"a-"]  # fmt: skip


def random_glob(source: random.Random) -> bytes:
    parts = []
    for _ in range(source.randrange(1, 5)):
        kind = source.random()
        if kind < 0.45:
            parts.append(source.choice(SIGNS))
        elif kind < 0.6:
            parts.append(b"\\" + source.choice(SIGNS))
        elif kind < 0.8:
            inner = b"".join(source.choices(IN_SETS, k=source.randrange(0, 4)))
            parts.append(b"[" + source.choice([b"", b"", b"!", b"^"]) + inner + b"]")
        else:
            parts.append(source.choice([b"*", b"*", b"?", b"**", b"***"]))
    return b"".join(parts)


def random_line(source: random.Random) -> bytes:
    globs = [random_glob(source) for _ in range(source.choice([1, 1, 1, 2, 2, 3]))]
    if source.random() < 0.2:
        globs.insert(source.randrange(len(globs) + 1), b"**")
    lead = source.choice([b"", b"", b"", b"", b"!", b"/", b"!/", b" ", b"\\"])
    end = source.choice(
        [b"", b"", b"", b"/", b"/", b" ", b"  ", b"\\ ", b"\\", b"\t", b"\r", b"/ "]
    )
    return lead + b"/".join(globs) + end


def random_name(source: random.Random, lines: list[bytes]) -> bytes:
    """A name that looks like the patterns around it: one of their globs with few signs changed."""
    glob = source.choice(source.choice(lines).split(b"/"))
    name = b"".join(
        source.choice(SIGNS) if char in b"*?" or source.random() < 0.2 else bytes([char])
        for char in glob.replace(b"[", source.choice([b"", b"["])).replace(b"]", b"")
    )
    name = name.replace(b"/", b"").replace(b"\0", b"")[:30]
    return name if name not in (b"", b".", b"..") else b"a"


def plant(root: bytes, source: random.Random) -> list[str]:
    """Makes 250 folders with an ignore file of six lines each; returns files and folders in them."""
    paths = []
    for number in range(250):
        folder = b"%d" % number
        os.mkdir(os.path.join(root, folder))
        lines = [random_line(source) for _ in range(6)]
        text = source.choice([b"", b"", b"\xef\xbb\xbf"])
        text += source.choice([b"\n", b"\n", b"\r\n"]).join(lines) + source.choice([b"", b"\n"])
        for ignore_file in (b".dsmignore", b".gitignore"):
            with open(os.path.join(root, folder, ignore_file), "wb") as file:
                file.write(text)
        for _ in range(12):
            names = [random_name(source, lines) for _ in range(source.choice([1, 1, 2]))]
            with contextlib.suppress(OSError):  # a file where a folder is wanted, or there already
                full = os.path.join(root, folder, *names)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                if source.random() < 0.3:
                    os.mkdir(full)
                else:
                    os.close(os.open(full, os.O_CREAT | os.O_EXCL))
                paths.append(os.fsdecode(os.path.relpath(full, root)))
    return paths


@needs_git
@pytest.mark.parametrize("seed", range(40 if LONG else 3))
def test_thousands_of_random_lines(tmp_path: Path, seed: int) -> None:
    """Random bytes in patterns and names, 1,500 lines at a time, are ignored as git ignores them."""
    paths = plant(os.fsencode(tmp_path), random.Random(seed))
    found = ignored_paths(str(tmp_path)).intersection(paths)
    assert ignored_by_git(str(tmp_path), paths) == found
    assert len(paths) // 20 < len(found) < len(paths) // 2
