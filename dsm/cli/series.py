"""Printing a series of views: versions for a shell loop, and what each is for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsm.cli.output import count_text, size_text
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.cli.session import Session
    from dsm.views.series import Step


def print_steps(s: Session, words: str, steps: Iterable[Step]) -> None:
    """Prints the versions of what differs from the whole."""
    for step in steps:
        told = words.format(printable(step.what))
        if step.view is None:
            s.say(f"{told}: left out, no example is left")
        elif step.same:
            s.say(f"{told}: left out, the view has the same examples with it")
        else:
            content = step.view.content
            s.say(f"{told}: {count_text(content.examples, 'example')}, {size_text(content.size)}")
            print(step.view.version, flush=True)
