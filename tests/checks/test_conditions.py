"""Conditions of the gate of a model: what they read, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsm.checks.conditions import Condition, Unknown
from dsm.checks.metrics import Metrics, judge, read_metrics
from dsm.errors import DsmError, InvalidInput, NotFound

NUMBERS = {"a": 1.0, "b": 2.0, "test.loss": 0.5, "val/acc": 0.9, "nan": float("nan")}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a < b", True), ("a > b", False), ("a <= 1", True), ("b >= 2.5", False), ("a == 1e0", True),
        ("a != 1", False), ("a + b * 2 == 5", True), ("(a + b) * 2 == 6", True),
        ("-a < 0 and b - a - a == 0", True), ("a > b or a < b and not a == 1", False),
        ("not (a > b) and test.loss < .6", True), ('"val/acc" < 0.95', True), ("b / 4 == 0.5", True),
        ("a<b", True), ("1 - -1 == 2", True),
    ],
)  # fmt: skip
def test_conditions_mean_what_they_do_in_other_languages(text: str, holds: bool) -> None:
    """Products before sums before comparisons before not, and, or; from left to right."""
    assert Condition(text).holds(NUMBERS) is holds


@pytest.mark.parametrize(
    "text",
    ["", "a", "1", "a <", "< a", "a < b < c", "a = 1", "(a < b", "a < b)", "a b", "a + (b < 1)",
     "a and b < 1", "not a", "__import__('os')", "a.__class__ < 1 ; b", "a < 'b'", "a ** 2 > 1",
     "and < 1", "(" * 5000 + "a" + ")" * 5000, "-" * 900 + "a"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    """Numbers, halves, chains and code: none is read."""
    with pytest.raises(
        InvalidInput,
        match=r"is no condition|is a number, no condition|compares comparisons|stands between comparisons|has at most [0-9,]+ characters",
    ):
        Condition(text)


@given(st.text(alphabet="ab<>=!+-*/(). 0123456789notandr\"'", max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    """It is a condition or it is refused; nothing else comes out."""
    try:
        Condition(text).holds(NUMBERS)
    except (DsmError, Unknown):
        pass


def test_what_cannot_be_told_fails() -> None:
    """NaN and a division by zero let nothing pass, whatever else the condition says."""
    for text in ("nan < 0", "a < 0 or nan < 0", "a / (b - 2) > 1", "not nan > 1"):
        (found,) = judge(Metrics(NUMBERS, {}), [text])
        assert found.fails and found.why is not None


def test_a_metric_that_is_missing_is_an_error() -> None:
    """A gate on a number that is not there would never close; near matches are told."""
    with pytest.raises(NotFound) as caught:
        judge(Metrics(NUMBERS, {}), ["a > 5 and test.los < 1"])
    assert caught.value.hint == "did you mean test.loss?"
    with pytest.raises(NotFound) as caught:  # eval, less loss
        judge(Metrics({"eval-loss": 1.0}, {}), ["eval-loss < 1"])
    assert caught.value.hint == 'did you mean "eval-loss"?'


def test_numbers_are_read_by_name() -> None:
    """Those of inner objects with a dot; texts, lists and truth values are no metrics."""
    text = (
        '{"a": 1, "b": {"c": 2.5, "d": "x"}, "e": [3], "f": true, "g": NaN, "n": null, "h": 1'
        + "0" * 400
        + "}"
    )
    found = read_metrics(text.encode(), "m.json")
    assert list(found.numbers) == ["a", "b.c", "g", "n", "h"]
    (judged,) = judge(found, ["n < 0"])  # as NaN does, it passes no gate
    assert judged.fails
    told = [each.why for each in judge(found, ["b.d < 1", "a > 0 and e > 1", "f == 1"])]
    assert told == [
        "b.d is a text, not a number", "e is a list, not a number",
        "f is a truth value, not a number",
    ]  # fmt: skip
    assert (found.numbers["b.c"], found.numbers["h"]) == (2.5, float("inf"))


@pytest.mark.parametrize("content", [b"", b"[1]", b"{}", b'{"a": "x"}', b"\xff", b"[" * 100_000])
def test_what_is_no_metrics_file_is_refused(content: bytes) -> None:
    """Other JSON, other bytes, and what is nested without end."""
    with pytest.raises(
        InvalidInput,
        match=r"m\.json (is no JSON (document|object of metrics by name)|has no number)",
    ):
        read_metrics(content, "m.json")


def test_the_command_needs_no_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 0 when no condition holds, 1 when one does, 2 and 4 for what cannot be asked."""
    from dsm.__main__ import main

    monkeypatch.chdir(tmp_path)
    Path("m.json").write_text(json.dumps({"accuracy": 0.85}))

    def status(*words: str) -> int:
        return main(["check", *words])

    gate = ["--metrics", "m.json", "--fail-if"]
    assert status(*gate, "accuracy < 0.8") == 0
    assert status(*gate, "accuracy < 0.8", "--fail-if", "accuracy < 0.9") == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "passed: accuracy < 0.8 (accuracy is 0.85)", "failed: accuracy < 0.9 (accuracy is 0.85)",
    ]  # fmt: skip
    assert status(*gate, "accuracy") == 2
    assert status(*gate, "f1 < 1") == 4
    assert status("--metrics", "gone.json", "--fail-if", "a < 1") == 4
    assert status("--metrics", "m.json") == 2
    assert status("--fail-if", "a < 1") == 2
    assert status(*gate, "accuracy < 1", "--staged") == 2
