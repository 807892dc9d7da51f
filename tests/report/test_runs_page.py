"""One page about two runs: what it tells, and that nothing of runs and data is markup in it."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from pages import CHROMIUM, EVIL, SCRIPT, Elements, in_browser
from situations import Work

from dsm.report import runs_page as module
from dsm.report.page import MARK
from dsm.report.runs_page import RunsPage, gathered, runs_page
from dsm.runs.comparison import compare
from dsm.runs.logger import RunLogger
from dsm.runs.run import End, Start
from dsm.views.comparison.explain import explain


def record(work: Work, name: str | None, view: str, slope: float, **parameters: str) -> str:
    """A run that logged a curve, NaN, and a metric whose name is markup."""
    start = Start(
        name, ["train", EVIL], 5, EVIL, parameters, "c" * 40, False, "3.11", {SCRIPT: EVIL}
    )
    run = work.repo.runs.begin(start)
    work.repo.runs.note_view(run.id, work.repo.view(view))
    logger = RunLogger(work.repo, run.id)
    for step in range(5):
        logger.log_metric("loss", math.nan if step == 2 else slope * step, step)
        logger.log_metric(EVIL, slope, step)
    logger.close()
    run.end(End(0, 2_000_005, 2_000_000, {"f1": slope, SCRIPT: math.inf}, []))
    return run.id


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Two views, of which the second has another label and 30 examples more, and runs of them."""
    made = Work(tmp_path_factory.mktemp("runs_page"))
    made.ds.add({f"{EVIL}.txt": b"1", "b": b"2"}, labels=["cat"])
    made.ds.commit("one")
    made.ds.prepare(name="first")
    made.ds.label(["b"], set=[SCRIPT])
    made.ds.add({f"more/{number}": b"3" for number in range(30)}, labels=["dog"])
    made.ds.commit(SCRIPT)
    made.ds.prepare(name="second")
    record(made, "base", "first", 0.5, lr="1", same="s")
    record(made, "other", "second", 0.25, lr=EVIL, same="s")
    return made


@pytest.fixture(scope="module")
def page(work: Work) -> RunsPage:
    found = compare(work.repo.runs.find("base"), work.repo.runs.find("other"))
    why = [explain(work.repo.view(a.version), work.repo.view(b.version)) for a, b in found.data]
    return gathered(work.repo.runs, found, why)


def test_a_page_tells_what_differs(page: RunsPage) -> None:
    """Metrics and their curves, each example with the reason, parameters and environment."""
    html = runs_page(page)
    assert html.startswith(MARK)
    assert "<tr><td>f1<td class=n>0.5<td class=n>0.25<td class=n>-0.25</tr>" in html
    assert [[len(each.points) for each in curves] for curves in page.curves.values()] == [
        [5, 5], [4, 4],
    ]  # fmt: skip
    assert html.count("<svg") == 2 and "1 NaN or infinite" in html
    assert "30 examples added: is of changeset 2, A stops at changeset 1" in html
    assert "<span class=path>b</span> <span class=soft>(was cat, is " in html
    assert "<td>lr<td class=path>1<td class=path>" in html
    assert "<summary>1 the same in both</summary>" in html


def test_long_differences_are_cut_with_a_count(
    page: RunsPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number of examples, reasons or metrics makes a page that no browser shows."""
    monkeypatch.setattr(module, "EXAMPLES_MAX", 10)
    html = runs_page(page)
    assert "… and 20 more: <code>dsm runs compare --json</code> has all of them" in html
    assert "more/9" not in html
    monkeypatch.setattr(module, "REASONS_MAX", 1)
    assert "… and 1 more reasons for 1 examples" in runs_page(page)


def test_nothing_of_runs_and_data_is_markup(page: RunsPage) -> None:
    """No script, no handler, no style attribute, no address; the policy allows one style alone."""
    html = runs_page(page)
    elements = Elements(html)
    assert "script" not in elements.found and "img" not in elements.found
    assert (elements.handlers, elements.found["style"]) == (set(), 1)
    assert all(address.startswith("#") for address in elements.addresses)
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'" in html


def test_runs_without_anything_have_a_page(work: Work) -> None:
    """No metric, no parameter, no view; and a run against itself: the page says so."""
    start = Start(None, ["x"], 1, "Ada", {}, None, None, "3", {})
    work.repo.runs.begin(start).release()
    bare = next(run for run in work.repo.runs if run.start.author == "Ada")
    html = runs_page(gathered(work.repo.runs, compare(bare, bare), []))
    for said in ("Neither run has a metric.", "Neither run read a view.", "Neither run has a parameter.",
                 "Command, git commit, Python and packages are the same.", "unknown"):  # fmt: skip
        assert said in html
    base = work.repo.runs.find("base")
    html = runs_page(gathered(work.repo.runs, compare(base, base), []))
    assert "Both read the same data." in html and "All are the same." in html


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_a_browser_draws_it_and_runs_nothing(page: RunsPage, tmp_path: Path) -> None:
    """In a real browser hostile names are text, and the title stays."""
    file = tmp_path / "runs.html"
    file.write_text(runs_page(page))
    shown = in_browser(file.as_uri(), tmp_path)
    assert "<title>dsm runs: base (" in shown
    elements = Elements(shown)
    assert "script" not in elements.found and elements.found["polyline"] == 4
