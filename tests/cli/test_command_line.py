"""The command line as a whole: the table of commands, help, options of every command, parsing."""

from __future__ import annotations

import os
import random
import re
from functools import cache
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest

from dsm.cli import fast
from dsm.cli.add_options import PANEL
from dsm.cli.commands import COMMANDS, SECTIONS
from dsm.cli.group import ADVICE, OPTIONS_OF_OTHERS, WORDS_OF_OTHERS, load, root
from dsm.cli.session import Settings

from .conftest import Runner, write


@cache
def all_commands() -> list[tuple[str, Any]]:
    """Every command and those below it, as (words, typer's command)."""
    found = []
    for name in COMMANDS:
        command = load(name)
        found.append((name, command))
        found += [(f"{name} {sub}", c) for sub, c in getattr(command, "commands", {}).items()]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_table_says_what_the_command_says(name: str) -> None:
    """A row's help is the first line of the command's docstring, short and imperative."""
    line = COMMANDS[name][1]
    assert line == load(name).help.splitlines()[0]
    assert len(line) <= 65
    assert not line.endswith(".")


def test_every_command_is_in_one_section() -> None:
    """The sections of the help hold each command once, in the order of the table."""
    assert list(COMMANDS) == [name for names in SECTIONS.values() for name in names]


@pytest.mark.parametrize("words", [words for words, _ in all_commands()])
def test_every_command_has_examples(dsm: Runner, words: str) -> None:
    """-h and --help print usage, examples and a help text for each option."""
    said = dsm(*words.split(), "--help")
    assert said.out == dsm(*words.split(), "-h").out
    assert f"Usage: dsm {words} " in said.out
    assert f"\n  Examples:\n    {'eval' if words == 'completion' else 'dsm ' + words}" in said.out
    command = dict(all_commands())[words]
    assert [p.name for p in command.params if not p.help and not getattr(p, "hidden", False)] == []


@pytest.mark.parametrize("words", [words for words, _ in all_commands()])
def test_every_command_takes_the_common_options(words: str) -> None:
    """-C, --dataset, -q and --no-color may stand behind any command."""
    command = dict(all_commands())[words]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"-C", "--dataset", "-q", "--quiet", "--no-color"} <= flags


def test_help_lists_all_commands(dsm: Runner) -> None:
    """`dsm --help` and `dsm` alone print every row of the table."""
    said = dsm("--help")
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in said.out and line in said.out
    assert said.out == dsm().out


def test_help_as_a_word(dsm: Runner) -> None:
    """`dsm help COMMAND` is `dsm COMMAND --help`, as in git."""
    assert dsm("help").out == dsm("--help").out
    assert dsm("help", "view", "show").out == dsm("view", "show", "--help").out


@pytest.mark.parametrize("name", [name for name in COMMANDS if hasattr(load(name), "commands")])
def test_helps_of_commands_below_are_whole(dsm: Runner, name: str) -> None:
    """No line of help in a list of commands ends in dots."""
    listed = dsm(name, "--help").out.partition("\nCommands:\n")[2]
    assert listed and "..." not in listed


@pytest.mark.parametrize("words", [words for words, _ in all_commands() if words != "completion"])
def test_arguments_are_named_without_brackets(dsm: Runner, words: str) -> None:
    """What may be left out is in brackets in the line of usage only, and a default is told once."""
    shown = dsm(*words.split(), "--help").out.partition("\nArguments:\n")[2].partition("\n\n")[0]
    arguments = shown.splitlines()
    assert [line for line in arguments if re.match(r"  \[(?!-- |N:|N \||A \[)", line)] == []
    assert [line for line in arguments if line.count("efault") > 1] == []


@pytest.mark.parametrize(("word", "meant"), sorted(WORDS_OF_OTHERS.items()))
def test_words_of_other_programs(dsm: Runner, word: str, meant: str) -> None:
    """A command of git that is called otherwise here is answered by ours, not by one like it."""
    assert dsm(word, status=2).err.splitlines() == [
        f"error: there is no command '{word}'", f"hint: did you mean `dsm {meant}`?"
    ]  # fmt: skip
    assert meant.split()[0] in {*COMMANDS, "--version"} and word not in COMMANDS


@pytest.mark.parametrize("word", sorted(ADVICE))
def test_words_without_a_counterpart(dsm: Runner, word: str) -> None:
    """What dsm has no command for is answered by what does the work instead."""
    assert dsm(word, "x", status=2).err.splitlines() == [
        f"error: there is no command '{word}'", f"hint: {ADVICE[word]}"
    ]  # fmt: skip
    assert word not in COMMANDS
    for line in re.findall("`dsm ([^`]+)`", ADVICE[word]):
        assert line.split()[0] in COMMANDS


def test_lines_from_habit(dsm: Runner, two_changesets: Path) -> None:
    """A line that means something to fingers elsewhere is answered by the one to type here."""
    dsm("prepare", "--name", "base")
    for line, status, hint in (
        ("get base --target attr.x", 2, OPTIONS_OF_OTHERS["get", "--target"]),
        ("get base --classes=cat", 2, OPTIONS_OF_OTHERS["get", "--classes"]),
        ("show 1:cat/1.txt", 4, "`dsm cat 1:cat/1.txt` writes an example of a changeset"),
        ("show base", 4, "base is a view: `dsm view show base`"),
        ("prepare --label cat,dog", 4, "give each label its own option: --label cat --label dog"),
    ):
        assert dsm(*line.split(), status=status).err.splitlines()[-1] == f"hint: {hint}"
    said = dsm("add", "--label", "cat,dog", ".", status=2).err.splitlines()
    assert said[0] == "error: cat,dog would be one label, with a comma in it"


@pytest.mark.parametrize(
    "line",
    ["add s3://bucket/a", "init gs://bucket", "restore --to s3://bucket/a", "get base -o s3://a/b",
     "label https://a/b --add x", "diff -- s3://a", "dataset create x --root hf://a/b"],
)  # fmt: skip
def test_addresses_are_no_paths(dsm: Runner, two_changesets: Path, line: str) -> None:
    """An address is refused where a path belongs: nothing is written to a folder of that name."""
    dsm("prepare", "--name", "base")
    before = sorted(path.name for path in two_changesets.iterdir())
    said = dsm(*line.split(), status=2).err.splitlines()
    assert said[0].endswith("is an address; dsm reads and writes files of this machine")
    assert said[1].startswith("hint: download it first")
    assert sorted(path.name for path in two_changesets.iterdir()) == before


def test_version(dsm: Runner) -> None:
    """--version and -V, alone or among other options."""
    from dsm import __version__

    for words in (["--version"], ["-V"], ["-q", "--version"]):
        assert f"dsm {__version__}\n" == dsm(*words).out


def test_mistakes_are_told_in_two_lines(dsm: Runner) -> None:
    """Unknown commands and options exit 2 and suggest; typed escapes are not echoed."""
    for line, told, hint in (
        ("comit", "comit", "did you mean `dsm commit`?"),
        ("xyzzy", "xyzzy", "`dsm --help` lists the commands"),
        ("dataset crate x", "dataset crate", "did you mean `dsm dataset create`?"),
        ("-q view xyzzy", "view xyzzy", "`dsm view --help` lists the commands"),
        ("config xyzzy", "config xyzzy", "`dsm config --help` lists the commands"),
        ("remote rm x", "remote rm", "did you mean `dsm remote remove`?"),
        ("view delete x", "view delete", "did you mean `dsm view rm`?"),
        ("segment ls", "segment ls", "did you mean `dsm segment list`?"),
    ):
        said = dsm(*line.split(), status=2).err
        assert said == f"error: there is no command '{told}'\nhint: {hint}\n"
    said = dsm("status", "--shrt", status=2)
    assert said.err.startswith("error: No such option: --shrt")
    assert said.err.endswith("hint: run `dsm status --help`\n")
    assert "\x1b" not in dsm("\x1b[31m", status=2).err
    dsm("commit", "-m", status=2)
    dsm("log", "-n", "x", status=2)


def test_common_options_stand_before_or_behind(dsm: Runner, two_changesets: Path) -> None:
    """-C works on both sides and adds up as with git; so do -q and -d."""
    above = two_changesets.parent
    for words in (
        ["-C", str(above), "-C", "photos", "ls"],
        ["ls", "-C", str(above), "-C", "photos"],
        ["-C", str(above), "ls", "-C", "photos", "-d", "photos"],
        ["-C", str(above), "dataset", "-C", "photos", "list"],
    ):
        os.chdir("/")
        assert dsm(*words).out
    os.chdir(two_changesets)
    dsm("-C", "nowhere", "status", status=4)
    assert "" == dsm("-q", "add", ".").err == dsm("add", "-q", ".").err


def test_a_commands_own_letter_wins(dsm: Runner, two_changesets: Path) -> None:
    """`dsm tag -d` deletes; the dataset is then named by --dataset or before the command."""
    dsm("-d", "photos", "tag", "v1")
    dsm("tag", "-d", "v1", "--dataset", "photos")
    assert dsm("tag").out == ""


FAST_LINES = """
    status
    status -s
    status --short --json
    status --porcelain -z --exit-code
    -C x status
    status -C x -C y
    -d photos log
    log --dataset=photos -q
    -q --no-color log
    --no-pager log
    log --no-pager --color always
    --color=never status
    log
    log --oneline -n 5
    log --max-count=3 --stat
    log -- a b
    log a --oneline b
    log -n 5 -- --oneline
    log --json -
    log -3
    log v1..head -p --since 7d --until=2026-01-01 -- a
    log --where ticket=A-17 --where k!=v
    log --author ada --author=bob --grep x --reverse --patch
    log --
    add .
    add -n -A a b
    add --label x -l y --label=z a
    add --pattern {label}/{name} --labels f.csv a
    add --strict --keep-going --follow-symlinks a
    add -- -n
    commit -m x
    commit -m x -m y a b
    commit --message=x --author=y
    commit -a --allow-empty -m x --source u --note n
    commit -m x --author=
    commit -m x --no-verify
    commit -m x --trailer ticket=A-17 --trailer k=v
    commit -m x --derived-from d@1 --derived-from=s3://shop/1
    prepare
    prepare --label cat -l dog --exclude-label bird --all-labels
    prepare --since 2026-01-01 --until=7d --percent 80% --changesets 1,3-5 --at v1
    prepare --only-passed
    prepare --changeset-where ticket=A-17 --changeset-where k!=v
    prepare --path train/** --path test --where width>=512 --name base --json
    get base
    get base -o out --format tar -f
    get --output=x 3f9a1c2b --shard-size 1GB --compression zstd --verify --croissant --json
    get base --dummy --dummy-rows 5 --skip-sources --allow-persist -o out -q
"""
TYPER_LINES = """
    status -h
    status x
    status --shrt
    status --json=1
    log -n
    log -n x
    log -n5
    log -n -5
    log --max-count=
    log -3x
    log --since
    log --grep -3
    add
    add --label
    commit
    commit a
    commit -m
    commit -am x
    commit -m -x
    show
    --version
    --dataset status
    -C
    -- status
    prepare x
    prepare --since
    get
    get a b
    get base -o -
    get base --no-croissant
    get base --dummy-rows x
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


def understood_by_typer(words: list[str]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Parses as typer does, and returns command, arguments and settings."""
    settings = Settings()
    group = root()
    with group.make_context("dsm", list(words), obj=settings) as ctx:
        name, command, rest = group.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
        with command.make_context(name, rest, parent=ctx) as below:
            return name, plain(name, below.params), told(settings)


def told(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in Settings.__slots__}


def plain(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what has its default, or is nothing at all."""
    parameters = signature(import_module(COMMANDS[command][0]).command).parameters
    kept = {
        name: value for name, value in arguments.items()
        if value not in (None, False, (), []) and value != parameters[name].default
    }  # fmt: skip
    return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}


def check_both_understand(words: list[str]) -> None:
    parsed = fast.parse(words)
    assert parsed is not None
    command, settings, arguments = parsed
    assert understood_by_typer(words) == (command, plain(command, arguments), told(settings))


@pytest.mark.parametrize("line", lines(FAST_LINES))
def test_the_fast_path_understands_what_typer_does(line: str) -> None:
    """Both parsers make the same of an everyday line."""
    check_both_understand(line.split())


@pytest.mark.parametrize("line", ["", *lines(TYPER_LINES)])
def test_the_fast_path_leaves_the_rest_to_typer(line: str) -> None:
    """Help, mistakes and rare spellings are not its business."""
    assert fast.parse(line.split()) is None


def test_the_fast_path_on_random_lines() -> None:
    """Whatever it claims to understand, typer understands likewise."""
    chance = random.Random(20240229)
    flags = [
        "-s", "--short", "--json", "-z", "-n", "5", "-m", "text", "--stat", "--oneline", "a/b",
        "--", "-a", "-A", "--label", "x", "--pattern", "--author=y", "-q", "-C", "-d",
        "--dataset=p", "--all", "--no-color", "--strict", "-l", "-o", "--format", "--force",
        "--since", "--percent=.5",
    ]  # fmt: skip
    taken = 0
    for _ in range(3000):
        words = [*chance.choices(flags, k=chance.randint(0, 4))]
        words.insert(chance.randint(0, min(len(words), 2)), chance.choice(sorted(fast.FLAGS)))
        if fast.parse(words) is not None:
            check_both_understand(words)
            taken += 1
    assert taken > 200


def test_the_fast_path_knows_every_option_of_its_commands() -> None:
    """An option added to one of these commands is added to the table, but for those of queries:
    asking a source for columns takes longer than typer."""
    for name in fast.FLAGS:
        table: dict[str, str] = {}
        for kind in (fast.FLAGS, fast.TEXTS, fast.LISTS, fast.NUMBERS):
            table.update(kind.get(name, {}))
        own = [
            p for p in load(name).params
            if p.expose_value and p.param_type_name == "option"
            and getattr(p, "rich_help_panel", None) != PANEL
        ]  # fmt: skip
        assert {flag: p.name for p in own for flag in p.opts} == table


def test_fast_and_typer_print_the_same(dsm: Runner, two_changesets: Path) -> None:
    """A line that only typer takes gives what the fast path gives."""
    write(two_changesets / "new.txt", "new")
    assert dsm("status").out == dsm("status", "-C", "./").out
    assert dsm("log", "-n", "1").out == dsm("log", "-n1").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_module_is_there(name: str) -> None:
    """The table names modules that hold a command or an app."""
    module = import_module(COMMANDS[name][0])
    assert hasattr(module, "command") != hasattr(module, "app")
