"""dsm remote: name the places to push a repository to and pull it from."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.remotes import (
    listing_answer,
    merge_answer,
    remote_answer,
    remotes_answer,
    stats_answer,
)
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import remote_names
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.remotes.book import RemoteEntry
from dsm.remotes.reports import LastTransfer

app = new_app()

Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=remote_names, help="Name of the remote")
]
Optional = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME",
        autocompletion=remote_names,
        help="Name of the remote, else the default one",
    ),
]
Url = Annotated[
    str, typer.Argument(metavar="URL", help="A folder, s3://…, gs://…, az://…, or another address")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
SingleWriter = Annotated[
    bool,
    typer.Option(
        "--single-writer", help="Take a place that cannot keep two writers apart: you alone push"
    ),
]
NoProbe = Annotated[
    bool, typer.Option("--no-probe", help="Do not try the place now; the first push does")
]


@app.callback(invoke_without_command=True)
def remote(ctx: typer.Context) -> None:
    """Name the places to push a repository to and pull it from

    A remote is a plain folder or bucket; it needs no server. Its address holds no password:
    credentials are found where the tools of the provider look for them. Without a command, lists
    the remotes.

    \b
    Examples:
      dsm remote add origin s3://team-bucket/birds
      dsm remote add backup /mnt/share/birds
      dsm remote list
    """
    if ctx.invoked_subcommand is None:
        list_remotes(ctx)


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new remote")],
    url: Url,
    single_writer: SingleWriter = False,
    no_probe: NoProbe = False,
    as_json: Json = False,
) -> None:
    """Name a remote, and test that two can push there

    The test writes small files at the address and removes them. A place where two who push at the
    same time would overwrite each other is refused, unless you say that nobody else pushes there.

    \b
    Examples:
      dsm remote add origin s3://team-bucket/birds
      dsm remote add origin /mnt/share/birds
      dsm remote add old sftp://host/data --single-writer
    """
    with Session(ctx) as s:
        made = s.repo.remotes.add(name, url, single_writer=single_writer, probe=not no_probe)
        if as_json:
            print_json(remote_answer(made))
        what = "`dsm pull` reads from it" if made.read_only else "`dsm push` uploads to it"
        s.say(f"added remote {made.name}; {what}")


@app.command("list", cls=Command)
def list_remotes(ctx: typer.Context, as_json: Json = False) -> None:
    """List the remotes, the default one with a star

    \b
    Examples:
      dsm remote list
      dsm remote list --json
    """
    with Session(ctx) as s:
        found = s.repo.remotes.list()
        if as_json:
            print_json(remotes_answer(found))
            return
        wide = max((len(each.name) for each in found), default=0)
        for each in found:
            print(f"{'*' if each.default else ' '} {each.name:{wide}}  {printable(each.url)}")
        if not found:
            s.say("there is no remote; `dsm remote add origin URL` names one")


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show one remote; the network is not asked

    \b
    Examples:
      dsm remote show origin
    """
    with Session(ctx) as s:
        found = s.repo.remotes.find(name)
        if as_json:
            print_json(remote_answer(found))
        else:
            print("\n".join(_lines(found)))


def _lines(found: RemoteEntry) -> list[str]:
    lines = [f"remote   {found.name}", f"address  {printable(found.url)}"]
    if found.default:
        lines.append("default  yes")
    if found.read_only:
        lines.append("writers  none: it is only read")
    if found.datasets:
        lines.append(f"limited  to {', '.join(found.datasets)}")
    if found.single_writer:
        lines.append("writers  one: two who push at the same time overwrite each other there")
    return lines


@app.command("set-url", cls=Command)
def set_url(
    ctx: typer.Context,
    name: Name,
    url: Url,
    single_writer: SingleWriter = False,
    no_probe: NoProbe = False,
    as_json: Json = False,
) -> None:
    """Give a remote another address

    \b
    Examples:
      dsm remote set-url origin s3://new-bucket/birds
    """
    with Session(ctx) as s:
        made = s.repo.remotes.set_url(name, url, single_writer=single_writer, probe=not no_probe)
        if as_json:
            print_json(remote_answer(made))
        s.say(f"remote {made.name} is at {made.url}")


@app.command("rename", cls=Command)
def rename(
    ctx: typer.Context,
    name: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name")],
    as_json: Json = False,
) -> None:
    """Give a remote another name

    \b
    Examples:
      dsm remote rename origin team
    """
    with Session(ctx) as s:
        made = s.repo.remotes.rename(name, new)
        if as_json:
            print_json(remote_answer(made))
        s.say(f"remote {name} is called {made.name}")


@app.command("remove", cls=Command)
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget a remote, but not what it holds

    \b
    Examples:
      dsm remote remove old
    """
    with Session(ctx) as s:
        gone = s.repo.remotes.remove(name)
        if as_json:
            print_json(remote_answer(gone))
        s.say(f"forgot remote {gone.name}; what it holds was not touched")


@app.command("default", cls=Command)
def default(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Choose the remote that commands use when none is named

    \b
    Examples:
      dsm remote default backup
    """
    with Session(ctx) as s:
        chosen = s.repo.remotes.choose(name)
        if as_json:
            print_json(remote_answer(chosen))
        s.say(f"remote {chosen.name} is the default")


@app.command("stats", cls=Command)
def stats(ctx: typer.Context, name: Optional = None, as_json: Json = False) -> None:
    """Count what lies on a remote, and in the last transfer

    The last push, fetch, pull or clone of this copy is told with its requests by kind, and the
    bytes that went up and came down.

    \b
    Examples:
      dsm remote stats
      dsm remote stats backup --json
    """
    with Session(ctx) as s:
        found = s.repo.remote_stats(name)
        if as_json:
            print_json(stats_answer(found))
            return
        print(f"{found.remote}  {printable(found.url)}")
        held = count_text(found.datasets, "dataset")
        print(f"{held} with {count_text(found.changesets, 'changeset')}")
        print(f"{count_text(found.packs, 'pack')}, {size_text(found.pack_bytes)}")
        print(f"{count_text(found.files, 'file')}, {size_text(found.size)}")
        if found.last is not None:
            print(_last(found.last))


def _last(last: LastTransfer) -> str:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(last.requests.items()))
    requests = count_text(sum(last.requests.values()), "request")
    moved = f"{size_text(last.sent)} up, {size_text(last.received)} down"
    ended = "" if last.ended else ", and did not end"
    return (
        f"last {last.command} at {format_time(last.time)}: {requests} ({kinds or 'none'}), {moved},"
        f" {last.duration / 1_000_000:.1f} s{ended}"
    )


@app.command("merge-packs", cls=Command)
def merge_packs(
    ctx: typer.Context,
    name: Optional = None,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Only say what would be merged")
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge the small packs of a remote into few

    Each push leaves a pack; many small ones make listings and clones slow. What they hold is copied
    into few, verified, before they are removed. Others may push meanwhile; whoever downloads just
    then may have to run the command again.

    \b
    Examples:
      dsm remote merge-packs -n
      dsm remote merge-packs
    """
    with Session(ctx) as s:
        plan = s.repo.merge_packs(name, dry_run=dry_run, progress=s.progress())
        if as_json:
            print_json(merge_answer(plan, dry_run=dry_run))
            return
        found = count_text(len(plan.packs), "small pack")
        if not plan.packs:
            s.say(f"{plan.remote} has no small packs to merge")
        elif dry_run:
            s.say(f"would merge {found} of {plan.remote}, {size_text(plan.size)}")
        else:
            s.say(f"merged {found} of {plan.remote} into {plan.made}")


@app.command("write-listing", cls=Command)
def write_listing(ctx: typer.Context, name: Optional = None, as_json: Json = False) -> None:
    """Write a listing into a remote, for readers by HTTP

    A web server that shows no pages of folders, such as a static site, does not say which files it
    has. The listing does. Later pushes and gc keep it up to date.

    \b
    Examples:
      dsm remote write-listing
      dsm remote write-listing public
    """
    with Session(ctx) as s:
        found = s.repo.remotes.find(name)
        files = s.repo.write_listing(found.name)
        if as_json:
            print_json(listing_answer(found, files))
            return
        s.say(f"wrote the listing of {found.name}: {count_text(files, 'file')}")
