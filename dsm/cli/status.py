"""dsm status: show what is staged, changed and new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from dsm.cli.changes import KIND_WIDTH
from dsm.cli.output import count_text, listed, print_json, quoted, size_text, write_bytes
from dsm.cli.porcelain import raw, rows
from dsm.cli.record_lines import RecordsChanged, by_file
from dsm.cli.session import Session
from dsm.model.example import Change
from dsm.model.names import printable
from dsm.model.queries import QueryChange
from dsm.model.status_report import Status

if TYPE_CHECKING:
    import typer

    from dsm.remotes.reports import ObjectsHere, PullUnderWay
    from dsm.remotes.tracking import Distance
    from dsm.sources.checking import QueryCheck

SECTION_MAX = 50
LOCK_MAX = 5


def command(
    ctx: typer.Context,
    short: Annotated[bool, typer.Option("-s", "--short", help="One line a change")] = False,
    porcelain: Annotated[
        bool, typer.Option("--porcelain", help="The same for programs; this form never changes")
    ] = False,
    zero: Annotated[
        bool, typer.Option("-z", help="As --porcelain, names raw and lines ended by NUL")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 when there is anything to commit or add")
    ] = False,
    sources: Annotated[
        bool,
        typer.Option("--sources", help="Ask the sources whether the queries still run, too"),
    ] = False,
    on_remote: Annotated[
        bool, typer.Option("--remote", help="Fetch first, to say how far the default remote is")
    ] = False,
) -> int:
    """Show what is staged, changed and new

    --porcelain prints "XY PATH": X is the staged change, Y the change of the file here since,
    each A added, M modified, L labels or attributes only, D deleted, R renamed (then "R  OLD ->
    NEW", with -z NEW first), or a blank; new files are "?? PATH". Paths are below the dataset's
    root, and quoted as in C when they hold quotes, backslashes or control characters; one that
    ends in a slash is the name of a query.

    \b
    Examples:
      dsm status
      dsm status --short
      dsm status --exit-code -q || echo "not saved yet"
      dsm status --sources
      dsm status --remote
      dsm status --porcelain | grep '^??'
    """
    with Session(ctx) as s:
        if on_remote:
            s.repo.fetch(datasets=[s.dataset.name], progress=s.progress())
        status = s.dataset.status(progress=s.progress())
        s.warn("failed", status.failed)
        checks = _checks(s) if sources else []
        if as_json:
            from dsm.answers.status import status_answer

            print_json(
                status_answer(
                    status, s.repo.distance(status.dataset), checks if sources else None,
                    s.repo.lock_differences(status.dataset), _here(s),
                    s.repo.pull_under_way(status.dataset),
                )
            )  # fmt: skip
        elif zero:
            write_bytes(b"".join(raw(x + y, name, old) for x, y, name, old in rows(status)))
        elif porcelain:
            for x, y, name, old in rows(status):
                print(f"{x}{y} {quoted(old) + ' -> ' if old else ''}{quoted(name)}")
        elif short:
            for x, y, name, old in rows(status):
                shown = f"{s.shown(old)} -> {s.shown(name)}" if old else s.shown(name)
                staged = s.paint(x, "added" if x != "?" else "untracked")
                print(f"{staged}{s.paint(y, 'untracked')} {shown}")
        elif not s.settings.quiet:
            print("\n".join(_long(status, s, s.repo.distance(status.dataset))))
        if checks and not as_json:
            _say(checks, s)
    failed = any(check.problem is not None for check in checks)
    return 1 if failed or (exit_code and not status.clean) else 0


def _checks(s: Session) -> list[QueryCheck]:
    """Asks the sources about the queries that stand, and those that are staged."""
    from dsm.sources.checking import check_queries

    return check_queries(s.repo, {**s.dataset.queries(), **s.dataset.staged_queries()})


def _say(checks: list[QueryCheck], s: Session) -> None:
    from dsm.cli.query_checks import check_lines

    for check in checks:
        for line in check_lines(check):
            s.say(line)


def _long(status: Status, s: Session, distance: Distance | None) -> list[str]:
    where = f"changeset {status.head}" if status.head else "no changeset yet"
    lines = [f"On dataset {status.dataset}, {where}, {count_text(status.examples, 'example')}"]
    lines += _distance(distance)
    lines += _pull(s.repo.pull_under_way(status.dataset))
    if (here := _here(s)) is not None:
        sizes = f"{size_text(here.stored)} are here, {size_text(here.cached)} in the cache"
        lines.append(f"Objects are fetched from {here.remote} when they are read: {sizes}")
    lines += _lock(s.repo.lock_differences(status.dataset))
    if status.files_at is not None:
        whose = f"of changeset {status.files_at}" if status.files_at else "from before changeset 1"
        lines.append(
            f"Files are still those {whose}: a revert or pull was stopped "
            '(the next "dsm add" or "dsm commit" brings them along)'
        )
    if status.absent:
        lines.append(
            f"{count_text(status.absent, 'example')} without a file here "
            '(use "dsm restore" to bring files back)'
        )
    if status.left_out:
        left_out = count_text(len(status.left_out), "file")
        lines.append(
            f"{left_out} left out: not matched by {printable(status.pattern or '')} "
            '(use "dsm add -f <path>..." to add one all the same)'
        )
    if status.queries:
        count = len(status.queries)
        noun = "query" if count == 1 else "queries"
        lines.append(f"{count} {noun} to be run in training: {', '.join(status.queries)}")
    if status.staged or status.staged_queries:
        lines += ["", s.paint("Changes to be committed:", "bold")]
        lines.append('  (use "dsm restore --staged <path>..." to unstage)')
        lines += _section([_change(c, s, staged=True) for c in by_file(status.staged)])
        lines += _section([_query_change(change, s) for change in status.staged_queries])
    if status.unstaged:
        lines += ["", s.paint("Changes not staged for commit:", "bold")]
        lines.append('  (use "dsm add -A <path>..." to update what will be committed)')
        lines.append('  (use "dsm restore --force <path>..." to discard changes of files here)')
        lines += _section([_change(c, s, staged=False) for c in by_file(status.unstaged)])
    if status.untracked:
        lines += ["", s.paint(f"Untracked files ({len(status.untracked):,}):", "bold")]
        lines.append('  (use "dsm add <path>..." to include in what will be committed)')
        lines += _section([s.paint(name, "untracked") for name in _untracked(status, s)])
    return [*lines, *([""] if len(lines) > 2 else []), *_advice(status)]


def _here(s: Session) -> ObjectsHere | None:
    """How much is here of a copy without objects; the others import nothing for that."""
    return None if s.repo.config.get("core.objects") is None else s.repo.objects.here()


def _distance(found: Distance | None) -> list[str]:
    """Tells how far the dataset is from its remote; nothing where both were the same."""
    if found is None or not (found.ahead or found.behind):
        return []
    if found.ahead and found.behind:
        said = f"Diverged from {found.remote}: {found.ahead} only here, {found.behind} only there"
        return [f'{said} (use "dsm pull", then "dsm push")']
    if found.behind:
        count = count_text(found.behind, "changeset")
        return [f'Behind {found.remote} by {count}, as of the last fetch (use "dsm pull")']
    count = count_text(found.ahead, "changeset")
    return [f'Ahead of {found.remote} by {count} (use "dsm push")']


def _pull(found: PullUnderWay | None) -> list[str]:
    """Tells of a pull that was stopped or refused; nothing where none was."""
    if found is None:
        return []
    if not found.waits:
        said = f"A pull from {found.remote} was stopped"
        return [f'{said} (use "dsm pull" to complete it, "dsm pull --abort" to go back)']
    count = count_text(found.waits, "example")
    said = f"A pull from {found.remote} was refused: {count} changed on both sides"
    return [f'{said} (use "dsm pull" to list them, "dsm pull --abort" to give it up)']


def _lock(differences: tuple[str, ...] | None) -> list[str]:
    """Tells what dsm.lock says otherwise; nothing where it is not there, or says the same."""
    if not differences:
        return []
    lines = [f"dsm.lock: {printable(text)}" for text in differences]
    shown = listed(lines, LOCK_MAX)
    return [
        *shown,
        '  (use "dsm restore --locked" for the files of it, "dsm lock" to name the head)',
    ]


def _section(names: list[str]) -> list[str]:
    lines = listed(names, SECTION_MAX)
    if len(lines) > SECTION_MAX:
        lines[-1] += ' (use "dsm status --short" to see all)'
    return [f"        {line}" for line in lines]


def _change(change: Change | RecordsChanged, s: Session, *, staged: bool) -> str:
    if isinstance(change, RecordsChanged):
        text = f"{'records:':{KIND_WIDTH}}{change.text}"
        return s.paint(text, "added" if staged else "deleted")
    name = s.shown(change.path)
    if change.renamed_from is not None:
        name = f"{s.shown(change.renamed_from)} -> {name}"
    return s.paint(f"{change.kind + ':':{KIND_WIDTH}}{name}", "added" if staged else "deleted")


def _query_change(change: QueryChange, s: Session) -> str:
    return s.paint(f"{change.kind + ':':{KIND_WIDTH}}query {change.name}", "added")


def _untracked(status: Status, s: Session) -> list[str]:
    """Returns the new files, or, when they are many, their folders with how many each holds."""
    if len(status.untracked) <= SECTION_MAX:
        return [s.shown(path) for path in status.untracked]
    folders: dict[str, int] = {}
    for path in status.untracked:
        folder = path.rpartition("/")[0]
        folders[folder] = folders.get(folder, 0) + 1
    return [f"{s.shown(f or '.')}/ ({count_text(n, 'file')})" for f, n in folders.items()]


def _advice(status: Status) -> list[str]:
    if status.staged or status.staged_queries:
        return []
    if status.unstaged:
        return ['nothing staged (use "dsm add" or "dsm commit -a")']
    if status.untracked:
        return ['nothing staged, but there are untracked files (use "dsm add" to track them)']
    if not (status.head or status.queries):
        return ['nothing to commit (put files here and use "dsm add" to track them)']
    if status.failed:
        return ["nothing to commit, as far as can be read"]
    return ["nothing to commit, work tree clean"]
