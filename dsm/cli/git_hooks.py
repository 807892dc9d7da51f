"""Hooks of git that ask dsm: where they lie, how they chain with others, and how they go again.

A hook of somebody else is kept beside ours under another name and runs first. A folder of hooks
outside of the git repository is left alone: its hooks are those of other repositories as well.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass

from dsm.errors import Conflict, InvalidInput, NotFound
from dsm.model.names import printable
from dsm.store import disk
from dsm.store.whole_file import read_file

NAMES = ("pre-commit", "pre-push", "post-checkout")
BEFORE = ".before-dsm"
LEGACY = ".legacy"  # where the tool pre-commit puts what it finds
MARK = "# Written by `dsm hooks install`; `dsm hooks uninstall` takes it away."
CONFIG = ".pre-commit-config.yaml"
BYTES_MAX = 1 << 20
GIT_SECONDS_MAX = 30
_is_commit = re.compile(r"[0-9a-f]{40,64}").fullmatch
_EMPTY = re.compile(r"^repos:[ \t]*\[[ \t]*\](?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_EMPTIED = re.compile(r"^repos:(?=[ \t]*(?:#.*)?(?:\n[ \t]*(?:#.*)?)*\Z)", re.MULTILINE)
_BEGIN, _END = "# dsm hooks: begin", "# dsm hooks: end"
_SKELETON = "default_install_hook_types: [pre-commit, pre-push, post-checkout]\nrepos:"


class NoGit(NotFound):
    """There is no git repository, or no git, around the repository of dsm."""

    code = "no-git"


@dataclass(frozen=True, slots=True)
class Git:
    """A git work tree: its top, its folder of hooks, and where dsm's repository lies in it."""

    top: str
    hooks: str
    below: str


def find_git(root: str) -> Git:
    """Returns the git work tree that a folder lies in. Raises NoGit, InvalidInput."""
    top = _git(root, "rev-parse", "--show-toplevel")
    common = os.path.join(root, _git(root, "rev-parse", "--git-common-dir"))
    hooks = os.path.join(root, _git(root, "rev-parse", "--git-path", "hooks"))
    real = os.path.realpath(hooks)
    inside = (os.path.realpath(top), os.path.realpath(common))
    if not any(f"{real}/".startswith(f"{each}/") for each in inside):
        raise InvalidInput(
            f"git looks for hooks in {hooks}, which belongs to other repositories as well",
            hint="call `dsm hooks run pre-commit` there, or unset core.hooksPath for this one",
        )
    below = os.path.relpath(os.path.realpath(root), os.path.realpath(top))
    if below != printable(below):
        raise InvalidInput(f"{printable(below)} is no name that a hook can hold")
    return Git(top, real, f"./{below}" if below.startswith("-") else below)


def _git(root: str, *words: str) -> str:
    # Without the watcher that the settings of a clone may name: it would be run.
    line = ["git", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, errors="surrogateescape", cwd=root,
            timeout=GIT_SECONDS_MAX, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        raise NoGit("git cannot be run here", hint="install git") from None
    if done.returncode:
        raise NoGit(f"{root} is in no git work tree", hint="`git init` makes one")
    return done.stdout.removesuffix("\n")


def same(path: str, before: str, after: str) -> bool:
    """Whether a file is the same in two commits of git; False also where nobody can tell."""
    folder, name = os.path.split(path)
    if not (_is_commit(before) and _is_commit(after)):
        return False
    line = ["git", "diff", "--quiet", "--no-ext-diff", "--no-textconv", before, after, "--", name]
    try:
        done = subprocess.run(line, cwd=folder, timeout=GIT_SECONDS_MAX, check=False,
                              capture_output=True)  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def install(git: Git) -> list[str]:
    """Installs the hooks of git; returns what was done, in words. Raises Conflict, WriteFailed."""
    told = []
    disk.make_dirs(git.hooks, durable=False)
    for name in NAMES:
        path = os.path.join(git.hooks, name)
        present = _text(path)
        if present is not None and MARK not in present:
            kept = path + BEFORE
            if os.path.lexists(kept):
                raise Conflict(
                    f"{path} is a hook of somebody else, and {kept} another one",
                    hint="put both into one file, and remove the other one",
                )
            disk.replace(path, kept)
            told.append(f"{name}: the hook that was there runs first ({name}{BEFORE})")
        folders = _folders(present or "") | {git.below}
        text = _script(name, sorted(folders))
        if text != present:
            disk.rewrite(path, text.encode(), os.path.join(git.hooks, f".{name}-dsm"), mode=0o755)
            told.append(f"{name}: installed")
    return told


def uninstall(git: Git) -> list[str]:
    """Takes the hooks away, and puts those back that were there before; says what was done."""
    told = []
    for name in NAMES:
        for path in (os.path.join(git.hooks, name), os.path.join(git.hooks, name + LEGACY)):
            present = _text(path)
            if present is None or MARK not in present:
                continue
            rest = _folders(present) - {git.below}
            if rest:
                text = _script(name, sorted(rest))
                at = os.path.join(git.hooks, f".{name}-dsm")
                disk.rewrite(path, text.encode(), at, mode=0o755)
                told.append(f"{name}: other repositories of dsm are asked still")
                continue
            kept = os.path.join(git.hooks, name) + BEFORE
            if os.path.lexists(kept):
                disk.replace(kept, path)
                told.append(f"{name}: the hook of before is back")
            else:
                disk.remove(path)
                told.append(f"{name}: removed")
    return told


def _text(path: str) -> str | None:
    """Returns the text of a hook; "" for what cannot be read as one, None when there is none."""
    if not os.path.lexists(path):
        return None
    if os.path.islink(path) or not os.path.isfile(path):
        return ""
    data = read_file(path, BYTES_MAX)
    return None if data is None else data.decode(errors="replace")


def _script(name: str, folders: list[str]) -> str:
    """Returns a hook that runs what was there before, then asks dsm in each of its folders.

    A clone of the git repository has the hooks, but maybe not yet the data: nothing is asked then.
    """
    found = shutil.which("dsm")
    program = shlex.quote(os.path.abspath(found)) if found else "dsm"
    asks = []
    for each in map(shlex.quote, folders):
        missing = f"dsm: there is no repository in {each}, so nothing is asked of {name}"
        asks += [
            f"if [ -e {each}/.dsm ]; then",
            f'"$dsm" -C {each} hooks run {name} "$@" || exit',
            f"else echo {shlex.quote(missing)} >&2; fi",
        ]
    return "\n".join([
        "#!/bin/sh",
        MARK,
        f'before="$(dirname "$0")/{name}{BEFORE}"',
        'if [ -x "$before" ]; then "$before" "$@" || exit; fi',
        f"dsm=$(command -v dsm || echo {program})",
        *asks,
        "",
    ])  # fmt: skip


def _folders(text: str) -> set[str]:
    """Returns the folders that a hook of ours asks dsm in."""
    found = set()
    for line in text.splitlines():
        if line.startswith('"$dsm" -C '):
            words = shlex.split(line)
            found.add(words[2])
    return found


# --- the tool pre-commit -------------------------------------------------------------------------


def configure_tool(git: Git) -> str:
    """Adds the hooks to the configuration of pre-commit (or prek) at the top of the work tree.

    Returns what was done, in words. Raises InvalidInput where it cannot be told how to add to it.
    """
    path = os.path.join(git.top, CONFIG)
    data = read_file(path, BYTES_MAX)
    text = "" if data is None else _plain(data, path)
    if _begin(git.below) in map(str.strip, text.splitlines()):
        return f"{CONFIG} has the hooks already"
    if not text.strip():
        text = f"{_SKELETON}\n"
    text = _EMPTY.sub("repos:", text)
    indent = _indent_of_repos(text, path, git.below)
    if not text.endswith("\n"):
        text += "\n"
    block = "".join(f"{indent}{line}\n" for line in _block(git.below))
    disk.rewrite(path, (text + block).encode(), path + ".dsm")
    # Without that key in it, or -t, the tools install the hook pre-commit only.
    types = "" if text.startswith(_SKELETON) else "".join(f" -t {name}" for name in NAMES)
    return f"{CONFIG}: added the hooks; `pre-commit install{types}` puts them into git"


def unconfigure_tool(git: Git) -> str | None:
    """Takes the hooks out of that configuration; None when they are not in it."""
    path = os.path.join(git.top, CONFIG)
    data = read_file(path, BYTES_MAX)
    text = "" if data is None else _plain(data, path)
    lines = text.splitlines(keepends=True)
    told = [line.strip() for line in lines]
    try:
        begin = told.index(_begin(git.below))
        end = told.index(_END, begin)
    except ValueError:
        return None
    rest = "".join([*lines[:begin], *lines[end + 1 :]])
    if rest.rstrip("\n") == _SKELETON:
        disk.remove(path)
        return f"{CONFIG}: removed"
    rest = _EMPTIED.sub("repos: []", rest)  # the tools refuse a list that is not there
    disk.rewrite(path, rest.encode(), path + ".dsm")
    return f"{CONFIG}: took the hooks out"


def _plain(data: bytes, path: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8") from None


def _indent_of_repos(text: str, path: str, below: str) -> str:
    """Returns how the items of `repos` are indented, where they end the file."""
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"]
    keys = [n for n, line in enumerate(lines) if line[0] not in " -" and ":" in line]
    last = lines[keys[-1]].split("#")[0].strip() if keys else ""
    items = [line for line in lines[keys[-1] + 1 :] if line.lstrip().startswith("- repo:")]
    if last != "repos:" or (not items and keys[-1] < len(lines) - 1):
        block = "\n".join(_block(below))
        raise InvalidInput(
            f"{path} does not end with its list of repos, so nothing was added",
            hint=f"add to that list:\n{block}",
        )
    return items[0][: len(items[0]) - len(items[0].lstrip())] if items else "  "


def _begin(below: str) -> str:
    """Returns the line that begins the hooks of a repository: each in a git tree has its own."""
    return _BEGIN if below == "." else f"{_BEGIN} of {json.dumps(below, ensure_ascii=False)}"


def _block(below: str) -> list[str]:
    """Returns hooks that ask dsm in a folder; nothing where a clone has no repository there yet."""
    lines = [_begin(below), "- repo: local", "  hooks:"]
    for name in NAMES:
        # The tools start a program, not a shell: one is named, so that it looks first.
        script = f'[ ! -e "$0/.dsm" ] || dsm -C "$0" hooks run {name}'
        entry = f"sh -c {shlex.quote(script)} {shlex.quote(below)}"
        lines += [
            f"    - id: dsm-{name}", f"      name: dsm {name}",
            f"      entry: {json.dumps(entry, ensure_ascii=False)}", "      language: system",
            "      always_run: true", "      pass_filenames: false", f"      stages: [{name}]",
        ]  # fmt: skip
    return [*lines, _END]
