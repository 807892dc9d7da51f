"""dsm rm: stage the removal of examples, and remove their files."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.staging import removed_answer
from dsm.cli.listed_paths import FromFile, listed_paths
from dsm.cli.output import count_text, print_json, quoted
from dsm.cli.session import Session
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Examples and folders")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="List what would be removed, remove nothing")
    ] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Remove files with unsaved changes, too")
    ] = False,
    keep_files: Annotated[
        bool, typer.Option("--keep-files", "--cached", help="Leave the files where they are")
    ] = False,
    query: Annotated[
        list[str] | None,
        typer.Option("--query", metavar="NAME", help="Stage the removal of this query"),
    ] = None,
    from_file: FromFile = None,
    recursive: Annotated[bool, typer.Option("-r", hidden=True)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Stage the removal of examples, and remove their files

    Earlier changesets keep the examples. The command is refused when files hold changes that are
    stored nowhere, unless --force is given.

    \b
    Examples:
      dsm rm images/broken.jpg
      dsm rm -n images/night
      dsm rm --keep-files drafts
      dsm rm --query fraud
      dsm check --failing bad.txt || dsm rm --keep-files --from-file bad.txt
    """
    if not paths and not query and from_file is None:
        raise InvalidInput(
            "what is to be removed?",
            hint="name examples, folders, a --query, or a file with --from-file",
        )
    paths = [*(paths or ()), *listed_paths(from_file)]
    # -r is for hands that know git: folders are always taken whole.
    with Session(ctx) as s:
        known = {**s.dataset.queries(), **s.dataset.staged_queries()} if query else {}
        for name in query or ():  # all of them are there before the first one goes
            if name not in known:
                near = close_matches(name, known)
                raise NotFound(
                    f"there is no query {printable(name)}",
                    hint=f"did you mean {near[0]}?" if near else "`dsm status` names the queries",
                )
        for name in query or ():
            if not dry_run:
                s.dataset.remove_query(name)
            s.say(f"{'would remove' if dry_run else 'staged the removal of'} query {name}")
        if not paths:
            if as_json:
                print_json(removed_answer(s.dataset.name, (), query or (), dry_run=dry_run))
            return
        removed = s.dataset.remove(paths, keep_files=keep_files, force=force, dry_run=dry_run)
        if as_json:
            print_json(removed_answer(s.dataset.name, removed, query or (), dry_run=dry_run))
        elif dry_run:
            for path in removed:
                print(f"rm {quoted(path)}")
        done = "would remove" if dry_run else "staged the removal of"
        s.say(f"{done} {count_text(len(removed), 'example')}")
