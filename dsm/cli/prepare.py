"""dsm prepare: choose examples for training and print the view's version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.cli.class_names import class_names
from dsm.cli.output import count_text, listed, print_json, size_text
from dsm.cli.picks import picked
from dsm.cli.session import Session
from dsm.model.names import close_matches

if TYPE_CHECKING:
    import typer

    from dsm.cli import prepare_options as options
    from dsm.views.view import View

# Where the types of the options are: they need typer, which the fast path leaves out.
OPTIONS = "dsm.cli.prepare_options"
LABELS_MAX = 10


def command(
    ctx: typer.Context,
    labels: options.Labels = None,
    all_labels: options.AllLabels = False,
    exclude: options.Excluded = None,
    since: options.Since = None,
    until: options.Until = None,
    percent: options.Percent = None,
    changesets: options.Changesets = None,
    at: options.At = None,
    paths: options.Paths = None,
    where: options.Where = None,
    changeset_where: options.ChangesetWhere = None,
    only_passed: options.OnlyPassed = False,
    split: options.Split = None,
    segment: options.Segment = None,
    pick: options.Pick = None,
    pick_column: options.PickColumn = None,
    missing: options.Missing = None,
    view: options.OfView = None,
    and_: options.And = None,
    or_: options.Or = None,
    minus: options.Minus = None,
    per_label: options.PerLabel = None,
    balance: options.Balance = None,
    sample: options.Sample = None,
    seed: options.Seed = None,
    target: options.Target = None,
    classes: options.Classes = None,
    name: options.Name = None,
    as_json: options.AsJson = False,
) -> None:
    """Choose examples for training and print the view's version

    Prints nothing else to standard output. The version is the hash of what was asked for: the
    same everywhere and for ever. Every filter narrows the choice; of several --label or --path
    any one will do. Times are like 2026-01-31, 2026-01-31T08:00:00Z, 7d (ago) or yesterday, in
    UTC; --until does not include its time. Of what the filters leave --percent takes the newest,
    of these --per-label or --balance some of each label, and of these --sample some. Exit status
    1 when no example fits.

    The class of an example is its only label, or its only one of --classes, or an attribute with
    --target. Without a list the classes are all that the snapshot has.

    \b
    Examples:
      dsm prepare --label cat --label dog
      dsm prepare --changesets 1,3-5 --where 'width>=512' --target attr.breed
      dsm prepare --split holdout:train --segment night
      dsm prepare --pick wrong.csv --pick-column image
      dsm prepare --view all-cats --minus trained-on --sample 1000
      dsm prepare --at v1 --exclude-label blurred --path 'train/**' --name baseline
      dsm get "$(dsm prepare -q --label cat)" -o out
    """  # fmt: skip
    with Session(ctx) as s:
        made = s.dataset.prepare(
            labels=labels, all_labels=all_labels, exclude=exclude, since=since, until=until,
            percent=percent, changesets=changesets, at=at, paths=paths, where=where,
            changeset_where=changeset_where, only_passed=only_passed, split=split,
            segment=segment, missing=missing, pick=picked(pick, pick_column), view=view,
            and_=and_, or_=or_, minus=minus, seed=seed, per_label=per_label, balance=balance,
            sample=sample, name=name, target=target, classes=class_names(classes),
        )  # fmt: skip
        if as_json:
            from dsm.answers.views import prepare_answer

            print_json(prepare_answer(made))
        else:
            print(made.version)
        _sum_up(s, made)


def _sum_up(s: Session, view: View) -> None:
    from dsm.views.query.describe import describe

    for label in view.unknown_labels:
        near = close_matches(label, view.labels)
        meant = f"; did you mean {near[0]}?" if near else ""
        s.say(f"note: no example has the label {label}, which is to be left out{meant}")
    s.say(describe(view.query))
    content = view.content
    noun = "stored example" if view.queries else "example"
    s.say(f"{count_text(content.examples, noun)}, {size_text(content.size)}")
    if view.ties is not None:
        tied, taken = view.ties
        s.say(
            f"the newest share ends among {tied:,} examples of equal time: {taken:,} of them are"
            " taken, by a hash of their paths"
        )
    if view.queries and view.query.percent is not None:
        s.say("the newest share is cut over stored examples and rows together, when they are read")
    for each in view.queries:
        s.say(f"and the rows of query {each.query.name}, read from source {each.query.source}")
    counts = sorted(view.labels.items(), key=lambda item: (-item[1], item[0]))
    if counts:
        s.say(", ".join(listed([f"{label} {n:,}" for label, n in counts], LABELS_MAX)))
    s.say(f"next: dsm get {view.version[:12]} -o DIR")
