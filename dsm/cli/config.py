"""dsm config: read and change settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from dsm.answers.config import setting_answer, settings_answer
from dsm.cli.group import Command, Group, new_app
from dsm.cli.output import message, print_json
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo
from dsm.model.names import printable
from dsm.repo.config import KEYS, Config


def known_keys(incomplete: str) -> list[str]:
    """Returns the keys that begin so, for the shell to complete."""
    return [key for key in KEYS if key.startswith(incomplete)]


class ConfigGroup(Group):
    """`dsm config` alone: takes what git takes, too, and reads it as one of the commands below."""

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        return super().parse_args(ctx, as_command(args))


# What git writes as options.
_COMMANDS = {
    "--get": "get", "--set": "set", "--unset": "unset", "--list": "list", "-l": "list",
    "--add": "set",
}  # fmt: skip
_OPTIONS = ("--global", "--local", "--show-origin", "--json")


def as_command(args: list[str]) -> list[str]:
    """Returns the words with the command first: `--global user.name X` sets, `--unset KEY` removes.

    Completion and help see what was typed.
    """
    options: list[str] = []
    rest = [*args]
    command: str | None = None
    while rest and (rest[0] in _OPTIONS or rest[0] in _COMMANDS):
        word = rest.pop(0)
        if word in _COMMANDS:
            command = _COMMANDS[word]
        elif word != "--local":
            options.append(word)
    # No command has a dot: what has one is a setting, and a misspelt one is told as such.
    if command is None and rest and "." in rest[0]:
        command = "set" if any(not word.startswith("-") for word in rest[1:]) else "get"
    if command is None and not options:
        return args
    if command is None and rest:
        command = rest.pop(0)
    return [command or "list", *options, *rest]


app = new_app(ConfigGroup)
Key = Annotated[
    str, typer.Argument(metavar="KEY", autocompletion=known_keys, help="Such as user.name")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Global = Annotated[bool, typer.Option("--global", help="Your own settings, for all repositories")]
Origin = Annotated[bool, typer.Option("--show-origin", help="Print the file that says it, too")]


@contextmanager
def settings(ctx: typer.Context, mine: bool) -> Iterator[Config]:
    """Gives the settings that are meant; those of the user need no repository."""
    if not mine:
        with Session(ctx) as s:
            yield s.repo.config
        return
    from dsm.api import user_config

    yield user_config()


@app.callback(invoke_without_command=True)
def config(ctx: typer.Context) -> None:
    """Read and change settings

    Settings belong to this copy of the repository (.dsm/config.toml) or, with --global, to you
    (~/.config/dsm/config.toml); those of the repository take precedence. Without a command, lists
    them. The forms of git work as well.

    \b
    Examples:
      dsm config set user.name "Ada Lovelace"
      dsm config --global user.name "Ada Lovelace"
      dsm config get user.name
      dsm config list --show-origin
      dsm config unset user.name
    """
    if ctx.invoked_subcommand is None:
        list_settings(ctx)


@app.command("get", cls=Command)
def get(
    ctx: typer.Context,
    key: Key,
    mine: Global = False,
    origin: Origin = False,
    as_json: Json = False,
) -> None:
    """Print a setting; exit 1 when it is not set

    \b
    Examples:
      dsm config get core.dataset
      dsm config get --show-origin user.name
    """
    with settings(ctx, mine) as found:
        value, path = found.find(key)
        if as_json:
            print_json(setting_answer(key, value, path))
        elif value is not None:
            print(f"{printable(path or '')}\t{printable(value)}" if origin else printable(value))
    if value is None:
        raise AnswerIsNo(f"{key} is not set")


@app.command("set", cls=Command)
def set_value(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="New value")],
    mine: Global = False,
    as_json: Json = False,
) -> None:
    """Change a setting

    \b
    Examples:
      dsm config set user.email ada@example.org
      dsm config set --global user.email ada@example.org
    """
    with settings(ctx, mine) as found:
        found.set(key, value)
        if as_json:
            print_json(setting_answer(key, *found.find(key)))


@app.command("unset", cls=Command)
def unset(ctx: typer.Context, key: Key, mine: Global = False, as_json: Json = False) -> None:
    """Remove a setting; exit 1 when it was not set

    \b
    Examples:
      dsm config unset user.email
    """
    with settings(ctx, mine) as found:
        if not found.unset(key):
            _, path = found.find(key)
            told = f": {path} says it, `dsm config unset --global {key}` removes it"
            raise AnswerIsNo(f"{key} was not set{told if path else ''}")
        if as_json:
            print_json(setting_answer(key, *found.find(key)))


@app.command("list", cls=Command)
def list_settings(
    ctx: typer.Context, mine: Global = False, origin: Origin = False, as_json: Json = False
) -> None:
    """List all settings

    \b
    Examples:
      dsm config list
      dsm config list --show-origin
      dsm config list --global
    """
    with settings(ctx, mine) as found:
        items = found.items_with_files()
        if as_json:
            print_json(settings_answer(items))
            return
        for key, value, path in items:
            said = f"{printable(key)}={printable(value)}"
            print(f"{printable(path)}\t{said}" if origin else said)
        if not items and not ctx.obj.quiet:
            message("no setting is set; `dsm config set KEY VALUE` sets one")
