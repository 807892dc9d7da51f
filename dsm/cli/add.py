"""dsm add: stage new and changed files for the next changeset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dsm.cli.changes import counts_text, name_status
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.record_lines import records_lines
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.example import is_record
from dsm.model.names import printable

if TYPE_CHECKING:
    import typer

    from dsm.cli import add_options as options
    from dsm.model.reports import AddReport
    from dsm.worktree.request import AddAsked

# Where the types of the options are: they need typer, which the fast path leaves out.
OPTIONS = "dsm.cli.add_options"


def command(
    ctx: typer.Context,
    paths: options.Paths = None,
    dry_run: options.DryRun = False, deletions: options.Deletions = False,
    labels: options.Labels = None, pattern: options.Pattern = None,
    label_file: options.LabelFile = None, label_format: options.LabelFormat = None,
    strict: options.Strict = False, follow_symlinks: options.FollowSymlinks = False,
    keep_going: options.KeepGoing = False, force: options.Force = False,
    hub_folder: options.HubFolder = None,
    records: options.Records = False, records_format: options.RecordsFormat = None,
    key_field: options.KeyField = None, label_field: options.LabelField = None,
    time_field: options.TimeField = None, attr_field: options.AttrField = None,
    columns: options.Columns = None, delimiter: options.Delimiter = None,
    quote: options.Quote = None, encoding: options.Encoding = None,
    label_sep: options.LabelSep = None,
    source: options.Source = None, query: options.QueryFile = None,
    sql: options.Sql = None,
    name: options.Name = None,
    param: options.Param = None,
    key: options.Key = None,
    label: options.Label = None,
    time: options.Time = None,
    payload: options.Payload = None,
    extension: options.Extension = None,
    max_rows: options.MaxRows = None, timeout: options.Timeout = None,
    purpose: options.Purpose = None, as_json: options.AsJson = False,
) -> int:  # fmt: skip
    """Stage new and changed files for the next changeset

    Files that have not changed are not read again; .dsmignore (written like .gitignore) names files
    to leave out, as what systems and editors leave behind is. A PATH that is left out is refused,
    with exit status 1, unless -f is given; the others are staged. When a file cannot be read
    nothing is staged, unless --keep-going is given.

    With --records, each line or row of a file is an example, FILE#KEY; later a plain `dsm add` does
    the same. -n tells how a file would be read.

    With --source, a query is staged instead: its rows are examples of the dataset that are read
    from the database whenever a view is, and never kept. Columns without a role are attributes.

    \b
    Examples:
      dsm add .
      dsm add images --label cat --label night
      dsm add train --pattern 'train/{label}/{name}.jpg' --strict
      dsm add audio --labels transcripts.csv
      dsm add train.jsonl --records --key-field id --label-field topic
      dsm add reviews.csv --records --label-field stars --attr-field '*'
      dsm add --hf ~/saved-dataset mnist
      dsm add --source payments --query fraud.sql --key-col id --label-col is_fraud --time-col day
    """  # fmt: skip
    asked = {
        "parameters": param, "key": key, "label": label, "time": time, "payload": payload,
        "extension": extension, "max_rows": max_rows, "timeout": timeout, "purpose": purpose,
    }  # fmt: skip
    files: AddAsked = {
        "labels": labels, "pattern": pattern, "label_file": label_file, "strict": strict,
        "label_format": label_format, "deletions": deletions, "follow_symlinks": follow_symlinks,
        "force": force, "dry_run": dry_run, "keep_going": keep_going, "time_field": time_field,
        "records": records_format or records, "key_field": key_field or None,
        "label_field": label_field, "attr_field": attr_field or None, "columns": columns,
        "delimiter": character(delimiter), "quote": quote, "encoding": encoding,
        "label_sep": label_sep,
    }  # fmt: skip
    if source is None:
        _refuse_query([query, sql, name, *asked.values()])
        return _add_files(ctx, paths or [], files, as_json, hub_folder)
    _refuse_files(paths or hub_folder, files)
    _add_query(ctx, source, (query, sql, name), asked, dry_run, as_json)
    return 0


def character(given: str | None) -> str | None:
    """Returns a delimiter; shells make a tab hard to type."""
    return "\t" if given in ("\\t", "tab") else given


def _refuse_query(given: Sequence[object]) -> None:
    if any(each not in (None, (), []) for each in given):
        raise InvalidInput("a query needs a source", hint="--source NAME; `dsm source list`")


def _add_files(
    ctx: typer.Context, paths: list[str], files: AddAsked, as_json: bool, hub_folder: str | None
) -> int:
    """Stages files, records of files or a dataset of Hugging Face; returns the exit status."""
    refuse_lists(files["labels"])
    if hub_folder is not None:
        return _add_hub(ctx, paths, as_json, hub_folder, files)
    if not paths:
        raise InvalidInput("name files or folders to add", hint=". is all of them")
    if files["label_file"] == "-":
        from dsm.cli.standard_input import standard_input  # the fast path never comes here

        files["label_file"] = standard_input()
    with Session(ctx) as s:
        report = s.dataset.add(paths, progress=s.progress(), **files)
        _tell(report, s, files["dry_run"], as_json)
    return 1 if report.failed or report.ignored else 0


def _add_hub(
    ctx: typer.Context, paths: list[str], as_json: bool, folder: str, asked: AddAsked
) -> int:
    if len(paths) > 1 or any(value for name, value in asked.items() if name != "labels"):
        raise InvalidInput(
            "--hf takes one PATH, below which its examples are named, and --label alone"
        )
    with Session(ctx) as s:
        report = s.dataset.add_hub_dataset(folder, *paths, labels=asked.get("labels"))
        _tell(report, s, False, as_json)
    return 0


def _refuse_files(named: object, files: AddAsked) -> None:
    if named or any(v for n, v in files.items() if n not in ("dry_run", "keep_going")):
        raise InvalidInput("--source stages a query: give no files, and no options for them")


def refuse_lists(labels: Sequence[str] | None) -> None:
    """Raises InvalidInput for labels with commas: most are lists as other programs take them."""
    for label in labels or ():
        if "," in label:
            apart = " --label ".join(printable(part) for part in label.split(","))
            raise InvalidInput(
                f"{printable(label)} would be one label, with a comma in it",
                hint=f"give each its own option: --label {apart}; a table can hold commas",
            )


def _tell(report: AddReport, s: Session, dry_run: bool, as_json: bool) -> None:
    """Prints what was staged, and what was met on the way."""
    if as_json:
        from dsm.answers.staging import added_answer

        print_json(added_answer(s.dataset.name, report, dry_run=dry_run))
    for change in () if as_json else report.changes:
        if not is_record(change):  # those are told by file
            print(name_status(change))
    s.warn_of(report)
    if report.ignored:
        s.warn("refused", report.ignored)
        s.say("hint: -f adds what is ignored")
    if not as_json:
        for told in report.records:
            for line in records_lines(told, dry_run=dry_run):
                s.say(line)
    s.say(summary(report, dry_run))
    if report.carried:
        s.say(f"{count_text(report.carried, 'example')} kept what was said of them before")
    s.say_left_out(report)
    if report.unlabelled and report.pattern is not None:
        unmatched = count_text(report.unlabelled, "file")
        s.say(f"{unmatched} unlabelled: not matched by {printable(report.pattern)}")


def _add_query(
    ctx: typer.Context,
    source: str,
    given: tuple[str | None, str | None, str | None],
    asked: dict[str, Any],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Stages a query; `given` are its file, its text and its name, the first two as typed."""
    from dsm.cli.add_options import parameters, query_text
    from dsm.sources.recording import columns_text, query_of
    from dsm.worktree.databases import database_files
    from dsm.worktree.staging import stage_query

    path, sql, name = given
    text, stem = query_text(path, sql)
    asked["parameters"] = parameters(asked["parameters"])
    with Session(ctx) as s:
        dataset = s.dataset
        query = query_of(s.repo, source, text, name=name or stem, **asked)
        done = "checked"
        if not dry_run:
            done = stage_query(dataset.tree, query.name, query.to_json())
        if database_files(s.repo, source):
            s.say(
                f"warning: the database of source {source} lies in the repository's folder, and"
                " `dsm add` refuses to store it: name it in .dsmignore, or move it"
            )
        if as_json:
            from dsm.answers.queries import added_query_answer

            print_json(added_query_answer(query, done))
            return
        for line in columns_text(query):
            s.say(f"  {line}")
        if done == "checked":
            s.say(f"would stage query {query.name}; no row was read")
        elif done == "unchanged":
            s.say(f"nothing to stage: query {query.name} stands like this already")
        else:
            s.say(f"staged query {query.name} ({done}); no row was read")


def summary(report: AddReport, dry_run: bool) -> str:
    """Returns the report in one line."""
    if not report.counts.examples:
        if report.counts.files:
            files = count_text(report.counts.files, "records file")
            done = "would stage" if dry_run else "staged"
            return f"{done} {files}, none of whose records changed"
        if not report.files and not report.unchanged:
            return "nothing to stage: no file was found that .dsmignore does not leave out"
        if report.left_out and not report.unchanged:
            return "nothing to stage: no file was found that the pattern matches"
        return f"nothing to stage: {count_text(report.unchanged, 'file')} unchanged"
    done = "would stage" if dry_run else "staged"
    counts = counts_text(report.counts)
    text = f"{done} {count_text(report.counts.examples, 'example')} ({counts})"
    if dry_run:
        return text
    return f"{text}, {size_text(report.size)} read, {size_text(report.stored)} stored"
