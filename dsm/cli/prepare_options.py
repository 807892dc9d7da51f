"""The options of `dsm prepare`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import (
    changeset_names,
    condition_names,
    label_lists,
    labels,
    segment_names,
    targets,
    view_names,
)

Labels = Annotated[
    list[str] | None,
    typer.Option(
        "-l", "--label", metavar="L", autocompletion=labels, help="Take examples with this label"
    ),
]
AllLabels = Annotated[
    bool, typer.Option("--all-labels", help="Take those that have all of the labels")
]
Excluded = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-label",
        metavar="L",
        autocompletion=labels,
        help="Leave out examples with this label",
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="T", help="Take examples of this time or later")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="T", help="Take examples of before this time")
]
Percent = Annotated[
    str | None,
    typer.Option("--percent", metavar="P", help="Of all that, take the newest share: .8, 80%"),
]
Changesets = Annotated[
    str | None,
    typer.Option("--changesets", metavar="1,3-5", help="Take what these changesets hold"),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="N",
        autocompletion=changeset_names,
        help="Changeset or tag (default: head)",
    ),
]
Paths = Annotated[
    list[str] | None,
    typer.Option("--path", metavar="GLOB", help="Take examples with such a path, or below it"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COND",
        autocompletion=condition_names,
        help="Take those whose attributes fit: 'width>=512'",
    ),
]
ChangesetWhere = Annotated[
    list[str] | None,
    typer.Option(
        "--changeset-where",
        metavar="COND",
        help="Take what was last put by changesets with such trailers: ticket=A-17",
    ),
]
OnlyPassed = Annotated[
    bool,
    typer.Option(
        "--only-passed", help="Take what was last put by changesets that passed their checks"
    ),
]
Split = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="SPLIT:PART",
        help="Take a part of a split: cv:fold3, cv:not-fold3",
    ),
]
Segment = Annotated[
    list[str] | None,
    typer.Option(
        "--segment",
        metavar="NAME",
        autocompletion=segment_names,
        help="Take what the filters of a segment take",
    ),
]
Pick = Annotated[
    str | None,
    typer.Option(
        "--pick",
        metavar="FILE|-",
        help="Take exactly these: paths or object ids, one a line, or a table with a column",
    ),
]
PickColumn = Annotated[
    str | None,
    typer.Option("--pick-column", metavar="NAME", help="The column of --pick (default: path, …)"),
]
Missing = Annotated[
    str | None,
    typer.Option(
        "--missing", metavar="refuse|ignore", help="What to do with unknown ones of --pick"
    ),
]
OfView = Annotated[
    str | None,
    typer.Option(
        "--view", metavar="V", autocompletion=view_names, help="Take what another view takes"
    ),
]
And = Annotated[
    list[str] | None,
    typer.Option("--and", metavar="V", autocompletion=view_names, help="And this view, too"),
]
Or = Annotated[
    list[str] | None,
    typer.Option("--or", metavar="V", autocompletion=view_names, help="Or this view, after --and"),
]
Minus = Annotated[
    list[str] | None,
    typer.Option(
        "--minus", metavar="V", autocompletion=view_names, help="But not this view, last of these"
    ),
]
PerLabel = Annotated[
    int | None, typer.Option("--per-label", metavar="N", help="Of that, at most N of each label")
]
Balance = Annotated[
    str | None,
    typer.Option(
        "--balance",
        metavar="label|ATTR",
        help="Of that, as many of each as of the rarest one",
    ),
]
Sample = Annotated[
    str | None,
    typer.Option("--sample", metavar="P|N", help="Of all that, a random share or number: 10%, 99"),
]
Seed = Annotated[
    str | None,
    typer.Option("--seed", metavar="S", help="What to draw a sample or a balance by (default: 0)"),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="COLUMN",
        autocompletion=targets,
        help="What the class of an example is: labels or attr.NAME (default: the dataset's)",
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="A,B",
        autocompletion=label_lists,
        help="The classes in their order; @FILE has one on each line",
    ),
]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call the view")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
