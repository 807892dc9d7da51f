"""dsm source: name restricted datastores, and test that they answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.queries import check_answer
from dsm.answers.sources import (
    forgotten_source_answer,
    source_answer,
    source_test_answer,
    sources_answer,
)
from dsm.cli.add_options import parameters, query_text
from dsm.cli.group import Command, new_app
from dsm.cli.output import message, print_json
from dsm.cli.prepare_options import At
from dsm.cli.query_checks import check_lines
from dsm.cli.session import Session
from dsm.cli.suggestions import source_names
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.sources.query import SourceQuery
    from dsm.sources.source import Source

TIMEOUT_SECONDS = 30.0
# Dummy times begin here, so that the same rows come every time.
DUMMY_BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
_WORDS = {"environment": "variable", "file": "file", "keyring": "keyring"}

app = new_app()


Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=source_names, help="Name of the source")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


@app.callback(invoke_without_command=True)
def source(ctx: typer.Context) -> None:
    """Name restricted datastores, and test that they answer

    A source says which driver reaches a datastore and where its address is read from: an
    environment variable, a file or the keyring. The address itself, and the password in it, is
    never recorded or shown. Without a command, lists the sources.

    \b
    Examples:
      dsm source add payments --driver postgresql --uri-env PAYMENTS_URI
      dsm source test payments
      dsm source list
    """
    if ctx.invoked_subcommand is None:
        list_sources(ctx)


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new source")],
    driver: Annotated[
        str,
        typer.Option(
            "--driver", metavar="D", help="postgresql, sqlite, duckdb or another ADBC driver"
        ),
    ],
    uri_env: Annotated[
        str | None,
        typer.Option("--uri-env", metavar="VAR", help="Environment variable with the address"),
    ] = None,
    uri_file: Annotated[
        str | None,
        typer.Option("--uri-file", metavar="FILE", help="File with the address, /… or ~/…"),
    ] = None,
    keyring: Annotated[
        str | None,
        typer.Option("--keyring", metavar="SERVICE[:USER]", help="Keyring entry with the address"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Name a datastore; give one of --uri-env, --uri-file and --keyring

    The address is read when a query runs, not now. For sqlite and duckdb it is the path of a file.

    \b
    Examples:
      dsm source add payments --driver postgresql --uri-env PAYMENTS_URI
      dsm source add wards --driver sqlite --uri-file ~/.config/wards.uri
      dsm source add sales --driver duckdb --keyring sales-db:reader
    """
    given = {"environment": uri_env, "file": uri_file, "keyring": keyring}
    chosen = [(kind, value) for kind, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise InvalidInput(
            "a source needs exactly one of --uri-env, --uri-file and --keyring",
            hint="such as --uri-env PAYMENTS_URI",
        )
    kind, value = chosen[0]
    with Session(ctx) as s:
        from dsm.sources import source as sources
        from dsm.sources.access import Access, add_source

        if kind == sources.FILE:
            sources.check_secret(kind, os.path.expanduser(value), s.repo.root)
        made = add_source(s.repo, name, driver, kind, value, created=s.repo.environment.clock())
        trusted = Access(s.repo).trusted(made)
        if as_json:
            print_json(source_answer(made, trusted))
        next_step = "test" if trusted else "trust"
        what = "tries it" if next_step == "test" else "lets its queries run"
        s.say(f"added source {made.name}; `dsm source {next_step} {made.name}` {what}")


@app.command("list", cls=Command)
def list_sources(ctx: typer.Context, as_json: Json = False) -> None:
    """List the sources of the repository

    \b
    Examples:
      dsm source list
      dsm source list --json
    """
    with Session(ctx) as s:
        from dsm.sources import source as sources
        from dsm.sources.access import Access

        found = [sources.find(s.repo, name) for name in sources.names(s.repo)]
        access = Access(s.repo)
        if as_json:
            print_json(sources_answer(found, access.trusted))
            return
        wide = max((len(each.name) for each in found), default=0)
        driver = max((len(each.driver) for each in found), default=0)
        for each in found:
            rest = "" if access.trusted(each) else "  (not trusted)"
            print(f"{each.name:{wide}}  {each.driver:{driver}}  {_secret(each)}{rest}")
        if not found:
            s.say("no source is named; `dsm source add` names one")


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Describe a source: its driver, and where its address is read from

    \b
    Examples:
      dsm source show payments
      dsm source show payments --json
    """
    with Session(ctx) as s:
        from dsm.sources import source as sources
        from dsm.sources.access import Access

        found = sources.find(s.repo, name)
        trusted = Access(s.repo).trusted(found)
        if as_json:
            print_json(source_answer(found, trusted))
            return
        rows = (
            ("name", found.name), ("id", found.id), ("driver", found.driver),
            ("address", _secret(found)), ("created", format_time(found.created)),
            ("digest", found.digest), ("trusted", "yes" if trusted else "no"),
        )  # fmt: skip
        for key, value in rows:
            print(f"{key + ':':9} {value}")


@app.command("test", cls=Command)
def test(
    ctx: typer.Context,
    name: Name,
    sql: Annotated[
        str | None, typer.Option("-e", "--execute", metavar="SQL", help="Query to try")
    ] = None,
    query: Annotated[
        str | None, typer.Option("--query", metavar="FILE", help="File with the query to try")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="K=V", help="Value of :K in the query; repeatable"),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", help="Seconds to wait for the source")
    ] = TIMEOUT_SECONDS,
    as_json: Json = False,
) -> None:
    """Open a source, and show the columns of a query; no row is read

    \b
    Examples:
      dsm source test payments
      dsm source test payments -e "SELECT * FROM payment WHERE day >= :since::date" \
--param since=2026-01-01
      dsm source test payments --query fraud.sql --json
    """
    text = None if query is None and sql is None else query_text(query, sql)[0]
    values = parameters(param)
    if values and text is None:
        raise InvalidInput("--param belongs to a query", hint="give one by -e or --query")
    with Session(ctx) as s:
        from dsm.sources import broker
        from dsm.sources import source as sources
        from dsm.sources.access import Access
        from dsm.sources.schema import type_text

        found = sources.find(s.repo, name)
        if text is None:
            broker.reach(found, access=Access(s.repo), timeout=timeout)
            schema = None
        else:
            schema = broker.schema_of(
                found, text, values, access=Access(s.repo), timeout=timeout
            )  # fmt: skip
    if as_json:
        print_json(source_test_answer(found.name, schema))
        return
    if schema is None:
        print(f"source {found.name} answers")
        return
    wide = max((len(printable(column.name)) for column in schema), default=0)
    for column in schema:
        print(f"{printable(column.name):{wide}}  {printable(type_text(column.type))}")


@app.command("check", cls=Command)
def check(ctx: typer.Context, at: At = None, as_json: Json = False) -> int:
    """Test that the queries of the dataset can be run

    Every source is asked for the columns of the dataset's queries, and begins each; no row is read.
    Exit status 1 when a source cannot be reached, refuses, or has other columns than were recorded.

    \b
    Examples:
      dsm source check
      dsm source check --at v1 --json
    """
    with Session(ctx) as s:
        from dsm.sources.checking import check_queries

        found = check_queries(s.repo, s.dataset.queries(at))
        if as_json:
            print_json(check_answer(s.dataset.name, found))
        else:
            for each in found:
                print("\n".join(check_lines(each)))
            if not found:
                s.say("the dataset has no query to test")
    failed = sum(each.problem is not None for each in found)
    if failed:
        message(f"{failed} of {len(found)} queries cannot be run as recorded")
    return 1 if failed else 0


@app.command("trust", cls=Command)
def trust(
    ctx: typer.Context,
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="Do not trust it any more")] = False,
    as_json: Json = False,
) -> None:
    """Let the queries of a source run that came with the repository

    Until then its address is not read and its driver is not loaded. That you trust it is noted in
    your own folder, ~/.config/dsm, for this copy of the repository and for the source as it is now:
    when the source changes, you are asked again. A source that you add here is trusted. `dsm source
    list` shows which are not.

    \b
    Examples:
      dsm source trust payments
      dsm source trust payments --revoke
    """
    with Session(ctx) as s:
        from dsm.sources import source as sources

        found = sources.find(s.repo, name)
        if revoke:
            taken = s.repo.distrust_source(name)
            s.say(f"source {name} is {'not trusted any more' if taken else 'not trusted'}")
        else:
            s.repo.trust_source(name)
            s.say(
                f"queries of source {name} may use the {found.driver} driver and {_secret(found)}"
            )
        if as_json:
            print_json(source_answer(found, not revoke))


@app.command("dummy", cls=Command)
def dummy(
    ctx: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY",
            help="Name of a query, or the changeset that put it",
            show_default=False,
        ),
    ],
    count: Annotated[
        int, typer.Option("-n", "--rows", metavar="N", min=0, help="How many rows")
    ] = 100,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Other rows")] = 0,
) -> None:
    """Print dummy rows with the columns of a query, as lines of JSON

    No source is asked and no address is needed: the columns were recorded with the query. The same
    rows come every time. `dsm get VIEW --dummy` makes a whole view with such rows.

    \b
    Examples:
      dsm source dummy fraud -n 5
      dsm source dummy 7 --seed 1
    """
    with Session(ctx) as s:
        from dsm.sources.json_text import objects
        from dsm.views.query.view_query import ViewQuery
        from dsm.views.source_rows.dummy import rows_for

        everything = ViewQuery(s.dataset.id, 0, "")
        rows = rows_for(_query(s, query), everything, DUMMY_BEGIN_US, count, 0, seed)
        for line in objects(rows.schema.names, rows.columns).to_pylist():
            print(line.replace("\x7f", "\\u007f"))


def _query(s: Session, named: str) -> SourceQuery:
    """Finds a query that stands or is staged by name, or the only one that a changeset put."""
    dataset = s.dataset
    known = {**dataset.queries(), **dataset.staged_queries()}
    if named in known:
        return known[named]
    try:
        changeset = dataset.changeset(named)
    except NotFound:
        near = close_matches(named, known)
        raise NotFound(
            f"there is no query or changeset {printable(named)}",
            hint=f"did you mean {near[0]}?" if near else "`dsm status` names the queries",
        ) from None
    put = [name for name in dataset.queries(changeset.number) if name in changeset.documents]
    if len(put) != 1:
        raise InvalidInput(
            f"changeset {changeset.number} put {len(put)} queries",
            hint="name one of them: " + ", ".join(put) if put else "`dsm log` shows which put one",
        )
    return dataset.queries(changeset.number)[put[0]]


@app.command("remove", cls=Command)
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget a source; the datastore is not touched

    \b
    Examples:
      dsm source remove payments
    """
    with Session(ctx) as s:
        from dsm.sources.access import remove_source

        remove_source(s.repo, name)
        if as_json:
            print_json(forgotten_source_answer(name))
        s.say(f"forgot source {name}; the datastore was not touched")


def _secret(found: Source) -> str:
    return f"{_WORDS[found.kind]} {printable(found.secret)}"
