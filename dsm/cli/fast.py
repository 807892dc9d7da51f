"""Everyday command lines, parsed without typer: importing that takes longer than their work.

A line that this table does not understand completely (help, a mistake, a rare option) is left to
typer, which decides alone what is right; a test checks that both understand the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dsm.cli import color
from dsm.cli.session import Settings

GLOBAL_FLAGS = {
    "-q": "quiet", "--quiet": "quiet", "--no-color": "no_color",
    "--no-pager": "no_pager", "-v": "verbose",
    "--verbose": "verbose",
}  # fmt: skip
GLOBAL_VALUES = {"-C": "folder", "-d": "dataset", "--dataset": "dataset", "--color": "color"}

# For each command: flags, options with a text, options with texts, options with a number; and
# each option's parameter of the command's function. Other words are `paths`, or `words`.
FLAGS: dict[str, dict[str, str]] = {
    "status": {
        "-s": "short", "--short": "short", "--porcelain": "porcelain", "-z": "zero",
        "--json": "as_json", "--exit-code": "exit_code", "--sources": "sources",
        "--remote": "on_remote",
    },
    "log": {
        "--oneline": "oneline", "-p": "patch", "--patch": "patch", "--stat": "stat",
        "--reverse": "reverse", "--json": "as_json", "--no-follow": "no_follow",
    },
    "add": {
        "-n": "dry_run", "--dry-run": "dry_run", "-A": "deletions", "--all": "deletions",
        "--strict": "strict", "--follow-symlinks": "follow_symlinks",
        "--keep-going": "keep_going", "-f": "force", "--force": "force", "--json": "as_json",
        "--records": "records",
    },
    "commit": {
        "-a": "stage_all", "--all": "stage_all", "--allow-empty": "allow_empty",
        "--allow-mass-delete": "allow_mass_delete", "--json": "as_json",
        "--no-verify": "no_verify",
        "--no-alert": "no_alert",
    },
    "prepare": {
        "--all-labels": "all_labels", "--only-passed": "only_passed", "--json": "as_json",
    },
    "get": {
        "--verify": "verify", "-f": "force", "--force": "force", "--croissant": "croissant",
        "-n": "dry_run", "--dry-run": "dry_run",
        "--skip-sources": "skip_sources", "--dummy": "dummy", "--allow-persist": "allow_persist",
        "--json": "as_json",
    },
}  # fmt: skip
TEXTS: dict[str, dict[str, str]] = {
    "log": {"--since": "since", "--until": "until"},
    "add": {
        "--pattern": "pattern", "--labels": "label_file", "--labels-format": "label_format",
        "--hf": "hub_folder",
        "--label-field": "label_field", "--time-field": "time_field",
        "--records-format": "records_format", "--columns": "columns", "--delimiter": "delimiter",
        "--quote": "quote", "--encoding": "encoding", "--label-sep": "label_sep",
    },
    "commit": {"--author": "author", "--source": "source", "--note": "note"},
    "prepare": {
        "--since": "since", "--until": "until", "--percent": "percent",
        "--changesets": "changesets", "--at": "at", "--name": "name",
        "--target": "target", "--classes": "classes", "--sample": "sample", "--seed": "seed",
        "--balance": "balance", "--view": "view", "--pick": "pick",
        "--pick-column": "pick_column", "--missing": "missing",
    },
    "get": {
        "-o": "out", "--output": "out", "--format": "format_", "--shard-size": "shard_size",
        "--compression": "compression", "--classes-from": "classes_from", "--from": "from_",
    },
}  # fmt: skip
LISTS: dict[str, dict[str, str]] = {
    "log": {"--author": "author", "--grep": "grep", "--where": "where"},
    "add": {
        "--label": "labels", "-l": "labels", "--key-field": "key_field",
        "--attr-field": "attr_field",
    },
    "commit": {
        "-m": "messages", "--message": "messages", "--trailer": "trailers",
        "--derived-from": "derived_from",
    },
    "prepare": {
        "--label": "labels", "-l": "labels", "--exclude-label": "exclude", "--path": "paths",
        "--where": "where", "--split": "split", "--segment": "segment",
        "--and": "and_", "--or": "or_", "--minus": "minus",
        "--changeset-where": "changeset_where",
    },
}  # fmt: skip
NUMBERS: dict[str, dict[str, str]] = {
    "log": {"-n": "limit", "--max-count": "limit"},
    "get": {"--dummy-rows": "dummy_rows"},
    "prepare": {"--per-label": "per_label"},
}
# Python refuses to read much longer ones; typer says so.
NUMBER_DIGITS_MAX = 18
NEEDED = {"add": "paths", "commit": "messages", "get": "version"}
TAKES_PATHS = {"log": "words", "add": "paths", "commit": "paths"}
TAKES_ONE = {"get": "version"}


class FastContext:
    """Stands in for typer's context, of which commands use `obj` alone."""

    def __init__(self, settings: Settings):
        self.obj = settings


def parse(words: list[str]) -> tuple[str, Settings, dict[str, Any]] | None:
    """Returns the command, the settings and the arguments; None leaves the line to typer."""
    settings = Settings()
    command: str | None = None
    arguments: dict[str, Any] = {}
    paths: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--" and command is not None:
            behind = list(rest)
            paths.extend(behind)
            settings.behind_dashes = len(behind)
        elif not word.startswith("-") or word == "-":
            if command is not None:
                paths.append(word)
            elif word in FLAGS:
                command = word
            else:
                return None
        elif not _option(word, rest, command, settings, arguments):
            return None
    if command is None:
        return None
    if command in TAKES_ONE and len(paths) == 1:
        arguments[TAKES_ONE[command]] = paths.pop()
    if paths and command not in TAKES_PATHS:
        return None
    if command in TAKES_PATHS:
        arguments[TAKES_PATHS[command]] = paths or None
    if command in NEEDED and not arguments.get(NEEDED[command]):
        return None
    return command, settings, arguments


def _option(
    word: str,
    rest: Iterator[str],
    command: str | None,
    settings: Settings,
    arguments: dict[str, Any],
) -> bool:
    """Takes in one option, with its value; False when it is not a plain one."""
    tables = FLAGS.get(command or "", {})
    if command == "log" and _is_number(word[1:]):
        arguments["limit"] = int(word[1:])
        return True
    if word in tables:
        arguments[tables[word]] = True
        return True
    if word in GLOBAL_FLAGS:
        settings.flag(GLOBAL_FLAGS[word])
        return True
    name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
    kinds = (TEXTS, LISTS, NUMBERS)
    kind = next((k for k in kinds if command and name in k.get(command, {})), None)
    if kind is None and name not in GLOBAL_VALUES:
        return False
    if not equals:
        value = next(rest, "-")  # as good as a value that is missing
    if value.startswith("-"):
        return False
    if kind is None:
        if GLOBAL_VALUES[name] == "folder":
            settings.folders.append(value)
        elif GLOBAL_VALUES[name] == "color":
            if value not in color.WHEN:
                return False
            settings.choose_color(value)
        else:
            settings.dataset = value
        return True
    parameter = kind[command or ""][name]
    if kind is LISTS:
        arguments.setdefault(parameter, []).append(value)
    elif kind is NUMBERS:
        if not _is_number(value):
            return False
        arguments[parameter] = int(value)
    else:
        arguments[parameter] = value
    return True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX
