"""dsm hooks: let git ask dsm, and let a repository's own hooks run."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from dsm.answers.hooks import hooks_answer
from dsm.cli import git_hooks
from dsm.cli.group import Command, new_app
from dsm.cli.output import message, print_json
from dsm.cli.session import Session
from dsm.errors import DsmError, InvalidInput
from dsm.model.names import printable
from dsm.repo.hooks import (
    CODE,
    TRUSTED,
    Hook,
    distrust_hook,
    find_hook,
    list_hooks,
    mend,
    trust_hook,
)
from dsm.repo.lock_file import BadLock, LockConflict, read_lock

app = new_app()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


@app.callback(invoke_without_command=True)
def hooks(ctx: typer.Context) -> None:
    """Let git ask dsm, and run programs of yours around commands

    `install` lets git ask dsm before a commit and a push, and after a checkout. Programs in
    .dsm/hooks are the repository's own: pre-commit and pre-push stop what they come before when
    they fail; post-commit, post-merge and post-checkout are told what was done. Python files with
    schemas, which the rule pandera of dsm.toml names, are listed with them. They run once you
    trust them, as they are then. Without a command, lists them.

    \b
    Examples:
      dsm hooks install
      dsm hooks trust pre-commit
      dsm hooks trust schemas.py
      dsm hooks
    """
    if ctx.invoked_subcommand is None:
        list_(ctx)


@app.command("install", cls=Command)
def install(
    ctx: typer.Context,
    tool: Annotated[
        bool,
        typer.Option("--pre-commit-tool", help="Add them to .pre-commit-config.yaml instead"),
    ] = False,
) -> None:
    """Let git ask dsm before it commits and pushes

    pre-commit asks the contract of what is staged; pre-push pushes the datasets, where there is a
    remote; post-checkout brings the files that dsm.lock names. A hook that is there runs first.

    \b
    Examples:
      dsm hooks install
      dsm hooks install --pre-commit-tool && pre-commit install
    """
    with Session(ctx) as s:
        git = git_hooks.find_git(s.repo.root)
        if tool:
            s.say(git_hooks.configure_tool(git))
            return
        for line in git_hooks.install(git) or ["the hooks are installed already"]:
            s.say(line)


@app.command("uninstall", cls=Command)
def uninstall(ctx: typer.Context) -> None:
    """Take the hooks of git away again

    Those that were there before come back.

    \b
    Examples:
      dsm hooks uninstall
    """
    with Session(ctx) as s:
        git = git_hooks.find_git(s.repo.root)
        told = git_hooks.uninstall(git)
        configured = git_hooks.unconfigure_tool(git)
        if configured is not None:
            told.append(configured)
        for line in told or ["no hooks of dsm are installed"]:
            s.say(line)


@app.command("list", cls=Command)
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the repository's own hooks, and whether they run

    \b
    Examples:
      dsm hooks list
    """
    with Session(ctx) as s:
        found = [*list_hooks(s.repo), *_schemas(s)]
        if as_json:
            print_json(hooks_answer(found))
            return
        for hook in found:
            print(f"{hook.name}  {hook.state}")
            if hook.state != TRUSTED:
                s.say(f"  {mend(hook)}")
        if not found:
            s.say(f"no hooks in {os.path.join(s.repo.path, 'hooks')}")


def _schemas(s: Session) -> list[Hook]:
    """Returns the Python files that rules in the contract of the dataset name."""
    if not os.path.lexists(os.path.join(s.repo.root, "dsm.toml")):
        return []
    from dsm.checks.rules.pandera import PanderaSchema
    from dsm.checks.rules.personal import PersonalData
    from dsm.checks.verb import contract_of

    contract = contract_of(s.repo.root, s.dataset.name)
    rules = () if contract is None else contract.rules
    named = [rule.file for rule in rules if isinstance(rule, PanderaSchema | PersonalData)]
    found = (find_hook(s.repo, file) for file in dict.fromkeys(named) if file is not None)
    return [each for each in found if each is not None]


@app.command("trust", cls=Command)
def trust(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of hooks")],
) -> None:
    """Let hooks run for you, as they are now

    Read them first: they do whatever you may do. A hook that changes has to be trusted again. What
    is trusted is noted in your own folder, never in the repository.

    \b
    Examples:
      dsm hooks trust pre-commit
    """
    with Session(ctx) as s:
        for name in names:
            s.say(f"{_word(name)} {printable(trust_hook(s.repo, name).name)} runs from now on")


@app.command("distrust", cls=Command)
def distrust(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of hooks")],
) -> None:
    """Let hooks run no more

    \b
    Examples:
      dsm hooks distrust pre-commit
    """
    with Session(ctx) as s:
        for name in names:
            was = distrust_hook(s.repo, name)
            said = "runs no more" if was else "was not trusted"
            s.say(f"{_word(name)} {printable(name)} {said}")


def _word(name: str) -> str:
    return "file" if name.endswith(CODE) else "hook"


@app.command("run", cls=Command)
def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a hook of git")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="ARG...", help="What git hands to it")
    ] = None,
) -> int:
    """Do what a hook of git asks of dsm; for scripts

    \b
    Examples:
      dsm hooks run pre-commit
    """
    with Session(ctx) as s:
        if name == "pre-commit":
            return _pre_commit(s)
        if name == "pre-push":
            return _pre_push(s)
        if name == "post-checkout":
            return _post_checkout(s, words or [])
    raise InvalidInput(
        f"git's hook {printable(name)} asks nothing of dsm",
        hint=f"it is one of {', '.join(git_hooks.NAMES)}",
    )


def _pre_commit(s: Session) -> int:
    """Asks the contract of what is staged, and says when dsm.lock names something else."""
    status = 0
    if os.path.lexists(os.path.join(s.repo.root, "dsm.toml")):
        from dsm.cli.check import tell

        report = s.dataset.check(staged=True)
        if report.ran:
            tell(s, report)
        status = 1 if report.fails() else 0
    try:
        read_lock(s.repo)
    except (BadLock, LockConflict) as error:  # `git commit -a` takes one with marks of a conflict
        message("\n  ".join([f"error: {printable(error.message)}", *map(printable, error.items)]))
        message(f"hint: {error.hint}")
        return 1
    for text in s.repo.lock_differences() or ():
        message(f"note: dsm.lock: {printable(text)} (`dsm lock` names the head)")
    return status


def _pre_push(s: Session) -> int:
    """Pushes all datasets, where there is a remote: code that names data finds it there."""
    if s.repo.remotes.default is not None:
        report = s.repo.push(datasets=s.repo.datasets(), progress=s.progress())
        for each in report.datasets:
            if each.last:
                s.say(f"{each.dataset}: pushed up to changeset {each.last} to {report.remote}")
    return 0


def _post_checkout(s: Session, words: list[str]) -> int:
    """Brings the files that dsm.lock names; git has checked out already, whatever comes of it."""
    before, after, branch = (*words, "", "", "")[:3]
    if not words:  # the tool pre-commit hands them over so
        before = os.environ.get("PRE_COMMIT_FROM_REF", "")
        after = os.environ.get("PRE_COMMIT_TO_REF", "")
        branch = os.environ.get("PRE_COMMIT_CHECKOUT_TYPE", "1")
    lock = os.path.join(s.repo.root, "dsm.lock")
    if branch == "0" or not os.path.lexists(lock) or git_hooks.same(lock, before, after):
        return 0
    from dsm.cli.restore import restore_locked

    try:
        restore_locked(s, force=False, dry_run=False, as_json=False)
    except DsmError as error:
        message(f"dsm: the files stay as they are: {error.message}")
        message("hint: `dsm restore --locked` tries again")
        return 1
    return 0
