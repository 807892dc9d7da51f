"""Texts of others in Markdown."""

from __future__ import annotations

import re

from dsm.model.names import printable


def plain(text: str) -> str:
    """Returns text that Markdown shows as it is, whatever an example is called."""
    return re.sub(r"([\\`*_{}\[\]<>()#|!@~&])", r"\\\1", printable(text))
