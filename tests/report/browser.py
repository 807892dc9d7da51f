"""A headless Chromium that tests steer: its protocol over two pipes, without a library or a port."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from pages import CHROMIUM

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")  # fmt: skip


class Browser:
    """One page of a browser of its own; `requests` are the addresses that a page asked for."""

    def __init__(self, folder: Path):
        assert CHROMIUM is not None
        from_us, self._out = os.pipe()
        self._in, to_us = os.pipe()
        # The browser reads from descriptor 3 and writes to 4, whatever these pipes are.
        shell = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        line = [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "sh", *line], pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(from_us)
        os.close(to_us)
        self._numbers = itertools.count(1)
        self._unread = b""
        self._session = self._address = ""
        self.requests: list[str] = []
        (target,) = [
            each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"
        ]
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(300)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Returns what the browser answers to one command."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == number:
                assert "error" not in heard, heard["error"]
                return dict(heard["result"])
            self._note(heard)

    def open(self, address: str) -> None:
        """Opens a page, and returns when it is loaded."""
        self.requests.clear()
        self._address = address
        self.call("Page.navigate", url=address)
        loaded = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
        while not self.value(loaded):  # the browser's own first page is loaded, too
            self._note(self._hear())

    def value(self, script: str) -> Any:
        """Returns what an expression of JavaScript is in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        """Presses a key and lets it go, as a person does."""
        codes = {"Tab": 9, "Enter": 13, "ArrowLeft": 37, "ArrowRight": 39}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=codes[key], **text,
            )  # fmt: skip

    def _note(self, heard: dict[str, Any]) -> None:
        # What the browser's own first page still asks for is no request of ours.
        if (
            heard["method"] == "Network.requestWillBeSent"
            and heard["params"]["documentURL"] == self._address
        ):
            self.requests.append(heard["params"]["request"]["url"])

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            part = os.read(self._in, 1 << 16)
            assert part, "the browser has ended"
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\0")
        return dict(json.loads(line))
