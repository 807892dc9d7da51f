"""dsm receipts: list the runs of queries, newest first."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.sources import receipts_answer
from dsm.cli.output import print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.errors import AmbiguousName, NotFound
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.catalog import Catalog
    from dsm.sources.receipts import Receipt

SHORT = 12
PREFIX_MIN = 8
HEAD = (
    "when", "who", "dataset", "version", "query", "source", "for", "rows", "bytes", "time",
    "outcome",
)  # fmt: skip
RIGHT = {"rows", "bytes", "time"}


def command(
    ctx: typer.Context,
    view: Annotated[
        str | None,
        typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name of a view"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-n", "--max-count", metavar="N", min=0, help="At most N")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List who read how much of which source, and when

    Each run of a query on this machine leaves a receipt, and none of its rows. Newest first, of all
    datasets; -d chooses one dataset, VIEW one view. A run without an end is unfinished: it is going
    on, or it was killed. --json tells everything, with the columns and the digest of the rows.

    \b
    Examples:
      dsm receipts
      dsm receipts -n 5 -d payments
      dsm receipts baseline --json
    """
    with Session(ctx) as s:
        found = list(islice(_chosen(s.repo, view, s.settings.dataset), limit))
        if as_json:
            print_json(receipts_answer(found))
            return
        rows = [_cells(each) for each in found]
        wide = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
        for row in [HEAD, *rows] if rows else []:
            cells = [
                f"{cell:>{width}}" if name in RIGHT else f"{cell:{width}}"
                for name, cell, width in zip(HEAD, row, wide, strict=True)
            ]
            print("  ".join(cells).rstrip())
        if not rows:
            s.say("there is no receipt: no query was run for this on this machine")


def _chosen(repo: Catalog, view: str | None, dataset: str | None) -> Iterable[Receipt]:
    from dsm.sources.receipts import newest, receipts
    from dsm.views.selection.prepared import find_record

    if dataset is not None:
        repo.identity(dataset)
    if view is None:
        return newest(repo, dataset=dataset)
    try:
        return newest(repo, find_record(repo, view).version, dataset)
    except NotFound:
        # The view was forgotten; what was read for it was not.
        digits = view.strip().lower()
        if len(digits) < PREFIX_MIN or digits.strip("0123456789abcdef"):
            raise
        found = receipts(repo, version=digits[:64], dataset=dataset)
        if not found:
            raise
        versions = sorted({receipt.version for receipt in found})
        if len(versions) > 1:
            raise AmbiguousName(
                f"{view!r} could be {len(versions)} views", hint="give more digits",
                items=tuple(versions),
            ) from None  # fmt: skip
        return found


def _cells(receipt: Receipt) -> tuple[str, ...]:
    error = f" ({receipt.error})" if receipt.error else ""
    ended = receipt.outcome != "unfinished"
    cells = (
        format_time(receipt.time - receipt.time % 1_000_000), receipt.author, receipt.dataset,
        receipt.version[:SHORT], receipt.query, receipt.source, receipt.consumer,
        f"{receipt.rows:,}" if ended else "-", size_text(receipt.bytes) if ended else "-",
        f"{receipt.duration:.1f} s" if ended else "-", receipt.outcome + error,
    )  # fmt: skip
    return tuple(map(printable, cells))
