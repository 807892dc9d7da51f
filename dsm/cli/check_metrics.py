"""dsm check --metrics: the gate of a model."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dsm.cli.output import print_json
from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.model.names import printable


def check_metrics(
    file: str | None, conditions: Sequence[str] | None, as_json: bool, *, alone: bool, alert: bool
) -> int:
    """Judges the numbers of a file, and returns the exit status; with `alert` those are told whom
    the user's settings name.

    Raises InvalidInput, NotFound and StorageFailed.
    """
    from dsm.checks.metrics import judge, read_metrics

    if file is None or not conditions:
        raise InvalidInput("--metrics FILE and --fail-if CONDITION go together")
    if not alone:
        raise InvalidInput("--metrics judges a file alone", hint="check the data by another call")
    found = judge(read_metrics(_content(file), file), conditions)
    failed = [each for each in found if each.fails]
    if as_json:
        from dsm.answers.checks import metrics_answer

        print_json(metrics_answer(file, found))
    else:
        for each in found:
            told = each.why or ", ".join(f"{printable(n)} is {v:g}" for n, v in each.values)
            word = "failed" if each.fails else "passed"
            print(f"{word}: {printable(each.condition)}" + (f" ({told})" if told else ""))
    if failed and alert:
        from dsm.alerts.message import failed_metrics
        from dsm.cli.alert import tell_without_repository

        tell_without_repository(lambda: failed_metrics(found))
    return 1 if failed else 0


def _content(file: str) -> bytes:
    from dsm.checks.metrics import BYTES_MAX

    try:
        if file == "-":
            return sys.stdin.buffer.read(BYTES_MAX + 1)
        with open(file, "rb") as opened:
            return opened.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {printable(file)}") from None
    except IsADirectoryError:
        raise InvalidInput(f"{printable(file)} is a folder") from None
    except OSError as error:
        raise StorageFailed(f"cannot read {printable(file)}: {error.strerror}") from error
