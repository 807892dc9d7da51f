"""Ignore rules: that they are git's, and what is ignored whatever they say."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsm.errors import InvalidInput
from dsm.worktree.ignore import IgnoreRules


def rules_in(root: Path, text: str) -> IgnoreRules:
    (root / ".dsmignore").write_text(text, newline="")
    return IgnoreRules.at(str(root))


def listing(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name not in (".git", ".gitignore"))


def ignored_paths(root: str) -> set[str]:
    """Walks the tree as a scan does, and returns what is ignored, with all that lies below it."""
    found: set[str] = set()

    def walk(folder: str, rules: IgnoreRules, within_ignored: bool) -> None:
        for name in listing(os.path.join(root, folder)):
            path = f"{folder}/{name}" if folder else name
            is_dir = os.path.isdir(os.path.join(root, path))
            ignored = within_ignored or rules.ignored(path, is_dir)
            if ignored:
                found.add(path)
            if is_dir:
                full = os.path.join(root, path)
                has_file = not ignored and ".dsmignore" in os.listdir(full)
                walk(path, rules.enter(path, full, has_file), ignored)

    walk("", IgnoreRules.at(root), False)
    return found


def test_without_files_nothing_but_the_own_folders_is_ignored(tmp_path: Path) -> None:
    """`.dsm` and `.git` are ignored at any depth, as folder or file; names like them are not."""
    rules = IgnoreRules.at(str(tmp_path))
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
        ("é?", "été", False),
        ("é*", "éa", True),
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
        (b"ok\n\xff\xfe\n", "a/.dsmignore, line 2, is not UTF-8"),
        (b"ok\n\n[z-a]\n", "a/.dsmignore, line 3: "),
        (b"a\\\n", "a/.dsmignore, line 1: "),
        (b"[[:alpha:]]x\n", "a/.dsmignore, line 1: classes such as [:alpha:]"),
        (b"#" * (1 << 20) + b"#", "a/.dsmignore is not a file of at most 1 MiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, data: bytes, problem: str) -> None:
    """The message names the file from the root and the line."""
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


def test_pathspec_is_loaded_for_rules_only(tmp_path: Path) -> None:
    """A work tree without `.dsmignore` does not pay for the import."""
    code = (
        "import sys; from dsm.worktree.ignore import IgnoreRules; "
        f"rules = IgnoreRules.at({str(tmp_path)!r}); "
        "print(rules.ignored('a/b', False), 'pathspec' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "False False\n"


# Names and patterns that can meet; without `a**` before a slash and `[` across one, of which git's
# documents say nothing and which it takes in ways of its own.
NAMES = st.sampled_from(["a", "b", "ab", "a.b", ".a", " a", "a ", "#a", "!a", "x\ny", "a\\", "[a]"])
WILD = ["*", "**", "?", "a*", "*b", "a?", ".*", "*.b", "x*y"]
CLASSES = ["[ab]", "[!a]", "[a-b]?", "[^a]*", "[]a]"]
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


@pytest.mark.skipif(shutil.which("git") is None, reason="git, the yardstick, is not installed")
@settings(max_examples=100, deadline=None)
@given(TREES, RULES)
def test_git_ignores_the_same(paths: list[list[str]], rules: list[tuple[int, list[str]]]) -> None:
    """On random trees with random rules at random depths, `git check-ignore` agrees."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as root:
        make_tree(root, paths, rules)
        everything = [
            os.path.relpath(os.path.join(folder, name), root)
            for folder, below, names in os.walk(root)
            for name in [*below, *names]
            if name != ".gitignore"
        ]
        found = ignored_paths(root)
        subprocess.run(["git", "init", "-q", root], env=environment, check=True)
        out = subprocess.run(
            ["git", "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(everything), cwd=root, env=environment, capture_output=True, text=True,
        ).stdout  # fmt: skip
        assert set(out.split("\0")) - {""} == found
