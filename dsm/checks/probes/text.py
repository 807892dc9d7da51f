"""Text: whether it is UTF-8 to the end, how long it is; JSON is read besides."""

from __future__ import annotations

import codecs
from typing import Any

from dsm.checks.probes import json_text
from dsm.checks.probes.probe import Content, Facts

_PART = 1 << 20


def examine(content: Content, kind: str) -> Facts:
    """Reads text: `encoding` ("ascii", "utf-8", or None with the byte where it breaks, `bad`),
    `chars`, `lines`, and whether it has `nul` or begins with a `bom`."""
    facts: dict[str, Any] = {"type": kind, "encoding": "ascii"}
    decoder = codecs.getincrementaldecoder("utf-8")()
    content.file.seek(0)
    chars, lines, done, last = 0, 0, 0, ""
    while True:
        part = content.file.read(_PART)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(part, final=not part)
        except UnicodeDecodeError as error:
            return {**facts, "encoding": None, "bad": done - pending + error.start}
        if not done and text.startswith("\ufeff"):
            facts["bom"] = True
        if facts["encoding"] == "ascii" and not text.isascii():
            facts["encoding"] = "utf-8"
        if "\0" in text:
            facts["nul"] = True
        chars, lines = chars + len(text), lines + text.count("\n")
        last = text[-1:] or last
        done += len(part)
        if not part:
            break
    facts |= {"chars": chars, "lines": lines + (last not in ("", "\n"))}
    if kind == "application/json":
        problem = json_text.problem(content)
        if problem is not None:
            facts["problem"] = problem
    return facts
