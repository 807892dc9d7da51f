"""dsm get: write the examples of a view as shards, tar, files or Parquet."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsm.cli.output import count_text, message, print_json, quoted, size_text
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.byte_sizes import bytes_of

if TYPE_CHECKING:
    import threading

    import typer

    from dsm.cli import get_options as options
    from dsm.views.view import View
    from dsm.views.writing.options import GetPlan, GetReport

# Where the types of the options are: they need typer, which the fast path leaves out.
OPTIONS = "dsm.cli.get_options"

# How long a command may take to end by itself when its reader has gone.
READER_GRACE_SECONDS = 1.0


def command(
    ctx: typer.Context,
    version: options.Version,
    out: options.Out = None,
    format_: options.Format = "webdataset",
    shard_size: options.ShardSize = "256MB",
    compression: options.Compression = "none",
    verify: options.Verify = False,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    croissant: options.Croissant = None,
    classes_from: options.ClassesFrom = "snapshot",
    skip_sources: options.SkipSources = False,
    dummy: options.Dummy = False,
    dummy_rows: options.DummyRows = 100,
    allow_persist: options.AllowPersist = False,
    from_: options.From = None,
    as_json: options.AsJson = False,
) -> None:
    """Write the examples of a view as shards, tar, files or Parquet

    The same version gives the same bytes of stored examples on every machine. Interrupted, it
    goes on where it was; what is done is left alone. Prints where it is.

    Rows of queries are read from their sources each time and streamed (-o -); they are kept only
    with --allow-persist. With --from no clone is needed: just what the view holds is fetched.

    \b
    Examples:
      dsm get 3f9a1c2b4d5e
      dsm get 3f9a1c2b4d5e -o shards --shard-size 1GB --compression zstd
      dsm get 3f9a1c2b4d5e -o out --format parquet
      dsm get 3f9a1c2b4d5e -o out --force -n
      dsm get 3f9a1c2b4d5e -o - --format tar | tar -t
      dsm get 3f9a1c2b4d5e --dummy -o sample
      dsm get 3f9a1c2b4d5e --from s3://team-bucket/birds -o /scratch/view
    """
    if dry_run and (out == "-" or as_json or verify):
        raise InvalidInput("--dry-run is for a folder, without --json and --verify")
    if out == "-":
        _check_stream(needs_folder=as_json or verify)
    limit = bytes_of(shard_size)
    with Session(ctx, from_) as s:
        view = _read_as(s.repo.view(version), skip_sources, dummy_rows if dummy else None)
        view = _with_classes(view, classes_from)
        folder = _default_folder(view, dummy) if out is None else out
        if dry_run:
            _tell_plan(s, view.plan_get(
                folder, format=format_, shard_size=limit,
                compression=compression, force=force, allow_persist=allow_persist,
            ))  # fmt: skip
            return
        with _ended_well(streams=out == "-") if view.queries else contextlib.nullcontext():
            report = view.get(
                folder, format=format_, shard_size=limit, compression=compression, verify=verify,
                force=force, croissant=croissant, allow_persist=allow_persist,
                sink=sys.stdout.buffer if out == "-" else None, progress=s.progress(),
            )  # fmt: skip
        if as_json:
            from dsm.answers.views import get_answer

            print_json(get_answer(report, view.version))
        elif report.path != "-":
            print(quoted(report.path))
        if dummy and view.query.percent is None:
            _tell_of_few(s, view, report, dummy_rows * len(view.queries))
        s.say(_summary(report, verify))
        _warn_of_classes(report, view)


def _default_folder(view: View, dummy: bool) -> str:
    from dsm.views.writing.formats import folder_name

    return folder_name(view) + ("-dummy" if dummy and view.queries else "")


def _tell_plan(s: Session, planned: GetPlan) -> None:
    """Prints the files that would be replaced, a line each, and says what would be written."""
    for name in planned.replaced:
        print(quoted(name))
    said = f"{count_text(planned.examples, 'example')}, {size_text(planned.bytes)}"
    if planned.complete:
        s.say(f"there already and complete: {said}")
        return
    replaced = f", and replace {count_text(len(planned.replaced), 'file')}"
    s.say(f"would write {said} to {planned.path}{replaced if planned.replaced else ''}")


def _tell_of_few(s: Session, view: View, report: GetReport, asked_for: int) -> None:
    """Says that not all dummy rows fit the view."""
    made = report.examples - view.content.examples
    if made < asked_for:
        s.say(f"note: {made:,} of {asked_for:,} dummy rows fit the view's filters")


def _read_as(view: View, skip_sources: bool, dummy_rows: int | None) -> View:
    if skip_sources and dummy_rows is not None:
        raise InvalidInput("--skip-sources leaves out what --dummy makes up: give one of them")
    if skip_sources:
        return view.without_sources()
    return view if dummy_rows is None else view.with_dummy_rows(dummy_rows)


def _with_classes(view: View, classes_from: str) -> View:
    """Returns the view with the classes of the snapshot or its own. Raises InvalidInput."""
    if classes_from not in ("snapshot", "view"):
        raise InvalidInput(
            f"{classes_from!r} has no classes", hint="--classes-from snapshot, or view"
        )
    return view.with_classes_of_view() if classes_from == "view" else view


def _warn_of_classes(report: GetReport, view: View) -> None:
    from dsm.views.writing.formats import find_format

    if not (report.fresh and report.without_class and find_format(report.format).one_class):
        return
    target = view.target
    if target.attribute is not None:
        why, hint = f"{target.column} is none of the classes, or missing", ""
    elif target.classes is not None:
        why, hint = "none of the classes is a label of theirs, or several are", ""
    else:
        why = "no label or several"
        hint = "`dsm dataset set --classes A,B` says which labels are classes"
    count = count_text(report.examples, "example")
    said = f"warning: {report.without_class:,} of {count} have no class, -1 is written: {why}"
    message(f"{said}; {hint}" if hint else said)


def _summary(report: GetReport, verify: bool) -> str:
    from dsm.views.writing.format import SHARDS
    from dsm.views.writing.formats import find_format

    said = f"{count_text(report.examples, 'example')}, {size_text(report.bytes)}"
    if find_format(report.format).layout == SHARDS and report.path != "-":
        said += f" in {count_text(report.shards, 'shard')}"
    if report.fresh:
        kept = f"; {count_text(report.kept, 'shard')} kept" if report.kept else ""
        return f"wrote {said}{kept}"
    return f"there already and {'verified' if verify else 'complete'}: {said}"


def _check_stream(*, needs_folder: bool) -> None:
    """Raises InvalidInput where a tar cannot go to standard output."""
    if needs_folder:
        raise InvalidInput("--json and --verify need a folder to write to")
    if sys.stdout is not None and sys.stdout.isatty():
        raise InvalidInput(
            "a tar is not written to a terminal", hint="pipe it, or give a folder with -o"
        )


@contextlib.contextmanager
def _ended_well(*, streams: bool) -> Iterator[None]:
    """Lets SIGTERM, a closed terminal and, of a stream, its reader's end act as Ctrl-C does:
    queries are cancelled, receipts get an end, and what was written of a folder is removed."""
    import signal
    import threading

    gone = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as it is under nohup
                signal.signal(number, signal.default_int_handler)
        if streams:
            threading.Thread(target=_watch_the_reader, args=(gone,), daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        if gone.is_set():
            raise BrokenPipeError from None
        raise


def _watch_the_reader(gone: threading.Event) -> None:
    """Interrupts the command when its reader has gone: no write may tell it while no row comes."""
    import _thread
    import select
    import time

    poll = select.poll()
    poll.register(1, 0)
    poll.poll()
    # A reader that has all may go first, and a write that fails says more by itself.
    time.sleep(READER_GRACE_SECONDS)
    gone.set()
    _thread.interrupt_main()
