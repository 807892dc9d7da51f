"""The options of `dsm check`."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.suggestions import changeset_names

What = Annotated[
    str | None,
    typer.Argument(
        metavar="[N | A..B | VIEW]",
        autocompletion=changeset_names,
        help="A snapshot, what changesets put, or a view (default: the head)",
    ),
]
Init = Annotated[bool, typer.Option("--init", help="Write a dsm.toml that the data at hand passes")]
Staged = Annotated[bool, typer.Option("--staged", help="Check what the next commit would put")]
Rules = Annotated[
    str | None, typer.Option("--rules", metavar="FILE", help="The contract (default: dsm.toml)")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="RULE", help="Ask this rule alone; repeatable"),
]
FailOn = Annotated[
    str, typer.Option("--fail-on", metavar="warning|error", help="What makes it fail")
]
Failing = Annotated[
    str | None,
    typer.Option("--failing", metavar="FILE", help="Write the paths that fail to a new file"),
]
Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="FILE", help="Judge the numbers of a JSON file; - is stdin"),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option("--fail-if", metavar="CONDITION", help="What must not hold; repeatable"),
]
SchemaDiff = Annotated[
    str | None,
    typer.Option("--schema-diff", metavar="FILE", help="Compare the contract with an older one"),
]
NoAlert = Annotated[bool, typer.Option("--no-alert", help="Tell nobody elsewhere when it fails")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Junit = Annotated[bool, typer.Option("--junit", help="Print a JUnit document")]
Sarif = Annotated[bool, typer.Option("--sarif", help="Print a SARIF log")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown")]
Github = Annotated[
    bool,
    typer.Option("--github", help="Print annotations, and add to the file of $GITHUB_STEP_SUMMARY"),
]
