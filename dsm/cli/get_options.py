"""The options of `dsm get`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import view_names
from dsm.views.writing.formats import COMPRESSIONS, FORMATS


def formats(incomplete: str) -> list[str]:
    """Returns the formats that begin so, for the shell to complete."""
    return [name for name in FORMATS if name.startswith(incomplete)]


def compressions(incomplete: str) -> list[str]:
    """Returns the compressions that begin so, for the shell to complete."""
    return [name for name in COMPRESSIONS if name.startswith(incomplete)]


Version = Annotated[
    str,
    typer.Argument(
        metavar="VERSION",
        autocompletion=view_names,
        help="As printed by prepare, its first 8 or more digits, or a name",
    ),
]
Out = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="DIR",
        help="Folder to write to (default: DATASET-VERSION here, with --dummy"
        " DATASET-VERSION-dummy); - prints one tar",
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        autocompletion=formats,
        help="; ".join(": ".join(filter(None, (f.name, f.words))) for f in FORMATS.values()),
    ),
]
ShardSize = Annotated[
    str, typer.Option("--shard-size", metavar="SIZE", help="Close a shard before it is larger")
]
Compression = Annotated[
    str,
    typer.Option(
        "--compression",
        metavar="none|zstd",
        autocompletion=compressions,
        help="Compress shards",
    ),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Read what is there and compare it with its hashes")
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Replace what is there already")]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Say what would be written or replaced, do nothing")
]
Croissant = Annotated[
    bool | None,
    typer.Option(
        "--croissant/--no-croissant",
        help="Describe it in Croissant's JSON-LD (default: all but --format tar)",
    ),
]
ClassesFrom = Annotated[
    str,
    typer.Option(
        "--classes-from",
        metavar="snapshot|view",
        help="Whose labels are the classes, where the view has no list of them",
    ),
]
AllowPersist = Annotated[
    bool,
    typer.Option(
        "--allow-persist", help="Write rows of queries, too; DIR is outside the repository"
    ),
]
SkipSources = Annotated[
    bool,
    typer.Option("--skip-sources", help="Leave rows of queries out, write only stored examples"),
]
Dummy = Annotated[
    bool, typer.Option("--dummy", help="Made-up rows in the place of those of queries")
]
DummyRows = Annotated[
    int, typer.Option("--dummy-rows", metavar="N", min=0, help="How many of them for each query")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was written as JSON")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="URL", help="Read the view from this remote, without a clone"),
]
