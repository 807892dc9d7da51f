"""Pages as tests look at them: their elements, and what a real browser makes of them."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

EVIL = "<img src=x onerror=\"document.title='pwned'\">"
SCRIPT = "</script><script>document.title='pwned'</script><!--"
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)


class Elements(HTMLParser):
    """Counts the elements of a page, and gathers their attributes."""

    def __init__(self, html: str):
        super().__init__()
        self.found: dict[str, int] = {}
        self.handlers: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        self.handlers |= {name for name, _ in attrs if name.startswith("on") or name == "style"}
        self.addresses |= {str(v) for name, v in attrs if name in ("src", "href")}


def in_browser(address: str, folder: Path) -> str:
    """Returns the document as a browser has it after its scripts, if any, have run."""
    assert CHROMIUM is not None
    words = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             f"--user-data-dir={folder / 'profile'}", "--dump-dom", address]  # fmt: skip
    return subprocess.run(words, capture_output=True, text=True, timeout=600).stdout
