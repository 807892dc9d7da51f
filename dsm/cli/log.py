"""dsm log: show the changesets, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.cli.changes import patch_lines, stat_lines
from dsm.cli.history import definitions_by_number, entry, one_line, tags_by_number
from dsm.cli.output import print_json
from dsm.cli.session import Session

if TYPE_CHECKING:
    import typer

    from dsm.cli import log_options as options

# Where the types of the options are: they need typer, which the fast path leaves out.
OPTIONS = "dsm.cli.log_options"


def command(
    ctx: typer.Context,
    words: options.Words = None,
    oneline: options.OneLine = False,
    limit: options.Limit = None,
    patch: options.Patch = False,
    stat: options.Stat = False,
    since: options.Since = None,
    until: options.Until = None,
    author: options.Author = None,
    grep: options.Grep = None,
    where: options.Where = None,
    reverse: options.Reverse = False,
    no_follow: options.NoFollow = False,
    as_json: options.AsJson = False,
) -> None:
    """Show the changesets, newest first

    Letter case makes no difference to --author and --grep; given several times, one is enough.
    Times are written as for `dsm prepare`. Where an example at a PATH was renamed, changesets that
    touch its old path follow.

    \b
    Examples:
      dsm log
      dsm log --oneline -5
      dsm log v1..head -p
      dsm log --since 7d --author ada
      dsm log --where ticket=A-17
      dsm log --stat -- train/cat
      dsm log --json | jq '.changesets[].message'
    """
    with Session(ctx) as s:
        newest, after, paths = None, None, None
        if words:
            from dsm.cli.revisions import told_apart

            asked = told_apart(s, words, 1)
            newest, paths = next(iter(asked.changesets), None), asked.paths
            if asked.range:
                after, newest = asked.range
        # Changes are those of the names that the paths had then.
        trail = None if paths is None else s.dataset.trail(paths, follow=not no_follow)
        found = s.dataset.log(
            limit, trail, reference=newest, after=after, since=since, until=until,
            author=author or None, grep=grep or None, where=where or None, reverse=reverse,
        )  # fmt: skip
        if as_json:
            from dsm.answers.changesets import log_answer

            print_json(log_answer(s.dataset, found, trail, stat=stat, patch=patch))
            return
        tags, first = tags_by_number(s.dataset), True
        made = {} if oneline else definitions_by_number(s.dataset)
        for changeset in found:
            if oneline:
                print(one_line(changeset, tags, s.paint))
            else:
                print("" if first else "\n", end="")
                print("\n".join(entry(changeset, tags, s.paint, made)))
            diff = s.dataset.changes(changeset.number, trail) if patch or stat else None
            if diff is not None and patch:
                print("" if oneline else "\n", end="")
                print("\n".join(patch_lines(changeset.number, diff, s.paint)))
            if diff is not None and stat:
                print("\n".join(stat_lines(diff.changes, diff.queries)))
            first = False
        if first and limit != 0:
            _say_none(s, bool(paths), any((newest, since, until, author, grep, where)))


def _say_none(s: Session, by_path: bool, chosen: bool) -> None:
    fits = " that touches these" if by_path else " of that kind" if chosen else " yet"
    s.say("there is no changeset" + fits)
