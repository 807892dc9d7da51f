"""Tables of paths and labels on standard output, for `dsm label --labels` and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from dsm.cli.output import write_bytes


def print_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints CSV as UTF-8. Raises StorageFailed when standard output is closed."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(text.getvalue().encode())
