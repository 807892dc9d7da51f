"""The command line as typer sees it: a group whose commands are loaded when they run.

Hides lazy loading and the options that every command takes. `dsm --help`, a mistyped command and
completion of command names work from the table in `dsm.cli.commands` and import no command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import typer
from typer._completion_classes import completion_init
from typer.core import TyperCommand, TyperGroup, TyperOption

from dsm.cli import color
from dsm.cli.commands import COMMANDS, PAGED, SECTIONS
from dsm.cli.output import message
from dsm.cli.session import Settings
from dsm.cli.suggestions import dataset_names
from dsm.errors import InvalidInput
from dsm.model.names import close_matches, printable

# Click is inside typer under a private name; its error classes are reached by what is public.
UsageError: Any = typer.BadParameter.__mro__[1]
HELP_NAMES = {"help_option_names": ["-h", "--help"]}
# What fingers that know git or dvc type, where the nearest name here would be a wrong one.
WORDS_OF_OTHERS = {
    "checkout": "restore", "reset": "restore --staged", "unstage": "restore --staged",
    "remove": "rm", "move": "mv", "rename": "mv", "ls-files": "ls", "cat-file": "cat",
    "export": "get", "download": "pull", "blame": "why",
    "track": "add", "compare": "diff", "undo": "revert", "version": "--version",
    "history": "log", "list": "ls", "delete": "rm", "annotate": "label", "relabel": "label",
    "describe": "dataset show", "info": "dataset show", "datasets": "dataset list",
    "views": "view list", "tags": "tag", "sources": "source list", "verify": "fsck",
    "prune": "gc --prune", "clean": "gc", "settings": "config",
    "save": "commit", "upload": "push", "filter": "prepare", "query": "prepare",
}  # fmt: skip
# Words for one thing: whoever types one that a group of commands lacks is told which it has.
_ALIKE = (
    ("rm", "remove", "delete", "del"), ("list", "ls"), ("create", "add", "new"),
    ("show", "info", "describe", "cat"), ("rename", "mv", "move"), ("test", "check"),
)  # fmt: skip
# Options that belong to another command, and why.
_PINNED = (
    "a version pins its classes, so that its indices never move: `dsm prepare` with this option"
    " makes a view of others"
)
OPTIONS_OF_OTHERS = {("get", "--target"): _PINNED, ("get", "--classes"): _PINNED}
_LINE = "a dataset is one line of changesets: `dsm tag` names one of them, `dsm view` lists subsets"
# What has no counterpart here, and what does the work instead.
ADVICE = {
    "sync": "`dsm pull` takes in what a remote has, `dsm push` uploads what it lacks",
    **dict.fromkeys(("branch", "merge", "rebase", "cherry-pick"), _LINE),
    "stash": "commit what is here (`dsm commit`); `dsm revert` undoes a changeset by a new one",
    "train": "`dsm prepare` chooses examples; dsm.torch, or `dsm get`, hands them to a trainer",
}


def global_options(taken: Iterable[Any] = ()) -> list[Any]:
    """Returns the options of every command, but for letters that the command itself uses."""

    def remember(ctx: Any, option: Any, value: Any) -> None:
        settings: Settings = ctx.find_root().obj
        if option.name == "folders":
            settings.folders.extend(value or ())
        elif option.name == "color":
            if value is not None and value not in color.WHEN:
                raise typer.BadParameter(f"it is one of {', '.join(color.WHEN)}", ctx, option)
            if value is not None:
                settings.choose_color(value)
        elif option.name == "dataset":
            settings.dataset = value or settings.dataset
        elif value:
            settings.flag(option.name)

    used = {flag for parameter in taken for flag in parameter.opts}
    rows: tuple[tuple[str, list[str], dict[str, Any]], ...] = (
        ("folders", ["-C"], {
            "multiple": True, "type": str, "metavar": "DIR",
            "help": "Work as if started in this folder",
        }),
        ("dataset", ["-d", "--dataset"], {
            "type": str, "metavar": "NAME",
            "autocompletion": lambda ctx, _, word: dataset_names(ctx, word),
            "help": "Use this dataset (else DSM_DATASET, else the one chosen by switch)",
        }),
        ("quiet", ["-q", "--quiet"], {"is_flag": True, "help": "Print only answers and errors"}),
        ("verbose", ["-v", "--verbose"], {
            "is_flag": True, "help": "Tell on standard error what is done, and how long it takes",
        }),
        ("color", ["--color"], {
            "type": str, "metavar": "WHEN",
            "autocompletion": lambda word: [when for when in color.WHEN if when.startswith(word)],
            "help": "Print colours: always, never, or on a terminal (auto, the default)",
        }),
        ("no_color", ["--no-color"], {"is_flag": True, "help": "Print without colours"}),
        ("no_pager", ["--no-pager"], {
            "is_flag": True, "help": "Print what is long without a pager, also on a terminal",
        }),
    )  # fmt: skip
    return [
        TyperOption(
            param_decls=[name, *(flag for flag in flags if flag not in used)],
            callback=remember, expose_value=False, **more,
        )
        for name, flags, more in rows
    ]  # fmt: skip


class Command(TyperCommand):
    """One command, with the options of every command."""

    def __init__(self, name: str | None, *, params: Any = None, **more: Any):
        params = [*(params or ()), *global_options(params or ())]
        more["context_settings"] = {**HELP_NAMES, **(more.get("context_settings") or {})}
        super().__init__(name, params=params, **more)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        # What click forgets when it has parsed: which words stand behind `--`.
        end = args.index("--") if "--" in args else len(args)
        settings = ctx.find_root().obj
        if isinstance(settings, Settings):
            settings.behind_dashes = len(args) - end - 1 if end < len(args) else None
        return super().parse_args(ctx, [*self._spelt_out(args[:end]), *args[end:]])

    def _spelt_out(self, args: list[str]) -> list[str]:
        """Returns `-n 3` for `-3` where a command takes that, as in git."""
        if not any("--max-count" in parameter.opts for parameter in self.params):
            return args
        takes = {flag for p in self.params if not getattr(p, "is_flag", True) for flag in p.opts}
        return [
            f"--max-count={word[1:]}"
            if re.fullmatch("-[0-9]+", word) and (not at or args[at - 1] not in takes)
            else word
            for at, word in enumerate(args)
        ]  # fmt: skip

    def invoke(self, ctx: Any) -> Any:
        settings = ctx.find_root().obj
        settings.enter()
        if self.name not in PAGED or ctx.command_path != f"dsm {self.name}" or not settings.pager:
            return super().invoke(ctx)
        from dsm.cli.pager import paged

        return paged(lambda: super(Command, self).invoke(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        # Typer puts what is required into braces, which elsewhere mean a choice.
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A command that has commands below it, such as `dsm dataset`."""

    def __init__(self, *, params: Any = None, **more: Any):
        params = [*(params or ()), *global_options(params or ())]
        more["context_settings"] = {**HELP_NAMES, **(more.get("context_settings") or {})}
        super().__init__(params=params, **more)

    def invoke(self, ctx: Any) -> Any:
        if not ctx._protected_args:
            ctx.find_root().obj.enter()
        return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            # As for every other name that is mistyped; click has words of its own.
            path = ctx.command_path.removeprefix("dsm").lstrip()
            below = f"{path} " if path else ""
            known = self.list_commands(ctx)
            near = close_matches(args[0], known) or _alike(args[0], known)
            raise InvalidInput(
                f"there is no command '{below}{printable(args[0])}'",
                hint=f"did you mean `dsm {below}{near[0]}`?" if near
                else f"`dsm {below}--help` lists the commands",
            )  # fmt: skip
        return super().resolve_command(ctx, args)


def _alike(word: str, known: Sequence[str]) -> list[str]:
    return [name for words in _ALIKE if word in words for name in words if name in known]


class LazyGroup(Group):
    """`dsm` itself: knows its commands by the table, and one of them closely once it runs."""

    def __init__(self, **more: Any):
        super().__init__(**more)
        self.commands = {
            name: TyperCommand(name, help=line, rich_markup_mode=None)
            for name, (_, line) in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        meant = WORDS_OF_OTHERS.get(args[0])
        if meant is not None:
            raise InvalidInput(
                f"there is no command '{args[0]}'", hint=f"did you mean `dsm {meant}`?"
            )
        if args[0] in ADVICE:
            raise InvalidInput(f"there is no command '{args[0]}'", hint=ADVICE[args[0]])
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in names])


def new_app(cls: type[Group] = Group) -> typer.Typer:
    """Returns an empty app with our defaults, for commands that have commands below them."""
    return typer.Typer(
        cls=cls, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )


def load(name: str) -> Any:
    """Imports a command and returns what typer makes of it."""
    module = import_module(COMMANDS[name][0])
    app = getattr(module, "app", None)
    if app is None:
        # Commands of the fast path leave typer out; their annotations, which are text until now,
        # name it all the same.
        vars(module).setdefault("typer", typer)
        if hasattr(module, "OPTIONS"):
            vars(module).setdefault("options", import_module(module.OPTIONS))
        app = new_app()
        app.command(name, cls=Command)(module.command)
    command = typer.main.get_command(app)
    command.name = name
    return command


def root() -> Any:
    """Returns the group of all commands."""
    app = typer.Typer(
        cls=LazyGroup, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
    )

    @app.callback(
        epilog="Run dsm COMMAND --help for the options of a command, dsm demo to see them at work."
    )
    def dsm(
        version: bool = typer.Option(False, "--version", "-V", help="Print the version"),
    ) -> None:
        """Version datasets by numbered changesets, and choose views of them to train on"""

    return typer.main.get_command(app)


def run_with_typer(words: list[str]) -> int:
    """Parses and runs a command line; mistakes in it become two lines and exit status 2."""
    group, settings = root(), Settings()
    if "_DSM_COMPLETE" in os.environ:
        # A shell asks what could stand at the cursor; this answers and exits.
        completion_init()
        group._main_shell_completion({"obj": settings}, "dsm")
    if not words or words[0] == "help":
        words = [*words[1:], "--help"]
    try:
        with group.make_context("dsm", list(words), obj=settings) as ctx:
            if ctx.params.get("version"):
                from dsm.version import __version__

                print(f"dsm {__version__}")
                return 0
            return group.invoke(ctx) or 0
    except typer.Exit as exit_:
        return exit_.exit_code
    except UsageError as error:
        message(f"error: {printable(error.format_message())}")
        if error.ctx is not None:
            path = error.ctx.command_path
            known = OPTIONS_OF_OTHERS.get((path[4:], getattr(error, "option_name", "")))
            message(f"hint: {known or f'run `{path} --help`'}")
        return 2
