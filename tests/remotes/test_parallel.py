"""Requests side by side: what ends them, and what does not wait for them."""

from __future__ import annotations

import threading

from dsm.remotes.parallel import side_by_side


def test_an_iterator_that_nobody_holds_waits_for_nobody() -> None:
    """It may be closed by the garbage collector while a thread starts, which could never go on."""
    release = threading.Event()

    def ask(number: int) -> int:
        assert number == 0 or release.wait(600)
        return number

    answers = side_by_side(ask, range(9), 2)
    assert next(answers) == 0
    try:
        closing = threading.Thread(target=answers.close)  # type: ignore[attr-defined]
        closing.start()
        closing.join(120)
        assert not closing.is_alive()
    finally:
        release.set()
