"""A report as one page that needs nothing else: no network, no other file, no server.

No example can run a script in it: every text is escaped or goes through `textContent`, pictures are
encoded anew, and a policy in the page allows only its own script and style, by their hashes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from importlib import resources
from typing import Any

from dsm.model.names import printable
from dsm.model.sizes import count_text, size_text
from dsm.model.timespec import format_time
from dsm.report.charts import bar, histogram, percent, text
from dsm.report.gather import Report
from dsm.report.samples import PICTURES_MAX, Sample
from dsm.statistics.drift import ColumnDrift, Drift
from dsm.statistics.samples import CATEGORY
from dsm.statistics.summary import ColumnSummary
from dsm.statistics.words import moves, value_text

MARK = "<!doctype html>\n<!-- a report of dsm -->\n"
VALUES_MAX = 30


def page(report: Report) -> str:
    """Returns the HTML of a report."""
    style, script = (
        resources.files("dsm.report").joinpath(name).read_text("utf-8")
        for name in ("page.css", "page.js")
    )
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src '{_hash(style)}';"
        f" script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    title = text(f"dsm report: {report.of.words}")
    return "".join((
        MARK, '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{title}</title><style>{style}</style></head><body>",
        '<a class="skip" href="#main">Skip to the figures</a>', *_head(report),
        '<main id="main">', *_changes(report), *_drift(report), *_checks(report),
        *_figures(report), *_gallery(report), "</main>",
        f'<script type="application/json" id="data">{_data(report)}</script>',
        f"<script>{script}</script></body></html>\n",
    ))  # fmt: skip


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


def _data(report: Report) -> str:
    samples: list[dict[str, Any]] = []
    groups = []
    for group, found in report.gallery:
        rows = list(range(len(samples), len(samples) + len(found)))
        samples += map(_sample, found)
        groups.append({"label": printable(group.label), "count": group.count, "rows": rows})
    failing = list(range(len(samples), len(samples) + len(report.failing)))
    samples += [{**_sample(sample), "f": said} for sample, said in report.failing]
    made = json.dumps({"samples": samples, "groups": groups, "failing": failing})
    # No text can end the element that holds it, nor begin a comment in it.
    return made.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _sample(sample: Sample) -> dict[str, Any]:
    fields = {
        "p": printable(sample.path), "l": [printable(label) for label in sample.labels],
        "i": sample.image, "b": list(sample.bars), "s": sample.sound,
        "m": sample.sound_type if sample.sound else "", "t": sample.text,
        "n": "no room for its picture" if sample.left_off else "",
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value or name in ("p", "l")}


def _head(report: Report) -> Iterator[str]:
    of = report.of
    yield f"<header><h1>{text(of.words)}</h1><p class=soft>dataset {text(of.dataset)}"
    if of.view is not None and of.kind == "view":
        yield f", version <code>{text(of.view.version)}</code>"
    yield f", {format_time(report.time // 1_000_000 * 1_000_000)}</p><div class=tiles>"
    yield _tile("examples", f"{report.summary.examples:,}")
    size = report.summary["size"]
    if size.numbers is not None and size.numbers.mean is not None:
        yield _tile("bytes", size_text(round(size.numbers.mean * report.summary.examples)))
    yield _tile("labels", f"{report.summary['labels'].distinct or 0:,}")
    if report.checks is not None:
        failed = report.checks.fails()
        yield _tile("rules", "failed" if failed else "passed", "bad" if failed else "good")
    if report.drift is not None:
        drifted = report.drift.drifted
        yield _tile("drift", "found" if drifted else "none", "bad" if drifted else "good")
    yield "</div><nav aria-label=Sections><p>"
    for name, has in (
        ("changes", report.changes), ("drift", report.drift), ("rules", report.checks),
        ("figures", True), ("gallery", report.gallery),
    ):  # fmt: skip
        if has:
            yield f'<a href="#{name}">{name.capitalize()}</a>'
    yield "</p></nav></header>"


def _tile(name: str, value: str, kind: str = "") -> str:
    return f'<div class=tile>{text(name)}<b class="{kind}">{text(value)}</b></div>'


def _changes(report: Report) -> Iterator[str]:
    if report.changes is None:
        return
    yield f"<section><h2 id=changes>Changes</h2><p>Since {text(report.changes.since)}:</p><ul>"
    for name, count, paths in report.changes.kinds:
        yield f"<li>{count:,} {text(name)}"
        if paths:
            shown = "".join(f"<li class=path>{text(path)}</li>" for path in paths)
            more = f"<li>… and {count - len(paths):,} more</li>" if count > len(paths) else ""
            yield f"<details><summary>paths</summary><ul>{shown}{more}</ul></details>"
        yield "</li>"
    yield "</ul></section>"


def _drift(report: Report) -> Iterator[str]:
    found = report.drift
    if found is None:
        return
    yield "<section><h2 id=drift>Drift</h2><p><span class=key>A</span>: "
    yield f"{text(report.against or '')}, {count_text(found.examples[0], 'example')}; "
    yield f"<span class='key kb'>B</span>: {text(report.of.words)}, "
    yield f"{count_text(found.examples[1], 'example')}</p>"
    yield "<div class=scroll><table><thead><tr><th>column<th>drifted<th class=n>p-value"
    yield "<th class=n>PSI<th class=n>JS<th>what moved</thead><tbody>"
    for column in found.columns:
        yield _drift_row(column, found)
    yield "</tbody></table></div><div class=charts>"
    for column in found.columns:
        if column.kind != CATEGORY and len(column.a.histogram) > 1:
            edges = column.histogram_edges
            low, high = (value_text(edges[i], column.column, column.kind) for i in (0, -1))
            sides = column.a.histogram, column.b.histogram
            yield histogram(column.column, sides[0], f"up to {low}", f"from {high}", sides[1])
    yield "</div>"
    for column in found.columns:
        if column.kind == CATEGORY and (column.a.counts or column.b.counts):
            yield from _two_sides(column)
    yield "</section>"


def _drift_row(column: ColumnDrift, found: Drift) -> str:
    at = found.thresholds
    decides = "" if at.decides(column.column) else " (does not decide)"
    said = ("yes" if column.drifted(at) else "no") + decides
    figures = (
        column.corrected, column.measures["psi"].statistic,
        column.measures["jensen_shannon"].statistic,
    )  # fmt: skip
    cells = "".join(f"<td class=n>{'-' if f is None else f'{f:.3g}'}" for f in figures)
    kind = "bad" if column.drifted(at) and not decides else ""
    moved = "<br>".join(map(text, moves(column, at)))
    return f'<tr><td>{text(column.column)}<td class="{kind}">{said}{cells}<td>{moved}</tr>'


def _two_sides(column: ColumnDrift) -> Iterator[str]:
    totals = [sum(side.counts.values()) + side.rest or 1 for side in (column.a, column.b)]

    def shares(value: str) -> tuple[float, float]:
        a, b = column.a.counts.get(value, 0), column.b.counts.get(value, 0)
        return a / totals[0], b / totals[1]

    values = sorted({*column.a.counts, *column.b.counts}, key=lambda v: (-sum(shares(v)), v))
    yield f"<h3>{text(column.column)}</h3><div class=scroll><table><thead>"
    yield "<tr><th>value<th class=n>A<th class=n>B<th>shares</thead><tbody>"
    for value in values[:VALUES_MAX]:
        p, q = shares(value)
        yield f"<tr><td>{text(value)}<td class=n>{text(percent(p))}<td class=n>{text(percent(q))}"
        yield f"<td>{bar(p, q)}</tr>"
    yield "</tbody></table></div>"
    # Rare values of both sides may be the same ones, so of them all only the least is known.
    more = max(len(values), column.a.distinct or 0, column.b.distinct or 0) - VALUES_MAX
    least = "at least " if column.a.rest or column.b.rest else ""
    if more > 0:
        yield f"<p>… and {least}{more:,} more values</p>"


def _checks(report: Report) -> Iterator[str]:
    checks = report.checks
    if checks is None:
        return
    yield f"<section><h2 id=rules>Rules of {text(checks.file)}</h2><p>"
    yield f"{count_text(checks.judged, 'example')} judged: {count_text(checks.errors, 'error')}, "
    yield f"{count_text(checks.warnings, 'warning')}.</p>"
    yield "<div class=scroll><table><thead><tr><th>rule<th>severity<th class=n>findings"
    yield "<th>what they say</thead><tbody>"
    for at, ran in enumerate(checks.ran):
        kind = "good" if not ran.count else "bad" if ran.rule.severity == "error" else "warn"
        yield f"<tr><td class=k>{text(ran.rule.name)}<td>{text(ran.rule.severity)}"
        yield f'<td class="n {kind}">'
        yield f"{ran.count:,}<td>"
        found = report.findings.get(at, ())
        yield "<br>".join(text(each.told) for each in found[:5])
        if ran.count > 5:
            rest = "".join(f"<li>{text(each.told)}</li>" for each in found[5:])
            if ran.count > len(found):
                rest += f"<li>… and {ran.count - len(found):,} that are not on this page</li>"
            yield f"<details><summary>… and {ran.count - 5:,} more</summary>"
            yield f"<ul>{rest}</ul></details>"
        yield "</tr>"
    yield "</tbody></table></div>"
    if report.failing:
        verb = "fails" if len(report.failing) == 1 else "fail"
        yield f"<h3>{count_text(len(report.failing), 'example')} that {verb}</h3>"
        yield "<ul class=grid id=failing></ul>"
    yield "</section>"


def _figures(report: Report) -> Iterator[str]:
    yield "<section><h2 id=figures>Figures</h2><div class=charts>"
    for column in report.summary.columns:
        numbers = column.numbers
        if numbers is not None and len(numbers.counts) > 1:
            low, high = (
                value_text(numbers.quantiles[at], column.column, column.kind) for at in (0, -1)
            )
            yield histogram(column.column, numbers.counts, low, high)
    yield "</div>"
    for column in report.summary.columns:
        if column.kind == CATEGORY and column.counts:
            yield from _classes(column)
    yield "<h3>Numbers</h3><div class=scroll><table class=numbers><thead><tr><th>column"
    yield "<th class=n>missing"
    yield "<th class=n>min<th class=n>p5<th class=n>median<th class=n>p95<th class=n>max</thead>"
    for column in report.summary.columns:
        if column.numbers is not None:
            told = (column.numbers.quantiles[at] for at in (0, 2, 4, 6, 8))
            shown = (text(value_text(value, column.column, column.kind)) for value in told)
            # A time may be broken before its hour, so that seven columns fit a page.
            cells = "".join(f"<td class=n>{each.replace('T', 'T<wbr>')}" for each in shown)
            yield f"<tr><td>{text(column.column)}<td class=n>{column.missing:,}{cells}</tr>"
    yield "</table></div></section>"


def _classes(column: ColumnSummary) -> Iterator[str]:
    noun = "value" if column.distinct == 1 else "values"
    yield f"<h3>{text(column.column)}: {column.distinct or 0:,} {noun}</h3>"
    yield "<div class=scroll><table><thead><tr><th>value<th class=n>examples<th class=n>share"
    yield "<th></thead><tbody>"
    total, most = column.examples or 1, column.counts[0][1]
    for value, count in column.counts[:VALUES_MAX]:
        yield f"<tr><td>{text(value)}<td class=n>{count:,}<td class=n>"
        yield f"{text(percent(count / total))}"
        yield f"<td>{bar(count / most)}</tr>"
    if column.missing:
        yield f"<tr><td class=soft>none<td class=n>{column.missing:,}<td class=n>"
        yield f"{text(percent(column.missing / total))}<td></tr>"
    yield "</tbody></table></div>"
    rest = len(column.counts) - VALUES_MAX
    if rest > 0 or column.rest:
        yield f"<p>… and {(column.distinct or 0) - VALUES_MAX:,} more values</p>"


def _gallery(report: Report) -> Iterator[str]:
    if not report.gallery:
        return
    yield "<section tabindex=-1><h2 id=gallery>Gallery</h2><p class=controls>"
    yield "<label>Label <select id=label></select></label><button id=back type=button>← Back"
    yield "</button><button id=next type=button>Next →</button>"
    yield "<span id=where class=soft aria-live=polite></span></p>"
    shown = {sample.path: sample for _, samples in report.gallery for sample in samples}
    left_off = sum(sample.left_off for sample in shown.values())
    if left_off:
        noun = "picture is" if left_off == 1 else "pictures are"
        yield f"<p class=warn>{left_off:,} {noun} not shown: all pictures of a page have"
        yield f" {size_text(PICTURES_MAX)}. A smaller --gallery shows all of its pictures.</p>"
    yield "<noscript><p>The gallery needs the script of this page.</p></noscript>"
    yield "<ul class=grid id=examples></ul></section>"
