"""The page of a report as people use it, in a real browser: keyboard, colours, narrow and on paper."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import pytest
from browser import Browser
from pages import CHROMIUM, EVIL, SCRIPT
from PIL import Image
from situations import Work

from dsm.report.gather import gather
from dsm.report.page import page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
LONG = "l" * 250
CONTRACT = """\
[dataset.data.rules]
labels.vocabulary = ["cat"]
size = { max = 1, severity = "warning" }
duplicates = {}
"""
# The contrast of each element with text, by the formula of WCAG 2, against what is behind it.
CONTRASTS = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => rgb(text).slice(0, 3).map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (it) => {
    const color = getComputedStyle(it).backgroundColor;
    return rgb(color)[3] === 0 && it.parentElement ? behind(it.parentElement) : color;
  };
  const low = [];
  for (const it of document.querySelectorAll("p, td, th, h1, h2, a, b, span, li, .bad, .soft, .good, .warn, pre")) {
    const [a, b] = [light(getComputedStyle(it).color), light(behind(it))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(it.tagName + "." + it.className);
  }
  return [...new Set(low)];
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser that shows a report with drift, findings, and labels and paths of all kinds."""
    folder = tmp_path_factory.mktemp("browser")
    work = Work(folder / "work")
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(out, "JPEG")
    work.ds.add({f"cat/{n}.jpg": out.getvalue() + bytes(n) for n in range(60)}, labels=["cat"])
    work.ds.commit("first")
    work.ds.add({f"{EVIL}/{LONG[:200]}.txt": b"x" * 99, "rtl/\u05e9.txt": b"y"}, labels=[LONG])
    work.ds.add({f"dog/{n}.txt": SCRIPT.encode() for n in range(9)}, labels=[SCRIPT, "dog"])
    work.ds.commit("second")
    work.path("dsm.toml").write_text(CONTRACT)
    before = work.repo.example_set("1")
    check = work.ds.check
    made = gather(work.repo.example_set("2"), before, before, check, time=0)
    (folder / "report.html").write_text(page(made))
    opened = Browser(folder)
    opened.open((folder / "report.html").as_uri())
    yield opened
    opened.close()


def focused(browser: Browser) -> str:
    return str(browser.value("document.activeElement.id || document.activeElement.tagName"))


def where(browser: Browser) -> str:
    return str(browser.value('document.getElementById("where").textContent')).split(";")[0]


def test_the_gallery_is_turned_by_keys(browser: Browser) -> None:
    """Tab gets to its buttons; Enter and the arrows turn its pages, and stop at its ends; nothing but
    the page itself is asked for, and no name or text has run."""
    for _ in range(200):
        browser.press("Tab")
        if focused(browser) == "next":
            break
    assert (focused(browser), where(browser)) == ("next", "page 1 of 2")
    browser.press("Enter")
    assert where(browser) == "page 2 of 2"
    # The button that has the focus is disabled now: the keys go to the gallery.
    for key, expected in (
        ("ArrowRight", "page 2 of 2"), ("ArrowLeft", "page 1 of 2"), ("ArrowLeft", "page 1 of 2"),
        ("ArrowRight", "page 2 of 2"),
    ):  # fmt: skip
        browser.press(key)
        assert where(browser) == expected
    own = browser.value("location.href")
    assert browser.requests[0] == own
    assert [each[:40] for each in browser.requests if not each.startswith((own, "data:image/jpeg"))] == []  # fmt: skip
    assert browser.value("document.title") == "dsm report: changeset 2 of data"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(browser: Browser, scheme: str) -> None:
    """In both modes no text has less contrast than WCAG asks for (AA)."""
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    ground = browser.value("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 22, 22)"}[scheme]
    assert browser.value(CONTRASTS) == []


@pytest.mark.parametrize("width", [320, 500, 1200])
def test_no_window_scrolls_sideways(browser: Browser, width: int) -> None:
    """Whatever labels and paths there are: tables scroll within themselves, and all else wraps."""
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    assert browser.value("document.documentElement.scrollWidth") <= width
    cut = browser.value(
        """[...document.querySelectorAll(".grid li")].filter((it) => it.scrollWidth > it.clientWidth).length"""
    )
    assert cut == 0


@pytest.mark.parametrize("width", [500, 1200])
def test_tables_of_rules_and_numbers_fit_the_window(browser: Browser, width: int) -> None:
    """No column of what the rules say is out of sight, nor of the numbers on a wide window; the links
    to sections stand apart, and names of rules are not broken within a word."""
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    hidden = """[...document.querySelectorAll(%s)].filter((it) => it.scrollWidth > it.clientWidth).length"""
    rules = "section:has(#rules) .scroll"
    tables = f"'{rules}, .scroll:has(.numbers)'" if width > 640 else f"'{rules}'"
    assert browser.value(f"document.querySelectorAll({tables}).length") > 0
    assert browser.value(hidden % tables) == 0
    apart = browser.value(
        """(() => { const at = [...document.querySelectorAll("nav a")].map((it) => it.getBoundingClientRect());
        return at.slice(1).every((it, n) => it.top > at[n].top || it.left >= at[n].right + 8); })()"""
    )
    assert apart is True
    lines = browser.value(
        """[...document.querySelectorAll("section:has(#rules) td.k")].map((it) => {
        const all = document.createRange(); all.selectNodeContents(it); return all.getClientRects().length; })"""
    )
    assert lines == [1, 1, 1]


def test_all_of_it_is_printed(browser: Browser) -> None:
    """On paper what is folded is open, and what cannot be used there is gone; afterwards all is as
    before."""
    folded = "document.querySelectorAll('details:not([open])').length"
    before = browser.value(folded)
    assert before > 0
    browser.value(
        f"window.addEventListener('beforeprint', () => {{ window.left = {folded}; }}); window.left = -1"
    )
    paper = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert paper.startswith(b"%PDF")
    assert (browser.value("window.left"), browser.value(folded)) == (0, before)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.value("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")
