"""Two runs side by side as one page that needs nothing else: no script, no other file, no server.

What runs and examples are called is escaped, and the policy in the page allows its own style alone.
"""

from __future__ import annotations

import math
import shlex
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

from dsm.model.timespec import format_time
from dsm.report.charts import text
from dsm.report.page import MARK
from dsm.runs.book import Runs
from dsm.runs.comparison import Difference, RunsCompared
from dsm.runs.curves import Curve, curve
from dsm.runs.picture import WIDTH, plot_style, svg
from dsm.runs.points import Point
from dsm.runs.run import Run, ViewRead
from dsm.views.comparison.explain import Explanation, Reason
from dsm.views.query.describe import describe

# How many curves a page draws, reasons it names, and examples it lists of all.
PLOTS_MAX, REASONS_MAX, EXAMPLES_MAX = 24, 200, 2000
_PLOTS = (
    ".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr));gap:1rem}"
    ".plots figure{margin:0}.plots .dsm-plot text{font:17px system-ui,sans-serif}"
    ".plots .dsm-plot .title{font-size:19px;font-weight:600}"
)
OPEN_MAX = 10  # a reason of so few examples is shown unfolded


@dataclass(frozen=True, slots=True)
class RunsPage:
    """What the page tells: how two runs differ, the curves of metrics that they logged by step, and
    why each pair of views differs. `left_out` metrics have curves that are not drawn."""

    compared: RunsCompared
    curves: Mapping[str, Sequence[Curve]]
    left_out: int
    why: Sequence[Explanation]


def gathered(book: Runs, compared: RunsCompared, why: Sequence[Explanation]) -> RunsPage:
    """Returns what a page about two runs tells; points are read. Raises DamagedData."""
    logged: list[dict[str, list[Point]]] = [{}, {}]
    for run, points in zip((compared.a, compared.b), logged, strict=True):
        for point in book.points(run):
            points.setdefault(point.name, []).append(point)
    names = sorted({*logged[0], *logged[1]})
    titles = [f"A {_name(compared.a)}", f"B {_name(compared.b)}"]
    curves = {
        name: [
            curve(title, points.get(name, ()), WIDTH)
            for title, points in zip(titles, logged, strict=True)
        ]
        for name in names[:PLOTS_MAX]
    }
    return RunsPage(compared, curves, max(0, len(names) - PLOTS_MAX), why)


def runs_page(found: RunsPage) -> str:
    """Returns the HTML of a page about two runs."""
    style = resources.files("dsm.report").joinpath("page.css").read_text("utf-8")
    style += plot_style() + _PLOTS
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    a, b = found.compared.a, found.compared.b
    title = text(f"dsm runs: {_name(a)} and {_name(b)}")
    return "".join((
        MARK, '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{title}</title><style>{style}</style></head><body>",
        '<a class="skip" href="#main">Skip to the figures</a>', *_head(found),
        '<main id="main">', *_metrics(found), *_data(found), *_parameters(a, b),
        *_environment(found.compared.environment), "</main></body></html>\n",
    ))  # fmt: skip


def _name(run: Run) -> str:
    return f"{run.start.name} ({run.id[:8]})" if run.start.name else run.id[:8]


def _head(found: RunsPage) -> Iterator[str]:
    compared = found.compared
    yield f"<header><h1>{text(_name(compared.a))} and {text(_name(compared.b))}</h1>"
    yield "<div class=scroll><table><thead><tr><th><th><span class=key>A</span>"
    yield "<th><span class='key kb'>B</span></thead><tbody>"
    for name, told in (
        ("run", lambda run: run.id), ("state", _state), ("began", _began), ("took", _took),
        ("command", lambda run: shlex.join(run.start.command)), ("git commit", _commit),
    ):  # fmt: skip
        yield f"<tr><th>{name}<td class=path>{text(told(compared.a))}"
        yield f"<td class=path>{text(told(compared.b))}</tr>"
    yield "</tbody></table></div><nav aria-label=Sections><p>"
    for name in ("metrics", "data", "parameters", "environment"):
        yield f'<a href="#{name}">{name.capitalize()}</a>'
    yield "</p></nav></header>"


def _state(run: Run) -> str:
    return run.state + (f", exit status {run.end.status}" if run.end else "")


def _began(run: Run) -> str:
    return f"{format_time(run.start.time // 1_000_000 * 1_000_000)} by {run.start.author}"


def _took(run: Run) -> str:
    return f"{run.end.duration / 1_000_000:.1f} s" if run.end else "unknown"


def _commit(run: Run) -> str:
    if run.start.commit is None:
        return "none"
    return run.start.commit + ("" if run.start.clean else ", with changes")


def _metrics(found: RunsPage) -> Iterator[str]:
    yield "<section><h2 id=metrics>Metrics</h2>"
    if not found.compared.metrics:
        yield "<p>Neither run has a metric.</p></section>"
        return
    yield "<div class=scroll><table><thead><tr><th>metric<th class=n>A<th class=n>B"
    yield "<th class=n>B less A</thead><tbody>"
    for name, before, after in found.compared.metrics:
        change = math.nan if before is None or after is None else after - before
        yield f"<tr><td>{text(name)}<td class=n>{_number(before)}<td class=n>{_number(after)}"
        yield f"<td class=n>{'' if math.isnan(change) else f'{change:+.4g}'}</tr>"
    yield "</tbody></table></div>"
    if found.curves:
        yield "<h3>By step</h3><div class=plots>"
        for name, curves in found.curves.items():
            yield f"<figure>{svg(name, curves, style=False)}</figure>"
        yield "</div>"
    if found.left_out:
        yield f"<p>… and {found.left_out:,} more metrics by step</p>"
    yield "</section>"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _data(found: RunsPage) -> Iterator[str]:
    compared = found.compared
    yield "<section><h2 id=data>Training data</h2>"
    differ = found.why or compared.only_a or compared.only_b
    if not compared.a.views and not compared.b.views:
        yield "<p>Neither run read a view.</p>"
    elif not differ:
        yield "<p>Both read the same data.</p>"
    left = EXAMPLES_MAX
    for each in found.why:
        yield from _explained(each, left)
        left = max(0, left - sum(reason.count for reason in each.reasons))
    for words, views in (
        ("Only A read", compared.only_a), ("Only B read", compared.only_b),
        ("Both read", compared.same),
    ):  # fmt: skip
        if views:
            yield f"<h3>{words}</h3><ul>"
            yield from (f"<li>{_view(view)}</li>" for view in views)
            yield "</ul>"
    yield "</section>"


def _view(view: ViewRead) -> str:
    version = f"<code>{text(view.version[:12])}</code>"
    return f"{version} of {text(view.dataset)}, {view.examples:,} examples"


def _explained(found: Explanation, left: int) -> Iterator[str]:
    diff = found.diff
    yield f"<h3>{text(diff.a.dataset)}</h3><div class=scroll><table><tbody>"
    for letter, kind, view in (("A", "key", diff.a), ("B", "key kb", diff.b)):
        yield f"<tr><th><span class='{kind}'>{letter}</span><td><code>{text(view.version[:12])}"
        yield f"</code><td class=n>{view.content.examples:,} examples"
        yield f"<td>{text(describe(view.query))}</tr>"
    yield "</tbody></table></div>"
    if not found.reasons:
        yield "<p>Both hold the same stored examples.</p>"
    for reason in found.reasons[:REASONS_MAX]:
        yield from _reason(reason, left)
        left = max(0, left - reason.count)
    rest = found.reasons[REASONS_MAX:]
    if rest:
        examples = sum(reason.count for reason in rest)
        yield f"<p>… and {len(rest):,} more reasons for {examples:,} examples</p>"


def _reason(reason: Reason, left: int) -> Iterator[str]:
    noun = "example" if reason.count == 1 else "examples"
    unfolded = " open" if reason.count <= min(OPEN_MAX, left) else ""
    yield f"<details{unfolded}><summary>{reason.count:,} {noun} {text(reason.change)}: "
    yield f"{text(reason.text)}</summary><ul>"
    for path, detail in reason.examples(left):
        more = f" <span class=soft>({text(detail)})</span>" if detail else ""
        yield f"<li><span class=path>{text(path)}</span>{more}</li>"
    if reason.count > left:
        yield f"<li>… and {reason.count - left:,} more: <code>dsm runs compare --json</code> has "
        yield "all of them</li>"
    yield "</ul></details>"


def _parameters(a: Run, b: Run) -> Iterator[str]:
    yield "<section><h2 id=parameters>Parameters</h2>"
    ours, theirs = a.parameters, b.parameters
    names = sorted({*ours, *theirs})
    differ = [name for name in names if ours.get(name) != theirs.get(name)]
    if not names:
        yield "<p>Neither run has a parameter.</p>"
    elif differ:
        yield from _table([Difference(name, ours.get(name), theirs.get(name)) for name in differ])
    else:
        yield "<p>All are the same.</p>"
    same = [name for name in names if name not in differ]
    if same:
        yield f"<details><summary>{len(same):,} the same in both</summary><table><tbody>"
        for name in same:
            yield f"<tr><td>{text(name)}<td class=path>{text(ours[name])}</tr>"
        yield "</tbody></table></details>"
    yield "</section>"


def _environment(differ: Sequence[Difference]) -> Iterator[str]:
    yield "<section><h2 id=environment>Environment</h2>"
    if differ:
        yield from _table(differ)
    else:
        yield "<p>Command, git commit, Python and packages are the same.</p>"
    yield "</section>"


def _table(differ: Sequence[Difference]) -> Iterator[str]:
    yield "<div class=scroll><table><thead><tr><th>name<th>A<th>B</thead><tbody>"
    for each in differ:
        yield f"<tr><td>{text(each.name)}"
        for value in (each.before, each.after):
            yield "<td class=soft>none" if value is None else f"<td class=path>{text(value)}"
        yield "</tr>"
    yield "</tbody></table></div>"
