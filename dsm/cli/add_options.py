"""The options of `dsm add`, for files and for queries, and how a query is given in a terminal."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Annotated

import typer

from dsm.cli.suggestions import labels, source_names
from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.model.names import dataset_name_for, printable

PANEL = "Queries instead of files"

# --- files ---

Paths = Annotated[list[str] | None, typer.Argument(metavar="PATH...", help="Files and folders")]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="List what would be staged, stage nothing")
]
Deletions = Annotated[
    bool, typer.Option("-A", "--all", help="Stage files that are gone as deleted, too")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("-l", "--label", metavar="L", autocompletion=labels, help="Label of all of them"),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        "--pattern",
        metavar="P",
        help="Take labels and attributes from paths, such as "
        "'{split}/{label}/{name}.jpg' (default: the dataset's own)",
    ),
]
LabelFile = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="CSV, JSONL or Parquet file with a path and labels, attributes, … in each row; "
        "'-' is standard input; or labels in another format",
    ),
]
LabelFormat = Annotated[
    str | None,
    typer.Option(
        "--labels-format",
        metavar="F",
        help="table, huggingface, coco, yolo, pascal-voc, label-studio, common-voice, ljspeech or "
        "kaldi (default: what the content tells)",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse files that the pattern does not match, and rows of the table without a file",
    ),
]
FollowSymlinks = Annotated[
    bool,
    typer.Option("--follow-symlinks", help="Follow links to folders, and links out of the dataset"),
]
HubFolder = Annotated[
    str | None,
    typer.Option(
        "--hf",
        metavar="DIR",
        help="Stage the rows of a Hugging Face dataset on disk (save_to_disk, or a snapshot of the "
        "Hub), below PATH; no file is made of them",
    ),
]
Force = Annotated[bool, typer.Option("-f", "--force", help="Add files that are ignored, too")]
KeepGoing = Annotated[
    bool,
    typer.Option("--keep-going", help="Stage the rest when files cannot be read; exit 1"),
]

# --- records ---

RECORDS = "Lines and rows as examples"
Records = Annotated[
    bool,
    typer.Option(
        "--records",
        help="Each line or row of a file (.jsonl, .csv, .tsv) is an example, FILE#KEY;"
        " --records=FORMAT reads a file of another name so",
        rich_help_panel=RECORDS,
    ),
]
RecordsFormat = Annotated[
    str | None,
    typer.Option("--records-format", metavar="FORMAT", hidden=True, rich_help_panel=RECORDS),
]
KeyField = Annotated[
    list[str] | None,
    typer.Option(
        "--key-field",
        metavar="F",
        help="Field that names a record, a.b in an object; repeatable (default: its content)",
        rich_help_panel=RECORDS,
    ),
]
LabelField = Annotated[
    str | None,
    typer.Option(
        "--label-field", metavar="F", help="Field with its label or labels", rich_help_panel=RECORDS
    ),
]
TimeField = Annotated[
    str | None,
    typer.Option("--time-field", metavar="F", help="Field with its time", rich_help_panel=RECORDS),
]
AttrField = Annotated[
    list[str] | None,
    typer.Option(
        "--attr-field",
        metavar="F",
        help="Field that becomes an attribute; repeatable, '*' is all single values of one type",
        rich_help_panel=RECORDS,
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns", metavar="A,B", help="Names of the columns of a table without a header",
        rich_help_panel=RECORDS,
    ),
]  # fmt: skip
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter", metavar="C", help="What is between fields of a table (default: found out)",
        rich_help_panel=RECORDS,
    ),
]  # fmt: skip
Quote = Annotated[
    str | None,
    typer.Option(
        "--quote", metavar="C", help="What fields are quoted by; '' is nothing",
        rich_help_panel=RECORDS,
    ),
]  # fmt: skip
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", metavar="E", help="Such as latin-1 (default: UTF-8)", rich_help_panel=RECORDS
    ),
]
LabelSep = Annotated[
    str | None,
    typer.Option(
        "--label-sep", metavar="S", help="What is between several labels in one field",
        rich_help_panel=RECORDS,
    ),
]  # fmt: skip

# --- queries ---

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        autocompletion=source_names,
        metavar="NAME",
        help="Stage a query against this source, and no rows",
        rich_help_panel=PANEL,
    ),
]
QueryFile = Annotated[
    str | None,
    typer.Option(
        "--query",
        metavar="FILE",
        help="File with the query; - reads standard input",
        rich_help_panel=PANEL,
    ),
]
Sql = Annotated[
    str | None,
    typer.Option("-e", "--execute", metavar="SQL", help="The query", rich_help_panel=PANEL),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="N",
        help="Name of the query, first in its paths (default: FILE's, else the source's)",
        rich_help_panel=PANEL,
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="K=V",
        help="Value of :K in the query; repeatable",
        rich_help_panel=PANEL,
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key-col", metavar="C", help="Column that names each example", rich_help_panel=PANEL
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--label-col",
        metavar="C",
        help="Column with the label, or a list of them",
        rich_help_panel=PANEL,
    ),
]
Time = Annotated[
    str | None,
    typer.Option("--time-col", metavar="C", help="Column with the time", rich_help_panel=PANEL),
]
Payload = Annotated[
    list[str] | None,
    typer.Option(
        "--payload-col",
        metavar="C",
        help="Column of the payload; repeatable (default: all)",
        rich_help_panel=PANEL,
    ),
]
Extension = Annotated[
    str | None,
    typer.Option(
        "--ext",
        metavar="E",
        help="json: an object of the payload columns; jpg, txt, …: the one column as it is",
        rich_help_panel=PANEL,
    ),
]
MaxRows = Annotated[
    int | None,
    typer.Option(
        "--max-rows", metavar="N", min=1, help="End a run that gives more", rich_help_panel=PANEL
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="S",
        help="Seconds to wait for the source in a run",
        rich_help_panel=PANEL,
    ),
]
Purpose = Annotated[
    str | None,
    typer.Option(
        "--purpose",
        metavar="TEXT",
        help="What the rows are read for, told in receipts",
        rich_help_panel=PANEL,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document"),
]


def query_text(path: str | None, sql: str | None) -> tuple[str, str | None]:
    """Returns a query given by file or as text, and the name that the file gives it, if any."""
    if (path is None) == (sql is None):
        raise InvalidInput("give the query by --query FILE or by -e SQL")
    if sql is not None:
        return sql, None
    assert path is not None
    if path == "-":
        return sys.stdin.read(), None
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise NotFound(f"there is no file {printable(path)}") from None
    except OSError as error:
        raise StorageFailed(f"cannot read {printable(path)}: {error.strerror}") from error
    # Editors of some systems put a mark first: before UTF-8 it says nothing, else which text it is.
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InvalidInput(f"{printable(path)} is UTF-16 text", hint="save it as UTF-8 text")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"{printable(path)} is not UTF-8 text") from None
    return text, dataset_name_for(os.path.basename(path).removesuffix(".sql"))


def parameters(given: list[str] | None) -> dict[str, str]:
    """Returns the values of NAME=VALUE words by name."""
    values: dict[str, str] = {}
    for each in given or ():
        name, equals, value = each.partition("=")
        if not equals or not name.isidentifier():
            raise InvalidInput(
                "a parameter is given as NAME=VALUE", hint="--param since=2026-01-01"
            )
        if name in values:
            raise InvalidInput(f"parameter {name} is given twice")
        values[name] = value
    return values
