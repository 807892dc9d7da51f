"""dsm config: read and change settings."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dsm.answers.config import setting_answer, settings_answer
from dsm.cli.group import Command, Group, new_app
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.names import printable
from dsm.repo.config import KEYS


def known_keys(incomplete: str) -> list[str]:
    """Returns the keys that begin so, for the shell to complete."""
    return [key for key in KEYS if key.startswith(incomplete)]


class ConfigGroup(Group):
    """`dsm config` alone: what git takes as a key and a value is answered by the line to type."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in KEYS:
            value = f" {args[1]!r}" if len(args) > 1 else ""
            line = f"dsm config {'set' if value else 'get'} {args[0]}{value}"
            raise InvalidInput(f"{args[0]} is a setting, not a command", hint=f"write `{line}`")
        return super().resolve_command(ctx, args)


app = new_app(ConfigGroup)
Key = Annotated[
    str, typer.Argument(metavar="KEY", autocompletion=known_keys, help="Such as user.name")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


@app.callback(invoke_without_command=True)
def config(ctx: typer.Context) -> None:
    """Read and change settings

    Settings belong to this copy of the repository (.dsm/config.toml). Without a command, lists
    them.

    \b
    Examples:
      dsm config set user.name "Ada Lovelace"
      dsm config get user.name
      dsm config list --json
      dsm config unset user.name
    """
    if ctx.invoked_subcommand is None:
        list_settings(ctx)


@app.command("get", cls=Command)
def get(ctx: typer.Context, key: Key, as_json: Json = False) -> None:
    """Print a setting; exit 1 when it is not set

    \b
    Examples:
      dsm config get core.dataset
    """
    with Session(ctx) as s:
        value = s.repo.config.get(key)
        if as_json:
            print_json(setting_answer(key, value))
        elif value is not None:
            print(printable(value))
    if value is None:
        raise AnswerIsNo(f"{key} is not set")


@app.command("set", cls=Command)
def set_value(
    ctx: typer.Context,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="New value")],
    as_json: Json = False,
) -> None:
    """Change a setting

    \b
    Examples:
      dsm config set user.email ada@example.org
    """
    with Session(ctx) as s:
        s.repo.config.set(key, value)
        if as_json:
            print_json(setting_answer(key, s.repo.config.get(key)))


@app.command("unset", cls=Command)
def unset(ctx: typer.Context, key: Key, as_json: Json = False) -> None:
    """Remove a setting; exit 1 when it was not set

    \b
    Examples:
      dsm config unset user.email
    """
    with Session(ctx) as s:
        if not s.repo.config.unset(key):
            raise AnswerIsNo(f"{key} was not set")
        if as_json:
            print_json(setting_answer(key, None))


@app.command("list", cls=Command)
def list_settings(ctx: typer.Context, as_json: Json = False) -> None:
    """List all settings

    \b
    Examples:
      dsm config list
    """
    with Session(ctx) as s:
        items = s.repo.config.items()
        if as_json:
            print_json(settings_answer(items))
            return
        for key, value in items:
            print(f"{printable(key)}={printable(value)}")
        if not items:
            s.say("no setting is set; `dsm config set KEY VALUE` sets one")
